package broker_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"barrage/internal/broker"
)

// names are rooms', users' or neither's. What stands for them is their normal form.
var names = []struct {
	name, text string
	room, user string // "": refused
}{
	{"plain", "lobby", "lobby", "lobby"},
	{"of all kinds", "-a_b.c:d@e/f?g=h&i,j;k", "-a_b.c:d@e/f?g=h&i,j;k", "-a_b.c:d@e/f?g=h&i,j;k"},
	{"quotes", `a"b'c\d<e>` + "`", `a"b'c\d<e>` + "`", `a"b'c\d<e>` + "`"},
	{"braces", "}{x}", "}{x}", "}{x}"},
	{"Auth0", "auth0|5f7c8e", "auth0|5f7c8e", "auth0|5f7c8e"},
	{"e-mail", "ann@example.com", "ann@example.com", "ann@example.com"},
	{"UUID in braces", "{1b4e28ba-2fa1-11d2-883f-0016d3cca427}", "{1b4e28ba-2fa1-11d2-883f-0016d3cca427}", "{1b4e28ba-2fa1-11d2-883f-0016d3cca427}"},
	{"Chinese", "直播间42", "直播间42", "直播间42"},
	{"French, composed", "\u00e9mission", "\u00e9mission", "\u00e9mission"},
	{"French, decomposed", "e\u0301mission", "\u00e9mission", "\u00e9mission"},
	{"Korean, decomposed", "\u1112\u1161\u11ab\u1100\u1173\u11af", "한글", "한글"},
	{"Vietnamese, half composed", "vi\u00ea\u0323t", "việt", "việt"},
	{"no composed form", "x\u0302", "x\u0302", "x\u0302"},
	{"Hebrew", "אבג", "אבג", "אבג"},
	{"an accent of Greek that is one of ASCII", "a\u1fef", "a`", "a`"},
	{"emoji", "🎉🫩", "🎉🫩", "🎉🫩"}, // the second is newer than the tables
	{"emoji and its variant", "❤\ufe0f", "❤\ufe0f", "❤\ufe0f"},
	{"as text", "❤\ufe0e", "❤\ufe0e", "❤\ufe0e"},
	{"family", "👩\u200d👩\u200d👧", "👩\u200d👩\u200d👧", "👩\u200d👩\u200d👧"},
	{"variant, joined", "❤\ufe0f\u200d🔥", "❤\ufe0f\u200d🔥", "❤\ufe0f\u200d🔥"},
	{"keycap", "room#\ufe0f\u20e3", "room#\ufe0f\u20e3", "room#\ufe0f\u20e3"},
	{"Persian", "می\u200cخواهم", "می\u200cخواهم", "می\u200cخواهم"},
	{"Sinhala", "ශ\u0dca\u200dර\u0dd3", "ශ\u0dca\u200dර\u0dd3", "ශ\u0dca\u200dර\u0dd3"},
	{"joined, decomposed", "e\u0301\u200de\u0301", "\u00e9\u200d\u00e9", "\u00e9\u200d\u00e9"},
	{"a joiner keeps letter and accent apart", "e\u200d\u0301", "e\u200d\u0301", "e\u200d\u0301"},
	{"of a user, joined", "user:👩\u200d👧", "user:👩\u200d👧", ""},
	{"joiner first", "\u200da", "", ""},
	{"of a user, joiner first", "user:\u200da", "", ""},
	{"variant first", "\ufe0fa", "", ""},
	{"two joiners", "a\u200d\u200db", "", ""},
	{"two variants", "❤\ufe0f\ufe0f", "", ""},
	{"joiner and variant", "a\u200d\ufe0fb", "", ""},
	{"non-joiner behind a variant", "❤\ufe0f\u200cb", "", ""},
	{"a variant's joiner twice", "❤\ufe0f\u200d\u200d🔥", "", ""},
	{"another variant", "直\ufe00", "", ""},
	{"ideographic variant", "直\U000e0100", "", ""},
	{"longest of a room", strings.Repeat("z", 128), strings.Repeat("z", 128), strings.Repeat("z", 128)},
	{"longest of a room, decomposed", strings.Repeat("e\u0301", 64), strings.Repeat("\u00e9", 64), strings.Repeat("\u00e9", 64)},
	{"longer", strings.Repeat("z", 129), "", strings.Repeat("z", 129)},
	{"longest of a user", strings.Repeat("直", 85) + "z", "", strings.Repeat("直", 85) + "z"},
	{"longer still", strings.Repeat("z", 257), "", ""},
	{"longer in its normal form", strings.Repeat("\U0001d160", 11), "", strings.Repeat("\U0001d158\U0001d165\U0001d16e", 11)},
	{"nothing", "", "", ""},
	{"space", "a b", "", ""},
	{"line's end", "a\r\nSET x y", "", ""},
	{"NUL", "\x00presence:a", "", ""},
	{"DEL", "a\x7f", "", ""},
	{"C1", "a\u0085b", "", ""},
	{"no-break space", "a\u00a0b", "", ""},
	{"ideographic space", "直\u3000播", "", ""},
	{"line separator", "a\u2028b", "", ""},
	{"empty Braille", "a\u2800", "", ""},
	{"Hangul filler", "a\u3164", "", ""},
	{"soft hyphen", "lob\u00adby", "", ""},
	{"zero width space", "a\u200b", "", ""},
	{"zero width joiner", "a\u200db", "a\u200db", "a\u200db"},
	{"word joiner", "a\u2060b", "", ""},
	{"byte order mark", "\ufeffa", "", ""},
	{"right to left override", "a\u202eb", "", ""},
	{"isolate", "\u2067a\u2069", "", ""},
	{"Arabic letter mark", "a\u061c", "", ""},
	{"tag", "a\U000e0041", "", ""},
	{"grapheme joiner", "a\u034f\u0301", "", ""},
	{"forty marks", "a" + strings.Repeat("\u0336", 40), "", ""},
	{"private", "a\ue000", "", ""},
	{"unassigned", "a\u0378", "", ""},
	{"no character", "a\ufffe", "", ""},
	{"not UTF-8", "a\xff", "", ""},
	{"half a character", "a\xe7\x9b", "", ""},
	{"replacement", "a\ufffd", "", ""},
	{"star", "a*", "", ""},
	{"mark first", "\u0301a", "", ""},
	{"vowel first", "\u1161", "", ""},
	{"the server's", "@control", "", "@control"},
	{"here", ".", "", ""},
	{"up", "..", "", ""},
	{"of a user", "user:a", "user:a", ""},
	{"of a user, decomposed", "user:e\u0301", "user:\u00e9", ""},
	{"of no user", "user:", "", ""},
	{"of a user's room", "user:user:a", "", ""},
	{"of a user that is none", "user:a b", "", ""},
}

