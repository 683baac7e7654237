// Commands that nobody should send.

package v1_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"barrage/edge"
	"barrage/edge/auth"
	"barrage/edge/edgetest"
	"barrage/edge/moderation"
	v1 "barrage/edge/v1"
	"barrage/frame"
	"barrage/internal/broker"
	"barrage/internal/refusal"
)

func TestHostileCommands(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) { withAuth(t, c); c.Anonymous = true })
	c := joinJSON(t, s, "/ws?token="+testToken(t, "ann", nil))
	okOf(t, c.ask(`{"id":1,"cmd":"join","room":"a"}`))
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, x := range []struct{ name, command, code string }{
		{"nothing", ``, "bad_json"},
		{"null", `null`, "bad_command"},
		{"a number", `1`, "bad_json"},
		{"behind a byte order mark", "\ufeff" + `{"id":1,"cmd":"ping"}`, ""},
		{"a request of a pattern", `{"id":1,"cmd":"request","method":"m.*"}`, "bad_method"},
		{"a request of nothing", `{"id":1,"cmd":"request"}`, "bad_method"},
		{"two objects", `{"id":1,"cmd":"ping"}{"id":2,"cmd":"ping"}`, "bad_json"},
		{"id as a float", `{"id":1.5,"cmd":"ping"}`, "bad_json"},
		{"negative id", `{"id":-1,"cmd":"ping"}`, "bad_json"},
		{"id over 64 bits", `{"id":18446744073709551616,"cmd":"ping"}`, "bad_json"},
		{"largest id", `{"id":18446744073709551615,"cmd":"ping"}`, ""},
		{"id in words", `{"id":"1","cmd":"ping"}`, "bad_json"},
		{"exponent", `{"id":1e2,"cmd":"ping"}`, ""},
		{"keys twice: the last counts", `{"id":1,"cmd":"dance","cmd":"ping"}`, ""},
		{"unknown keys", `{"id":1,"cmd":"ping","__proto__":{"x":1},"constructor":null}`, ""},
		{"nested deep outside of data", `{"id":1,"cmd":"ping","x":` + deep(9000) + `}`, ""},
		{"nested too deep for the decoder", `{"id":1,"cmd":"ping","x":` + deep(20000) + `}`, "bad_json"},
		{"data nested too deep", `{"id":1,"cmd":"publish","room":"a","data":` + deep(broker.MaxDepth+1) + `}`, "bad_command"},
		{"data nested deep", `{"id":1,"cmd":"publish","room":"a","data":` + deep(broker.MaxDepth) + `}`, ""},
		{"brackets in a text", `{"id":1,"cmd":"publish","room":"a","data":["` + strings.Repeat(`[\"`, 200) + `"]}`, ""},
		{"half a surrogate pair", `{"id":1,"cmd":"publish","room":"a","data":"\ud800"}`, ""},
		{"no data", `{"id":1,"cmd":"publish","room":"a"}`, "bad_command"},
		{"data and base64", `{"id":1,"cmd":"publish","room":"a","data":"x","base64":"eA=="}`, "bad_command"},
		{"null and base64", `{"id":1,"cmd":"publish","room":"a","data":null,"base64":"eA=="}`, "bad_command"},
		{"bad base64", `{"id":1,"cmd":"publish","room":"a","base64":"%%%"}`, "bad_json"},
		{"empty base64", `{"id":1,"cmd":"publish","room":"a","base64":""}`, ""},
		{"base64 of what is no UTF-8", `{"id":1,"cmd":"publish","room":"a","base64":"//79"}`, ""},
		{"kind of the server's own", `{"id":1,"cmd":"publish","room":"a","kind":"\u0000control","data":{"user":"ann"}}`, "bad_kind"},
		{"kind with a line's end", `{"id":1,"cmd":"publish","room":"a","kind":"x\r\ny","data":1}`, "bad_kind"},
		{"long kind", `{"id":1,"cmd":"publish","room":"a","kind":"` + strings.Repeat("k", broker.MaxKind+1) + `","data":1}`, "bad_kind"},
		{"long key", `{"id":1,"cmd":"publish","room":"a","key":"` + strings.Repeat("k", broker.MaxKey+1) + `","data":1}`, "bad_command"},
		{"to nobody's room", `{"id":1,"cmd":"publish","to":"user:bob","data":1}`, "bad_user"},
		{"to a name with spaces", `{"id":1,"cmd":"publish","to":"b o b","data":1}`, "bad_user"},
		{"to a long name", `{"id":1,"cmd":"publish","to":"` + strings.Repeat("b", 257) + `","data":1}`, "bad_user"},
		{"to the operators' room", `{"id":1,"cmd":"publish","room":"@control","data":{"user":"ann"}}`, "bad_room"},
		{"to a presence room", `{"id":1,"cmd":"publish","room":"\u0000presence:a","data":1}`, "bad_room"},
		{"empty room", `{"id":1,"cmd":"join","room":""}`, "bad_room"},
		{"room that is a pattern", `{"id":1,"cmd":"join","room":"*"}`, "bad_room"},
		{"room with a hash tag", `{"id":1,"cmd":"join","room":"{a}"}`, ""},
		{"room with a line's end", `{"id":1,"cmd":"join","room":"a\r\nb"}`, "bad_room"},
		{"room of dots", `{"id":1,"cmd":"join","room":".."}`, "bad_room"},
		{"room named __proto__", `{"id":1,"cmd":"join","room":"__proto__"}`, ""},
		{"room in another script", `{"id":1,"cmd":"join","room":"а"}`, ""},
		{"long room", `{"id":1,"cmd":"join","room":"` + strings.Repeat("a", 10<<10) + `"}`, "bad_room"},
		{"leaving a presence room", `{"id":1,"cmd":"leave","room":"\u0000presence:a"}`, "not_joined"},
		{"history of nothing", `{"id":1,"cmd":"history","room":"a","limit":-1}`, "bad_command"},
		{"history without end", `{"id":1,"cmd":"history","room":"a","limit":1001}`, "bad_command"},
		{"since the future", `{"id":1,"cmd":"history","room":"a","since":{"epoch":"x","offset":9223372036854775808}}`, ""},
		{"since the end of numbers", `{"id":1,"cmd":"join","room":"b","since":{"epoch":"x","offset":18446744073709551615}}`, ""},
		{"since before the beginning", `{"id":1,"cmd":"join","room":"c","since":{"epoch":"","offset":-1}}`, "bad_json"},
		{"ack of the future", `{"id":1,"cmd":"ack","epoch":"x","offset":9223372036854775808}`, ""},
		{"ack of nothing", `{"id":1,"cmd":"ack","epoch":"","offset":0}`, "bad_command"},
		{"presence of all", `{"id":1,"cmd":"presence","room":"a","limit":501}`, "bad_command"},
		{"ping of a room not theirs", `{"id":1,"cmd":"ping","room":"user:bob"}`, "forbidden"},
		{"request without backends", `{"id":1,"cmd":"request","method":"x"}`, "unknown_method"},
	} {
		t.Run(x.name, func(t *testing.T) {
			if v := c.ask(x.command); code(v) != x.code || x.code == "" && v["ok"] == nil {
				t.Errorf("got %.200v, want %q", v, x.code)
			}
		})
	}
	c.Send(frame.Binary, `{"id":1,"cmd":"ping"}`)
	if v := c.ask(`{"id":1,"cmd":"ping"}`); code(v) != "bad_json" {
		t.Errorf("a binary command: %v", v)
	}
	okOf(t, c.ask(`{"id":1,"cmd":"ping","room":"a"}`))
}

