package keyring

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func entry(name, key string, change func(*Entry)) Entry {
	e := Entry{Name: name, Hash: Hash(key), Rooms: []string{"live:*"}, Publish: true, Subscribe: true}
	if change != nil {
		change(&e)
	}
	return e
}

func TestFind(t *testing.T) {
	t.Parallel()
	a, b := Make(), Make()
	if a == b || !strings.HasPrefix(a, Prefix) || len(a) != len(Prefix)+43 || Check(a) != nil || !Is(a) || Is("a.b.c") {
		t.Fatalf("made %q and %q", a, b)
	}
	r, err := New(Entries{entry("a", a, nil), entry("b", b, func(e *Entry) { e.Rate = new(3.0) })})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{a: "a", b: "b", a + "x": "", a[1:]: "", "": "", Hash(a): "", strings.Repeat("x", 1<<20): ""} {
		got := ""
		if k := r.Find(text); k != nil {
			got = k.Name
		}
		if got != want {
			t.Errorf("%.60q is key %q, want %q", text, got, want)
		}
	}
	if ka, kb := r.Named("a"), r.Named("b"); ka.Rate != DefaultRate || kb.Rate != 3 || r.Named("c") != nil {
		t.Errorf("rates %v and %v", ka.Rate, kb.Rate)
	}
	if got := (Entries{entry("a", a, nil), entry("b", b, nil)}).String(); got != "a,b" {
		t.Errorf("they are shown as %q", got)
	}
}

func TestBadEntries(t *testing.T) {
	t.Parallel()
	key := Make()
	for want, change := range map[string]func(*Entry){
		"number 1: name":        func(e *Entry) { e.Name = "a b" },
		"want 1 to 64 letters":  func(e *Entry) { e.Name = strings.Repeat("n", 65) },
		`"a": hash`:             func(e *Entry) { e.Hash = key },
		"64 hexadecimal digits": func(e *Entry) { e.Hash = Hash(key)[:len(Hash(key))-2] },
		"hash: it is not":       func(e *Entry) { e.Hash += "00" },
		"publish, subscribe":    func(e *Entry) { e.Publish, e.Subscribe = false, false },
		"get: it needs publish": func(e *Entry) { e.Publish, e.Get = false, true },
		"rooms: there are 0":    func(e *Entry) { e.Rooms = nil },
		`rooms: "a b"`:          func(e *Entry) { e.Rooms = []string{"a b"} },
		`rooms: "user:*"`:       func(e *Entry) { e.Rooms = []string{"*", "user:*"} },
		`rooms: "user:ann"`:     func(e *Entry) { e.Rooms = []string{"user:ann"} },
		"origins: there are 65": func(e *Entry) { e.Origins = slices.Repeat([]string{"https://a.example"}, 65) },
		"rate: 1e+07 must be":   func(e *Entry) { e.Rate = new(1e7) },
		"rate: 0 must be":       func(e *Entry) { e.Rate = new(0.0) },
		"rate: -1 must be":      func(e *Entry) { e.Rate = new(-1.0) },
	} {
		want = strings.TrimPrefix(want, "want ")
		if _, err := New(Entries{entry("a", key, change)}); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), key) {
			t.Errorf("want %q: %v", want, err)
		}
	}
	if _, err := New(Entries{entry("a", key, nil), entry("a", Make(), nil)}); err == nil || !strings.Contains(err.Error(), "this name") {
		t.Errorf("two of one name: %v", err)
	}
	if _, err := New(Entries{entry("a", key, nil), entry("b", key, nil)}); err == nil || !strings.Contains(err.Error(), `that of "a"`) {
		t.Errorf("one key twice: %v", err)
	}
	if _, err := New(make(Entries, MaxKeys+1)); err == nil {
		t.Error("there may be too many")
	}
	if _, err := New(Entries{entry("old", key, func(e *Entry) { e.Expires = time.Unix(1, 0) })}); err != nil {
		t.Errorf("one that has expired: %v", err) // it is refused when it comes
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{
		"", "short", "password", strings.Repeat("a", 64), strings.Repeat("password", 8), strings.Repeat("0123456789abcdef", 4),
		"correct.horse.battery.staple.is.no.key", "ünïcödé-is-no-part-of-any-of-these-keys", "with spaces it would not stand in a header", strings.Repeat("x1", 200),
	} {
		if Check(bad) == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	for _, good := range []string{
		"3f9c2ab17d4e8056b1c7f2e9d0a46835",                                 // 128 random bits in hexadecimal
		"9b1d2f60-3c1e-4f7a-8e55-0a7c6d2b9f13",                             // a random UUID
		"Zk3uT9wq-LmX7_vB2nRc8sYd1eFgHj4p",                                 // base64url
		"bd7a6e0f5c94832112f7a90be46d3c58ffab0e7761c2d94835a0be917d62f4c8", // 256
	} {
		if err := Check(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for range 1000 {
		if err := Check(Make()); err != nil {
			t.Fatal(err)
		}
	}
}