func TestNames(t *testing.T) {
	for _, x := range names {
		t.Run(x.name, func(t *testing.T) {
			checkName(t, "room", x.text, x.room, broker.RoomName)
			checkName(t, "user", x.text, x.user, broker.UserID)
			if x.room != "" { // a pattern, too
				checkName(t, "pattern", x.text, x.room, broker.RoomPattern)
			}
			if x.room != "" && len(x.room) < broker.MaxRoomName {
				checkName(t, "pattern", x.text+"*", x.room+"*", broker.RoomPattern)
			}
		})
	}
	for pattern, want := range map[string]string{
		"*": "*", "user:*": "user:*", "user:": "user:", "*e\u0301": "*\u00e9", "a b": "", "@*": "", "": "", "\u0301*": "", "user:\u0301*": "", "user:x*": "user:x*",
		"*\u200d👧": "*\u200d👧", "👩\u200d*": "👩\u200d*", "\u200d*": "", "user:\ufe0f*": "",
		strings.Repeat("*", 129): "", "user:" + strings.Repeat("*", 256): "user:" + strings.Repeat("*", 256), "user:" + strings.Repeat("*", 257): "",
	} {
		checkName(t, "pattern", pattern, want, broker.RoomPattern)
	}
}

func checkName(t *testing.T, what, text, want string, rule func(string) (string, error)) {
	t.Helper()
	got, err := rule(text)
	switch {
	case want == "" && err == nil:
		t.Errorf("%s %q is taken, as %q", what, text, got)
	case want == "" && strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r > '~' }):
		t.Errorf("%s %q: the error shows it: %q", what, text, err)
	case want != "" && (err != nil || got != want):
		t.Errorf("%s %q: %q, %v, want %q", what, text, got, err, want)
	}
}