// TestWholeNumbers: 1.0 and 5e0 are numbers like 1 and 5, in every field that has one.
func TestWholeNumbers(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) { withAuth(t, c) })
	c := joinJSON(t, s, "/ws?token="+testToken(t, "ann", nil))
	for i, command := range []string{
		`"cmd":"join","room":"a","history":5.0`,
		`"cmd":"join","room":"b","since":{"epoch":"e","offset":1.0}`,
		`"cmd":"history","room":"a","limit":10.0`,
		`"cmd":"history","room":"a","since":{"epoch":"e","offset":1E0}`,
		`"cmd":"presence","room":"a","limit":1e1`,
		`"cmd":"publish","to":"ann","data":1.0,"ttl":60000.0,"qos":1.0`,
		`"cmd":"ack","epoch":"e","offset":1.0`,
		`"cmd":"ping"`,
	} {
		c.Send(frame.Text, fmt.Sprintf(`{"id":%d.0,%s}`, i+1, command))
		okOf(t, c.answer(i+1))
	}
	v := c.ask(`{"id":10,"cmd":"history","room":"user:ann"}`)
	m := okOf(t, v)["messages"].([]any)[0].(map[string]any)
	if m["data"] != 1.0 || m["qos"] != 1.0 || m["expires"] == nil {
		t.Errorf("published %v", m)
	}
}

