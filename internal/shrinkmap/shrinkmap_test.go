package shrinkmap

import (
	"maps"
	"math/rand/v2"
	"testing"
)

func TestZeroValue(t *testing.T) {
	var m Map[string, int]
	m.Delete("nothing")
	if v, n := m.Get("nothing"), m.Len(); v != 0 || n != 0 {
		t.Errorf("value %d, %d entries, want none", v, n)
	}
	for k := range m.All() {
		t.Errorf("yields %q", k)
	}
	m.Put("a", 1)
	if v := m.Get("a"); v != 1 {
		t.Errorf("value %d, want 1", v)
	}
}

// TestShrinks: when the map is rebuilt, which shows in its peak.
func TestShrinks(t *testing.T) {
	for _, tt := range []struct {
		name      string
		put, left int
		peak      int
	}{
		{"empty", 0, 0, 0},
		{"too small to matter", 63, 0, 63},
		{"smallest, still full enough", 64, 9, 64},
		{"smallest, an eighth is left", 64, 8, 8},
		{"once rebuilt, small ones are left alone", 64, 0, 8},
		{"large, still full enough", 1000, 126, 1000},
		{"large, an eighth is left", 1000, 125, 125},
		{"large, twice", 1000, 15, 15},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var m Map[int, int]
			for i := range tt.put {
				m.Put(i, -i)
			}
			for i := tt.left; i < tt.put; i++ {
				m.Delete(i)
			}
			if m.peak != tt.peak || m.Len() != tt.left {
				t.Errorf("peak %d, %d entries, want %d, %d", m.peak, m.Len(), tt.peak, tt.left)
			}
			for i := range tt.left {
				if v := m.Get(i); v != -i {
					t.Errorf("value of %d is %d", i, v)
				}
			}
		})
	}
}

// TestModel does the same to Go's map, in times of growing and of shrinking.
func TestModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var m Map[int, int]
	model := make(map[int]int)
	for step := range 20000 {
		k := r.IntN(500)
		if growing := step/1000%2 == 0; r.IntN(10) < 8 == growing {
			m.Put(k, step)
			model[k] = step
		} else {
			m.Delete(k)
			delete(model, k)
		}
		if m.Len() != len(model) || m.Get(k) != model[k] {
			t.Fatalf("step %d: %d entries, %d: %d, want %d, %d", step, m.Len(), k, m.Get(k), len(model), model[k])
		}
		if step%100 == 0 && !maps.Equal(maps.Collect(m.All()), model) {
			t.Fatalf("step %d: %v, want %v", step, maps.Collect(m.All()), model)
		}
		if m.peak >= smallest && m.Len() <= m.peak/part {
			t.Fatalf("step %d: %d entries after %d", step, m.Len(), m.peak)
		}
	}
}
