// Size classes of buffers.

package frame

import "testing"

func TestClassOf(t *testing.T) {
	for n := range maxClassSize + 1 {
		class := classOf(n)
		if size := minClassSize << class; size < n || class > 0 && size/2 >= n || class >= classCount {
			t.Fatalf("%d bytes: class %d of %d", n, class, size)
		}
	}
}

// TestClassPoolsForeign: a buffer of no class must not enter a pool, where it
// would come out too small.
func TestClassPoolsForeign(t *testing.T) {
	var pools classPools
	for _, n := range []int{maxClassSize + 1, 1 << 20} {
		b := pools.get(n)
		if cap(b.B) < n {
			t.Errorf("get(%d): cap %d", n, cap(b.B))
		}
		pools.put(b)
	}
	b := pools.get(600)
	b.B = make([]byte, 600)
	pools.put(b)
	for range 10 {
		if b := pools.get(1000); cap(b.B) != 1024 {
			t.Errorf("cap %d from the class of 1,024", cap(b.B))
		}
	}
}

// TestGrow: content survives, in every class and past the last.
func TestGrow(t *testing.T) {
	var pools classPools
	b := pools.grow(nil, 1)
	for i := range 600_000 {
		b = pools.grow(b, 1)
		b.B = append(b.B, byte(i%251))
	}
	for i, c := range b.B {
		if c != byte(i%251) {
			t.Fatalf("byte %d is %d", i, c)
		}
	}
}