// TestRefusedIsAnswered: under its id, wherever that stands.
func TestRefusedIsAnswered(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, nil)
	c := joinJSON(t, s, "/ws")
	for i, x := range []struct{ command, message string }{
		{`{"cmd":"history","room":"a","limit":10.5,"id":1}`, "limit cannot be a number 10.5"},
		{`{"cmd":"history","room":"a","since":{"offset":"1"},"id":2e0}`, "since.offset cannot be a string"},
		{`{"cmd":"publish","base64":"%","id":3}`, "a command is one JSON object in a frame"},
		{`{"cmd":{},"room":[],"id":4}`, "cmd cannot be an object"},
		{`{"ttl":-1e400,"cmd":"publish","id":5.0}`, "ttl cannot be a number -1e400"},
	} {
		c.Send(frame.Text, x.command)
		v := c.answer(i + 1)
		if failure, _ := v["error"].(map[string]any); code(v) != "bad_json" || failure["message"] != x.message {
			t.Errorf("%s: %v, want %q", x.command, v, x.message)
		}
	}
}

// TestPoison: what others put into the store, or push through the API, silences no
// room.
func TestPoison(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, nil)
	ctx := context.Background()
	deep := []byte(strings.Repeat("[", 9999) + strings.Repeat("]", 9999))
	_, err := s.Publish(ctx, &broker.Publication{Room: "a", Format: broker.JSON, Payload: deep})
	var e *refusal.Error
	if !errors.As(err, &e) || e.HTTPStatus() != 400 {
		t.Errorf("through the API: %v", err)
	}
	c := joinJSON(t, s, "/ws?room=a")
	c.push("joined")
	plain := edgetest.Join(t, s, "/ws?room=a")
	poison := [][]byte{deep, []byte(`{"not":`), []byte("\xff")}
	for _, p := range poison {
		if _, err := s.Node.Broker.Publish(ctx, &broker.Publication{Room: "a", Format: broker.JSON, Payload: p}); err != nil {
			t.Fatal(err)
		}
		if v := c.object(); v["push"] != "message" || v["data"] == nil && v["base64"] == nil {
			t.Errorf("%.10q came as %.100v", p, v)
		}
		kind := frame.Text
		if !utf8.Valid(p) {
			kind = frame.Binary
		}
		plain.Want(kind, string(p))
	}
	edgetest.PublishTo(t, s, "a", "good")
	c.push("message")
	second := joinJSON(t, s, "/ws")
	for _, command := range []string{`{"id":1,"cmd":"join","room":"a","history":10}`, `{"id":1,"cmd":"history","room":"a"}`} {
		ok := okOf(t, second.ask(command))
		if m, _ := ok["messages"].([]any); len(m) != len(poison)+1 {
			t.Errorf("%s: %d messages", command, len(m))
		}
	}
}

// TestNotText: what is not UTF-8 is said by nobody, whatever it comes in. A WebSocket's text is
// seen to by its frames.
func TestNotText(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) { c.Anonymous = true })
	var e *refusal.Error
	for format, payload := range map[broker.Format]string{broker.JSON: "{\"k\xff\":1}", broker.Text: "\xff"} {
		_, err := s.Publish(context.Background(), &broker.Publication{Room: "a", Format: format, Payload: []byte(payload)})
		if !errors.As(err, &e) || e.HTTPStatus() != 400 || !strings.Contains(e.Error(), "UTF-8") {
			t.Errorf("format %d: %v", format, err)
		}
	}
	for _, object := range []string{"{\"room\":\"a\",\"data\":{\"k\xff\":1}}", "{\"room\":\"a\",\"data\":\"\xff\"}", "{\"room\":\"\xff\",\"data\":1}"} {
		if _, err := v1.Publication(s.Node, []byte(object), "", "", "", auth.Rights{}); !errors.As(err, &e) || e.Code() != "bad_json" {
			t.Errorf("%q: %v", object, err)
		}
	}
}

// TestForeignOrders: only the servers' own room gives orders.
func TestForeignOrders(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) { withAuth(t, c) })
	c := joinJSON(t, s, "/ws?room=a&token="+testToken(t, "ann", nil))
	s.Delivery.Deliver(&broker.Message{Room: "a", Kind: moderation.KindControl, Format: broker.JSON, Payload: []byte(`{"user":"ann","until":99999999999999}`)})
	s.Delivery.Deliver(&broker.Message{Room: "a", Kind: moderation.KindControl, Format: broker.JSON, Payload: []byte(`{"room":"a","settings":{"muted":true}}`)})
	s.Delivery.Deliver(&broker.Message{Room: moderation.ControlRoom, Kind: moderation.KindControl, Format: broker.JSON, Payload: []byte(`no order`)})
	okOf(t, c.ask(`{"id":1,"cmd":"publish","room":"a","data":"still here"}`))
}