// TestNamesOfASCIIAreFree: most names are.
func TestNamesOfASCIIAreFree(t *testing.T) {
	for _, name := range []string{"lobby", strings.Repeat("z", broker.MaxRoomName), "user:auth0|5f7c8e"} {
		if n := testing.AllocsPerRun(100, func() {
			if got, err := broker.RoomName(name); err != nil || got != name {
				t.Fatal(got, err)
			}
			broker.Normal(name)
			broker.Decomposed(name)
		}); n != 0 {
			t.Errorf("%q costs %v allocations", name, n)
		}
	}
}

func BenchmarkRoomName(b *testing.B) {
	for _, x := range []struct{ kind, name string }{{"ascii", "live:room-1234567"}, {"nfc", "直播间42"}, {"nfd", "e\u0301mission"}} {
		b.Run("name="+x.kind, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := broker.RoomName(x.name); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// joiners may stand between characters of a name.
const joiners = "\u200c\u200d\ufe0e\ufe0f"

// FuzzNames: whatever is taken has all the properties of a name, and each of its forms is
// the same name.
func FuzzNames(f *testing.F) {
	for _, x := range names {
		f.Add(x.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if room, err := broker.RoomName(text); err == nil {
			checkTaken(t, text, room, broker.MaxRoomName, broker.RoomName)
			if room[0] == '@' {
				t.Errorf("%q is the server's own", room)
			}
			if _, err := broker.RoomPattern(room); err != nil {
				t.Errorf("room %q is no pattern: %v", room, err)
			}
		}
		if user, err := broker.UserID(text); err == nil {
			checkTaken(t, text, user, broker.MaxUserID, broker.UserID)
			if room, err := broker.RoomName(broker.UserRoom(text)); err != nil || room != broker.UserRoom(user) {
				t.Errorf("the room of %q is %q, %v", text, room, err)
			}
		}
		if pattern, err := broker.RoomPattern(text); err == nil && !norm.NFC.IsNormalString(pattern) {
			t.Errorf("pattern %q is not normal", pattern)
		}
	})
}

func checkTaken(t *testing.T, text, name string, most int, rule func(string) (string, error)) {
	t.Helper()
	if user, ok := broker.UserOf(name); ok {
		name, text, most, rule = user, strings.TrimPrefix(text, broker.UserPrefix), broker.MaxUserID, broker.UserID
	}
	if name != norm.NFC.String(text) || !norm.NFC.IsNormalString(name) {
		t.Errorf("%q is taken as %q, which is not its normal form", text, name)
	}
	for _, form := range []string{text, name, norm.NFD.String(text), broker.Decomposed(name)} {
		if again, err := rule(form); err != nil || again != name || broker.Normal(form) != name {
			t.Errorf("%q, a form of %q, is %q, %v", form, name, again, err)
		}
	}
	if len(name) == 0 || len(name) > most || !utf8.ValidString(name) || name == "." || name == ".." {
		t.Errorf("%q is no name", name)
	}
	before := rune(0)
	for _, r := range name {
		between := before != 0 && !strings.ContainsRune(joiners, before) || r == '\u200d' && (before == '\ufe0e' || before == '\ufe0f')
		before = r
		if strings.ContainsRune(joiners, r) && between {
			continue
		}
		if r == '*' || unicode.IsControl(r) || unicode.IsSpace(r) || unicode.In(r, unicode.Cf, unicode.Co, unicode.Cs, unicode.Z, unicode.Bidi_Control, unicode.Join_Control, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point) {
			t.Errorf("%q has %U", name, r)
		}
	}
	// What stands before it stays what it was.
	if norm.NFC.String("e"+name) != "e"+name {
		t.Errorf("%q joins what stands before it", name)
	}
}
