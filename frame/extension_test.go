// Negotiating permessage-deflate.

package frame

import (
	"bytes"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
)

const (
	windowTerms = deflateTerms + "; server_max_window_bits=15"
	smallTerms  = deflateTerms + "; server_max_window_bits="
	malformed   = "malformed"
)

// offering is a request with these lines of Sec-WebSocket-Extensions.
func offering(t testing.TB, lines ...string) *Request {
	t.Helper()
	var head strings.Builder
	for _, line := range lines {
		head.WriteString("Sec-WebSocket-Extensions: " + line + "\r\n")
	}
	r, _, err := ParseRequest([]byte("GET / HTTP/1.1\r\nHost: h\r\nSec-WebSocket-Key: " + sampleKey + "\r\n" + head.String() + "\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	return &r
}

func TestOffersDeflate(t *testing.T) {
	const offer = deflateName
	for _, tc := range []struct {
		name, want string // the answer, empty for none
		lines      []string
	}{
		{"no header", "", nil},
		{"empty header", "", []string{""}},
		{"commas only", "", []string{" , ,"}},
		{"plain", deflateTerms, []string{offer}},
		{"Chrome and Firefox", deflateTerms, []string{offer + "; client_max_window_bits"}},
		{"Safari of old", "", []string{"x-webkit-deflate-frame"}},
		{"all, with space everywhere", windowTerms, []string{
			" \t" + offer + " ; server_no_context_takeover ;\tclient_no_context_takeover; server_max_window_bits = 15 ;client_max_window_bits = 9\t"}},
		{"no space", deflateTerms, []string{offer + ";client_max_window_bits=8;server_no_context_takeover"}},
		{"quoted", windowTerms, []string{offer + `; server_max_window_bits="15"; client_max_window_bits="\1\0"`}},
		{"another first", deflateTerms, []string{"foo; bar=baz; qux, " + offer}},
		{"several headers", deflateTerms, []string{"foo", offer, "bar"}},
		{"first of two", windowTerms, []string{offer + "; server_max_window_bits=15, " + offer}},
		{"small window first of two", smallTerms + "10", []string{offer + "; server_max_window_bits=10, " + offer + "; client_max_window_bits"}},
		{"fallback", deflateTerms, []string{offer + "; server_max_window_bits=8, " + offer + "; client_max_window_bits"}},
		{"fallback in another header", deflateTerms, []string{offer + "; server_max_window_bits=8", offer}},
		{"fallback to a small window", smallTerms + "14", []string{offer + "; server_max_window_bits=8, " + offer + "; server_max_window_bits=\"14\""}},
		{"quoted comma elsewhere", malformed, []string{`foo; x="a, ` + offer + `", ` + offer}},

		{"Autobahn 13.1", deflateTerms, []string{offer + "; client_no_context_takeover; client_max_window_bits"}},
		{"Autobahn 13.2", deflateTerms, []string{offer + "; client_no_context_takeover; client_max_window_bits; server_no_context_takeover"}},
		{"Autobahn 13.3", smallTerms + "9", []string{offer + "; client_no_context_takeover; client_max_window_bits; server_max_window_bits=9"}},
		{"Autobahn 13.4", windowTerms, []string{offer + "; client_no_context_takeover; client_max_window_bits; server_max_window_bits=15"}},
		{"Autobahn 13.5", smallTerms + "9", []string{offer + "; client_no_context_takeover; client_max_window_bits; server_no_context_takeover; server_max_window_bits=9"}},
		{"Autobahn 13.6", windowTerms, []string{offer + "; client_no_context_takeover; client_max_window_bits; server_no_context_takeover; server_max_window_bits=15"}},
		{"Autobahn 13.7", smallTerms + "9", []string{offer + "; client_no_context_takeover; client_max_window_bits; server_no_context_takeover; server_max_window_bits=9, " +
			offer + "; client_no_context_takeover; client_max_window_bits; server_no_context_takeover, " + offer + "; client_no_context_takeover; client_max_window_bits"}},

		{"name in another case", "", []string{"Permessage-Deflate"}},
		{"parameter in another case", "", []string{offer + "; Client_Max_Window_Bits"}},
		{"unknown parameter", "", []string{offer + "; window=15"}},
		{"window of 8", "", []string{offer + "; server_max_window_bits=8"}},
		{"window of 7", "", []string{offer + "; server_max_window_bits=7"}},
		{"window of 16", "", []string{offer + "; server_max_window_bits=16"}},
		{"window of 015", "", []string{offer + "; server_max_window_bits=015"}},
		{"window of +15", "", []string{offer + "; server_max_window_bits=+15"}},
		{"window of 271", "", []string{offer + "; server_max_window_bits=271"}},
		{"window of no size", "", []string{offer + "; server_max_window_bits"}},
		{"client's window of 7", "", []string{offer + "; client_max_window_bits=7"}},
		{"client's window of 016", "", []string{offer + "; client_max_window_bits=016"}},
		{"client's window in words", "", []string{offer + "; client_max_window_bits=ten"}},
		{"flag with a value", "", []string{offer + "; server_no_context_takeover=1"}},
		{"client's flag with a value", "", []string{offer + "; client_no_context_takeover=true"}},
		{"flag twice", "", []string{offer + "; server_no_context_takeover; server_no_context_takeover"}},
		{"client's flag twice", "", []string{offer + "; client_no_context_takeover; client_no_context_takeover"}},
		{"window twice", "", []string{offer + "; server_max_window_bits=15; server_max_window_bits=15"}},
		{"client's window twice", "", []string{offer + "; client_max_window_bits; client_max_window_bits=15"}},
		{"client's window twice without a value", "", []string{offer + "; client_max_window_bits; client_max_window_bits"}},

		{"semicolon at the end", deflateTerms, []string{offer + ";"}},
		{"semicolon and space at the end", deflateTerms, []string{offer + "; client_max_window_bits ; \t"}},
		{"semicolon before a comma", deflateTerms, []string{"foo; , " + offer}},
		{"two semicolons", deflateTerms, []string{offer + ";; client_max_window_bits"}},
		{"semicolon alone", malformed, []string{";"}},
		{"equals at the end", malformed, []string{offer + "; client_max_window_bits="}},
		{"no name", malformed, []string{"; client_max_window_bits"}},
		{"two names", malformed, []string{"foo " + offer}},
		{"two values", malformed, []string{offer + "; client_max_window_bits=1 5"}},
		{"value of the name", malformed, []string{offer + "=1"}},
		{"quoted name", malformed, []string{`"` + offer + `"`}},
		{"quote without an end", malformed, []string{offer + `; client_max_window_bits="15`}},
		{"quote that ends in a backslash", malformed, []string{offer + `; client_max_window_bits="15\`}},
		{"empty quote", malformed, []string{offer + `; client_max_window_bits=""`}},
		{"no token in quotes", malformed, []string{offer + `; client_max_window_bits="1 5"`}},
		{"bytes over ASCII", malformed, []string{"\u5f39"}},
		{"good one before a malformed one", malformed, []string{offer, "foo bar"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := offering(t, tc.lines...)
			offers, err := r.OffersDeflate()
			if (status(t, err) == 400) != (tc.want == malformed) {
				t.Fatalf("error %v", err)
			}
			resp, _ := readResponse(t, AppendUpgrade(nil, r, "", true), "GET")
			got := resp.Header.Get("Sec-WebSocket-Extensions")
			if tc.want == malformed {
				tc.want = ""
			}
			if want := agreedIn(tc.want); got != tc.want || offers != want {
				t.Errorf("offers %v, want %v, answer %q, want %q", offers, want, got, tc.want)
			}
			resp, _ = readResponse(t, AppendUpgrade(nil, r, "", false), "GET")
			if _, found := resp.Header["Sec-Websocket-Extensions"]; found {
				t.Error("answered without being told to")
			}
		})
	}
}

// agreedIn is what an answer of ours agrees to.
func agreedIn(answer string) Deflate {
	switch {
	case answer == "":
		return NoDeflate
	case answer == deflateTerms, answer == windowTerms:
		return WholeWindow
	}
	return SmallWindow
}

func TestCheckAcceptDeflate(t *testing.T) {
	for _, tc := range []struct {
		name, lines string
		agreed      bool
		wrong       string
	}{
		{"no header", "", false, ""},
		{"empty header", "Sec-WebSocket-Extensions:\r\n", false, ""},
		{"agreed", "Sec-WebSocket-Extensions: " + deflateTerms + "\r\n", true, ""},
		{"the client may keep its window", "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n", true, ""},
		{"semicolon at the end", "Sec-WebSocket-Extensions: " + deflateTerms + ";\r\n", true, ""},
		{"small window of the server", "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=8; server_no_context_takeover\r\n", true, ""},

		{"the server keeps its window", "Sec-WebSocket-Extensions: permessage-deflate\r\n", false, "permessage-deflate on terms that were not offered"},
		{"small window of the client", "Sec-WebSocket-Extensions: " + deflateTerms + "; client_max_window_bits=15\r\n", false, "permessage-deflate on terms that were not offered"},
		{"unknown parameter", "Sec-WebSocket-Extensions: " + deflateTerms + "; x\r\n", false, "permessage-deflate on terms that were not offered"},
		{"twice", "Sec-WebSocket-Extensions: " + deflateTerms + "\r\nSec-WebSocket-Extensions: " + deflateTerms + "\r\n", false, "extension that was not offered"},
		{"another", "Sec-WebSocket-Extensions: foo\r\n", false, "extension that was not offered"},
		{"no list", "Sec-WebSocket-Extensions: a b\r\n", false, "malformed Sec-WebSocket-Extensions header"},
		{"other subprotocol", "Sec-WebSocket-Protocol: mqtt\r\n", false, "subprotocol that was not offered"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, _, err := ParseResponse([]byte(strings.Replace(sampleAnswer, "Sec-WebSocket-Protocol: barrage.v1\r\n", tc.lines, 1)))
			if err != nil {
				t.Fatal(err)
			}
			agreed, err := r.CheckAcceptDeflate(sampleKey, []string{"barrage.v1"})
			wrong := ""
			if e := handshakeErr(t, err); e != nil {
				wrong = e.Reason
			}
			if agreed != tc.agreed || wrong != tc.wrong {
				t.Errorf("agreed %v, %v, want %v, %q", agreed, err, tc.agreed, tc.wrong)
			}
		})
	}
}

// TestDeflateHandshakeAgainstWS negotiates with the library, both ways, and with
// ourselves.
func TestDeflateHandshakeAgainstWS(t *testing.T) {
	d := ws.Dialer{}
	d.Extensions = append(d.Extensions, wsflate.DefaultParameters.Option())
	_, hs, err := d.Upgrade(answering(t, func(r *Request) []byte { return AppendUpgrade(nil, r, "", true) }), mustURL(t, "ws://h/"))
	if err != nil || len(hs.Extensions) != 1 {
		t.Fatalf("%+v, %v", hs, err)
	}
	var p wsflate.Parameters
	if err := p.Parse(hs.Extensions[0]); err != nil || p != wsflate.DefaultParameters {
		t.Errorf("agreed on %+v, %v", p, err)
	}

	request := sampleRequest()
	request.Deflate = true
	out, err := AppendClientRequest(nil, request)
	if err != nil {
		t.Fatal(err)
	}
	var theirs bytes.Buffer
	u := ws.Upgrader{
		Protocol:  func([]byte) bool { return true },
		Negotiate: (&wsflate.Extension{Parameters: wsflate.DefaultParameters}).Negotiate,
	}
	if _, err := u.Upgrade(struct {
		io.Reader
		io.Writer
	}{bytes.NewReader(out), &theirs}); err != nil {
		t.Fatal(err)
	}
	r, _, err := ParseRequest(out)
	if err != nil {
		t.Fatal(err)
	}
	if offers, err := r.OffersDeflate(); offers != WholeWindow || err != nil {
		t.Errorf("our own offer: %v, %v", offers, err)
	}
	for name, answer := range map[string][]byte{"library": theirs.Bytes(), "own": AppendUpgrade(nil, &r, "", true)} {
		res, _, err := ParseResponse(answer)
		if err != nil {
			t.Fatal(err)
		}
		if agreed, err := res.CheckAcceptDeflate(request.Key, request.Subprotocols); !agreed || err != nil {
			t.Errorf("%s: agreed %v, %v", name, agreed, err)
		}
		if err := res.CheckAccept(request.Key, request.Subprotocols); err == nil {
			t.Errorf("%s: accepted by a client that offered nothing", name)
		}
	}
}

// The oracle for lists of extensions is the grammar itself.
const (
	wordRE  = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]"
	valueRE = "(?:" + wordRE + `+|"(?:` + wordRE + `|\\` + wordRE + `)+")`
	spaceRE = `[ \t]*`
	paramRE = spaceRE + ";" + spaceRE + "(?:" + wordRE + "+(?:" + spaceRE + "=" + spaceRE + valueRE + ")?)?"
	itemRE  = spaceRE + "(?:" + wordRE + "+(?:" + paramRE + ")*)?" + spaceRE
)

func FuzzExtensions(f *testing.F) {
	for _, s := range []string{
		"", deflateName, deflateTerms, windowTerms, "foo; a=b; c, ,permessage-deflate;client_max_window_bits",
		`permessage-deflate; client_max_window_bits="\15"; server_max_window_bits = 10, permessage-deflate`, `a;b="c,d"`, "a;", "a b", "a;b=", `a;b="`, "a=b",
		"permessage-deflate; server_max_window_bits=9;", "permessage-deflate;;server_max_window_bits=8,permessage-deflate; server_max_window_bits=14;client_no_context_takeover",
		"permessage-deflate; client_max_window_bits=08", "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
	} {
		f.Add(s)
	}
	list := regexp.MustCompile("^" + itemRE + "(?:," + itemRE + ")*$")
	bits := func(name, values string) string {
		return name + "(?:" + spaceRE + "=" + spaceRE + "(?:" + values + `|"(?:` + values + `)")` + ")"
	}
	const small = "8|9|10|11|12|13|14|15"
	kept := regexp.MustCompile("^" + spaceRE + deflateName + "(?:" + spaceRE + ";" + spaceRE + "(?:server_no_context_takeover|client_no_context_takeover|" +
		bits("server_max_window_bits", "9|10|11|12|13|14|15") + "|" + bits("client_max_window_bits", small) + "?)?)*" + spaceRE + "$")
	narrow := regexp.MustCompile("server_max_window_bits" + spaceRE + "=" + spaceRE + `"?(?:9|1[0-4])`)
	param := regexp.MustCompile(";" + spaceRE + "[a-z_]+")
	f.Fuzz(func(t *testing.T, header string) {
		if !isFieldValue(header) || len(header) > 1000 {
			return
		}
		r := offering(t, header)
		got, err := r.OffersDeflate()
		if wellFormed := list.MatchString(trimSpace(header)); wellFormed != (err == nil) {
			t.Fatalf("%q: %v, want well-formed %v", header, err, wellFormed)
		}
		if err != nil {
			if got != NoDeflate {
				t.Fatalf("%q: offers and error %v", header, err)
			}
			return
		}
		want := NoDeflate
		for item := range strings.SplitSeq(strings.ReplaceAll(header, `\`, ""), ",") { // no comma is in quotes, and no backslash matters
			seen, twice := map[string]bool{}, false
			for _, p := range param.FindAllString(item, -1) {
				p = strings.TrimLeft(p, "; \t")
				twice = twice || seen[p]
				seen[p] = true
			}
			switch {
			case want != NoDeflate || twice || !kept.MatchString(item):
			case narrow.MatchString(item):
				want = SmallWindow
			default:
				want = WholeWindow
			}
		}
		if got != want {
			t.Fatalf("%q: offers %v, want %v", header, got, want)
		}
		res, _, err := ParseResponse(AppendUpgrade(nil, r, "", true))
		if err != nil {
			t.Fatal(err)
		}
		if agreed, err := res.CheckAcceptDeflate(sampleKey, nil); agreed != (want != NoDeflate) || err != nil {
			t.Fatalf("%q: our client says %v, %v", header, agreed, err)
		}
	})
}
