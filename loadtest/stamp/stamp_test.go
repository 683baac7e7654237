// Stamps, found in whatever stands around them.

package stamp

import (
	"bytes"
	"compress/flate"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestMessage(t *testing.T) {
	s := Stamp{Due: 0x0123456789abcdef, Seq: 0xdeadbeef, Lane: 0xabcdef, Room: 5}
	want := "~bl00ff0123456789abcdefdeadbeefabcdef000005"
	if got := string(AppendMessage(nil, 0xff, s, 0)); got != want || len(got) != Len {
		t.Errorf("%s, %d bytes\nwant %s", got, len(got), want)
	}
	for _, size := range []int{Len + 1, Len + 3, 500, 3 * fillerLen} {
		got := string(AppendMessage([]byte("{"), 0xff, s, size))
		words, ok := strings.CutPrefix(got, "{"+want)
		if !ok || len(got) != 1+size || strings.Trim(words, " abcdefghijklmnopqrstuvwxyz") != "" {
			t.Errorf("%d bytes instead of %d: %.100s", len(got)-1, size, got)
		}
	}
}

// TestFiller: messages together compress about as text does, not as one letter
// repeated.
func TestFiller(t *testing.T) {
	const messages, words = 20, 200
	var packed bytes.Buffer
	z, _ := flate.NewWriter(&packed, flate.BestCompression) // the level is right
	for n := range uint32(messages) {
		_, _ = z.Write(AppendMessage(nil, 7, Stamp{Due: 1, Seq: n + 1}, Len+words)[Len:])
	}
	if z.Close(); packed.Len() < messages*words*4/10 || packed.Len() > messages*words*7/10 {
		t.Errorf("%d bytes of %d", packed.Len(), messages*words)
	}
}

// TestRoundTrip: whatever stands around the stamps of a run, all of them are
// found, in order, and none of another run.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		run := Run(rapid.Uint16().Draw(t, "run"))
		junk := rapid.Custom(func(t *rapid.T) []byte {
			return rapid.SliceOfN(rapid.OneOf(rapid.Byte(), rapid.SampledFrom([]byte("~bl0"))), 0, 60).Filter(func(b []byte) bool {
				_, _, ok := NewFinder(run, -1).Next(b)
				return !ok
			}).Draw(t, "junk")
		})
		stamps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Stamp {
			return Stamp{
				Due: rapid.Int64().Draw(t, "due"), Seq: rapid.Uint32().Draw(t, "seq"),
				Lane: rapid.Uint32Max(1<<24-1).Draw(t, "lane"), Room: rapid.Uint32Max(1<<24-1).Draw(t, "room"),
			}
		}), 0, 5).Draw(t, "stamps")
		size := rapid.IntRange(0, 100).Draw(t, "size")
		text := junk.Draw(t, "before")
		for _, s := range stamps {
			text = AppendMessage(text, run, s, size)
			text = append(text, `"}`...)
			text = AppendMessage(text, run^1, Stamp{Seq: 1}, size)
			text = append(text, junk.Draw(t, "between")...)
		}
		f := NewFinder(run, -1)
		rest := text
		for i, want := range stamps {
			got, after, ok := f.Next(rest)
			if !ok || got != want {
				t.Fatalf("stamp %d in %q: %+v, %v, want %+v", i, text, got, ok, want)
			}
			rest = after
		}
		if got, _, ok := f.Next(rest); ok {
			t.Fatalf("found %+v, which is not in %q", got, text)
		}
	})
}

func TestSkip(t *testing.T) {
	want := Stamp{Due: 1, Seq: 2, Lane: 3, Room: 4}
	message := AppendMessage([]byte("0123456789"), 7, want, 60)
	for _, tt := range []struct {
		name string
		run  Run
		skip int
		p    []byte
		ok   bool
	}{
		{"right", 7, 10, message, true},
		{"too few", 7, 9, message, false},
		{"too many", 7, 11, message, false},
		{"far too many", 7, 1 << 40, message, false},
		{"other run", 8, 10, message, false},
		{"cut", 7, 10, message[:10+Len-1], false},
		{"whole", 7, 10, message[:10+Len], true},
		{"no number", 7, 10, bytes.Replace(message, []byte("2"), []byte("G"), -1), false},
		{"upper case", 7, 10, append(append([]byte(nil), message[:17]...), bytes.ToUpper(AppendMessage(nil, 7, Stamp{Due: 0xa}, 0)[tokenLen:])...), false},
		{"empty", 7, 10, nil, false},
	} {
		s, rest, ok := NewFinder(tt.run, tt.skip).Next(tt.p)
		if ok != tt.ok || ok && s != want || len(rest) != 0 {
			t.Errorf("%s: %+v, %q, %v", tt.name, s, rest, ok)
		}
	}
}

func TestNextAllocatesNothing(t *testing.T) {
	p := AppendMessage([]byte(`{"m":"`), 7, Stamp{Seq: 1}, 128)
	f := NewFinder(7, -1)
	if n := testing.AllocsPerRun(100, func() { f.Next(p) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzFinder(f *testing.F) {
	one := AppendMessage(nil, 7, Stamp{Due: 1, Seq: 2, Lane: 3, Room: 4}, 50)
	f.Add(one, -1, uint16(7))
	f.Add(append([]byte("~bl0007~bl0007"), one...), -1, uint16(7))
	f.Add(append([]byte("0123"), one...), 4, uint16(7))
	f.Add([]byte("~bl0007zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"), 0, uint16(7))
	f.Fuzz(func(t *testing.T, p []byte, skip int, run uint16) {
		finder := NewFinder(Run(run), skip)
		for rest := p; ; {
			s, after, ok := finder.Next(rest)
			if !ok {
				break
			}
			// What is found is there, as it would be written.
			if !bytes.Contains(rest, AppendMessage(nil, Run(run), s, 0)) {
				t.Fatalf("%+v is not in %q", s, rest)
			}
			if len(after) >= len(rest) {
				t.Fatalf("%q leaves %q", rest, after)
			}
			rest = after
		}
		// A message is found behind p, whatever p is. Nothing that looks like a
		// stamp reaches over the newline.
		want := Stamp{Due: 5, Seq: 6, Lane: 7, Room: 8}
		text := AppendMessage(append(bytes.Clone(p), '\n'), Run(run), want, 0)
		all := NewFinder(Run(run), -1)
		found := false
		for rest, ok := text, true; ok && !found; {
			var s Stamp
			s, rest, ok = all.Next(rest)
			found = ok && s == want
		}
		if !found {
			t.Fatalf("not found at the end of %q", text)
		}
	})
}

func BenchmarkNext(b *testing.B) {
	for _, bench := range []struct {
		name string
		skip int
	}{{"search", -1}, {"skip", 6}} {
		b.Run("stamp="+bench.name, func(b *testing.B) {
			p := AppendMessage([]byte(`{"m":"`), 7, Stamp{Seq: 1}, 128)
			f := NewFinder(7, bench.skip)
			b.ReportAllocs()
			b.SetBytes(int64(len(p)))
			for b.Loop() {
				f.Next(p)
			}
		})
	}
}
