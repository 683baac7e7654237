// Histograms, and what the network may bring for one.

package tally

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"pgregory.net/rapid"
)

func filled(values []int64) *Histogram {
	h := NewHistogram()
	for _, v := range values {
		h.Record(v)
	}
	return h
}

func TestHistogram(t *testing.T) {
	h := NewHistogram()
	if h.Count() != 0 || h.Quantile(0.99) != 0 || h.Max() != 0 || h.Distribution() != nil {
		t.Error("an empty histogram has values")
	}
	for i := range 1000 {
		h.Record(int64(i+1) * int64(time.Millisecond))
	}
	for _, tt := range []struct {
		name      string
		got, want time.Duration
	}{
		{"median", h.Quantile(0.5), 500 * time.Millisecond},
		{"p99", h.Quantile(0.99), 990 * time.Millisecond},
		{"max", h.Max(), time.Second},
		{"mean", h.Mean(), 500500 * time.Microsecond},
	} {
		if off := (tt.got - tt.want).Abs(); off > tt.want/1000 {
			t.Errorf("%s %v, want %v", tt.name, tt.got, tt.want)
		}
	}
	steps := h.Distribution()
	sorted := slices.IsSortedFunc(steps, func(a, b Step) int { return int(a.Latency - b.Latency) })
	if last := steps[len(steps)-1]; !sorted || last.Quantile != 1 || last.Latency != h.Max() {
		t.Errorf("%v", steps)
	}
	h.Reset()
	if h.Count() != 0 {
		t.Error("not empty after Reset")
	}
}

func TestHistogramEnds(t *testing.T) {
	h := filled([]int64{math.MinInt64, -1, 0, math.MaxInt64})
	if h.Count() != 4 || h.Quantile(0) != time.Microsecond || h.Max() < longest || h.Max() > longest+longest/1000 {
		t.Errorf("%d values, %v to %v", h.Count(), h.Quantile(0), h.Max())
	}
}

// TestHistogramsMergeExactly: two agents' histograms, over the network, are the
// histogram of all values.
func TestHistogramsMergeExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOf(rapid.Int64Range(0, int64(20*time.Minute)))
		a, b := values.Draw(t, "a"), values.Draw(t, "b")
		merged := NewHistogram()
		for _, part := range [][]int64{a, b} {
			text, err := json.Marshal(filled(part))
			if err != nil {
				t.Fatal(err)
			}
			var h *Histogram
			if err := json.Unmarshal(text, &h); err != nil {
				t.Fatal(err)
			}
			merged.Merge(h)
		}
		merged.Merge(nil)
		all := filled(append(slices.Clone(a), b...))
		if !merged.h.Equals(all.h) || merged.Count() != int64(len(a)+len(b)) {
			t.Fatalf("%d values, %v, want %d, %v", merged.Count(), merged.Max(), all.Count(), all.Max())
		}
	})
}

// encoded is a histogram of another make.
func encoded(t testing.TB, h *hdrhistogram.Histogram) []byte {
	text, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		t.Fatal(err)
	}
	return []byte(`"` + string(text) + `"`)
}

// huge is a header that asks for 50 MB.
func huge() []byte {
	var header bytes.Buffer
	for _, v := range []any{
		int32(hdrhistogram.V2EncodingCookieBase | 0x10), int32(0), int32(0), int32(5), int64(1), int64(math.MaxInt64), 1.0,
	} {
		_ = binary.Write(&header, binary.BigEndian, v)
	}
	var body bytes.Buffer
	z := zlib.NewWriter(&body)
	_, _ = z.Write(header.Bytes())
	_ = z.Close()
	var all bytes.Buffer
	_ = binary.Write(&all, binary.BigEndian, []int32{hdrhistogram.V2CompressedEncodingCookieBase | 0x10, int32(body.Len())})
	all.Write(body.Bytes())
	return []byte(`"` + base64.StdEncoding.EncodeToString(all.Bytes()) + `"`)
}

func TestBadHistograms(t *testing.T) {
	many := hdrhistogram.New(ourLowest, longest.Microseconds(), ourDigits)
	_ = many.RecordValues(1, mostValues+1)
	for name, text := range map[string][]byte{
		"huge":         huge(),
		"many":         encoded(t, many),
		"other range":  encoded(t, hdrhistogram.New(1, 1000, 3)),
		"other digits": encoded(t, hdrhistogram.New(1, longest.Microseconds(), 2)),
		"number":       []byte("1"),
		"empty":        []byte(`""`),
		"null":         []byte("null"),
		"no base64":    []byte(`"????"`),
		"short":        []byte(`"AAAA"`),
		"no zlib":      []byte(`"HISTBAAAAAAAAAAAAAAAAAAA"`),
	} {
		var before, after runtime.MemStats
		h := new(Histogram)
		runtime.ReadMemStats(&before)
		err := h.UnmarshalJSON(text)
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
			t.Errorf("%s: allocated %d bytes", name, n)
		}
	}
}

func FuzzHistogram(f *testing.F) {
	text, _ := json.Marshal(filled([]int64{1e6, 2e6, 5e9}))
	f.Add([]byte(text))
	f.Add(huge())
	f.Add([]byte(`"HISTBAAAAAAAAAAA"`))
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var h Histogram
		if h.UnmarshalJSON(text) != nil {
			return
		}
		// It is as good as one of ours.
		sum := NewHistogram()
		sum.Merge(&h)
		if sum.Count() != h.Count() || sum.Max() != h.Max() {
			t.Fatalf("%d values up to %v became %d up to %v", h.Count(), h.Max(), sum.Count(), sum.Max())
		}
		h.Record(1e6)
		_, _ = h.Quantile(0.99), h.Distribution()
		if _, err := json.Marshal(&h); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkRecord(b *testing.B) {
	h := NewHistogram()
	b.ReportAllocs()
	for b.Loop() {
		h.Record(1234567)
	}
}