// TestLargestMessage: what just fits the limit comes back whole, in every form.
func TestLargestMessage(t *testing.T) {
	t.Parallel()
	const most = 16 << 10
	s := edgetest.Start(t, func(c *edge.Config) { c.MaxMessage = most })
	c := joinJSON(t, s, "/ws?room=a")
	c.push("joined")
	fit := func(before, after string, unit string) string {
		return before + strings.Repeat(unit, (most-len(before)-len(after))/len(unit)) + after
	}
	for _, x := range []struct{ name, command, key string }{
		{"text", fit(`{"id":1,"cmd":"publish","room":"a","data":"`, `"}`, "x"), "data"},
		{"escapes", fit(`{"id":1,"cmd":"publish","room":"a","data":"`, `"}`, `\u0001`), "data"},
		{"base64", fit(`{"id":1,"cmd":"publish","room":"a","base64":"`, `"}`, "AAAA"), "base64"},
		{"JSON", fit(`{"id":1,"cmd":"publish","room":"a","data":[1`, `]}`, " , 1"), "data"},
	} {
		c.Send(frame.Text, x.command)
		v := c.push("message")
		switch got := v[x.key].(type) {
		case string:
			if b, err := base64.StdEncoding.DecodeString(got); x.key == "base64" && (err != nil || len(b) < most/2) || len(got) < most/8 {
				t.Errorf("%s came back with %d bytes, %v", x.name, len(got), err)
			}
		case []any:
			if len(got) < most/8 {
				t.Errorf("%s came back with %d elements", x.name, len(got))
			}
		default:
			t.Errorf("%s came back as %.100v", x.name, v)
		}
	}
	c.Send(frame.Text, fmt.Sprintf(`{"id":1,"cmd":"publish","room":"a","data":%q}`, strings.Repeat("x", most)))
	for {
		m, err := c.Next()
		if err != nil {
			t.Fatal(err)
		}
		if m.Op == frame.Close {
			if code, _ := frame.ParseClose([]byte(m.Payload)); code != frame.CloseTooBig {
				t.Errorf("close code %d", code)
			}
			return
		}
	}
}

// TestWrongIDs: what is refused is answered by the name that it has given itself, wherever
// that stands, if it has one.
func TestWrongIDs(t *testing.T) {
	t.Parallel()
	c := joinJSON(t, edgetest.Start(t, nil), "/ws")
	long := strings.Repeat("x", 63)
	for _, x := range []struct {
		op          frame.Opcode
		command, id string
	}{
		{frame.Text, `{"id":"a-1","cmd":"ping"}`, `"a-1"`},
		{frame.Text, `{"cmd":"ping","id":1.5}`, `1.5`},
		{frame.Text, `{"id":-1,"cmd":"ping"}`, `-1`},
		{frame.Text, `{"id":18446744073709551616,"cmd":"ping"}`, `18446744073709551616`},
		{frame.Text, `{"id":7,"cmd":"ping"`, `7`},
		{frame.Text, `{"id":7,"cmd":"ping","room":}`, `7`},
		{frame.Text, `{"cmd":5,"id":"b"}`, `"b"`},
		{frame.Text, `{"id":7,"cmd":"ping"}{}`, `7`},
		{frame.Binary, `{"id":8,"cmd":"ping"}`, `8`},
		{frame.Binary, "{\"id\":\"\xff\"}", ``},
		{frame.Text, `{"id":"` + long + `","cmd":"ping"}`, ``},
		{frame.Text, `{"id":true,"cmd":"ping"}`, ``},
		{frame.Text, `{"id":{"x":1},"cmd":"ping"}`, ``},
		{frame.Text, `{"cmd":`, ``},
		{frame.Text, `["id",1]`, ``},
	} {
		c.Send(x.op, x.command)
		m, err := c.Next()
		for err == nil && !strings.Contains(m.Payload, `"error"`) {
			m, err = c.Next()
		}
		edgetest.Must(t, err)
		var got struct{ ID json.RawMessage }
		edgetest.Must(t, json.Unmarshal([]byte(m.Payload), &got))
		if string(got.ID) != x.id {
			t.Errorf("%s: the answer is to %q, want %q: %s", x.command, got.ID, x.id, m.Payload)
		}
	}
}
