// Hot rooms: what viewers get of a flood.

package v1_test

import (
	"fmt"
	"testing"

	"barrage/edge"
	"barrage/edge/edgetest"
	"barrage/frame"
	"barrage/internal/broker"
)

// TestHotRoom: of a flood viewers get the target's worth, without a hole, and are told how
// much was left out; who sends sees each of the own messages, and knows which others do not.
// What backends give away arrives.
func TestHotRoom(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) {
		c.Targets = broker.Targets{{Pattern: "hot", Rate: 5}}
		c.PublishRate, c.PublishBurst = 1000, 1000
	})
	viewer, sender, quiet := joinJSON(t, s, "/ws?room=hot"), joinJSON(t, s, "/ws?room=hot"), joinJSON(t, s, "/ws?room=hot&echo=0")
	raw := join(t, s, "/ws?room=hot")
	edgetest.WaitMembers(t, s, "hot", 4)
	const n = 40
	let, out := []string{}, 0
	for i := range n {
		text := fmt.Sprint("comment ", i)
		reply := okOf(t, sender.ask(fmt.Sprintf(`{"id":%d,"cmd":"publish","room":"hot","data":%q}`, i+1, text)))
		if reply["sampled"] == nil {
			let = append(let, text)
		} else if out++; reply["offset"] != nil || reply["message_id"] == "" {
			t.Fatalf("left out, and answered %v", reply)
		}
	}
	if out == 0 || len(let) < 5 || out != int(s.Stats().Sampled) {
		t.Fatalf("%d let through, %d left out, %d counted", len(let), out, s.Stats().Sampled)
	}
	okOf(t, quiet.ask(`{"id":2,"cmd":"publish","room":"hot","data":"end","kind":"gift"}`)) // of a client: a comment
	publishAs := func(kind string, texts ...string) {
		for _, text := range texts {
			r, err := s.Publish(t.Context(), &broker.Publication{Room: "hot", Kind: kind, Format: broker.Text, Payload: []byte(text)})
			edgetest.Must(t, err)
			if r.Sampled {
				t.Errorf("%s was left out", text)
			}
		}
	}
	gifts := []string{"rocket", "heart", "rocket", "heart", "rocket", "heart", "rocket", "heart"}
	publishAs("gift", gifts...)

	told, offset := 0, 0.0
	viewed := []string{}
	for len(viewed) < len(let)+len(gifts) {
		switch v := viewer.object(); v["push"] {
		case "message":
			if v["sampled"] != nil || v["offset"] != offset+1 {
				t.Fatalf("after %v: %v", offset, v)
			}
			offset++
			if v["data"] != "end" { // which may be left out
				viewed = append(viewed, v["data"].(string))
			}
		case "left_out":
			if v["room"] != "hot" {
				t.Errorf("told %v", v)
			}
			told += int(v["count"].(float64))
		}
	}
	if want := append(let, gifts...); fmt.Sprint(viewed) != fmt.Sprint(want) {
		t.Errorf("viewed %v, want %v", viewed, want)
	}
	if told > out {
		t.Errorf("told of %d left out, there were %d", told, out)
	}
	raw.Send(frame.Text, "raw flood 0")
	for i := range n {
		raw.Send(frame.Text, fmt.Sprint("raw flood ", i+1))
	}
	seen := 0
	for seen <= n { // those of others between
		m, err := raw.Next()
		edgetest.Must(t, err)
		if m.Payload == fmt.Sprint("raw flood ", seen) {
			seen++
		}
	}
}

// TestHotOwn: the own message that was left out is pushed before the answer, to whom wants an
// echo, and only in a room that the client is in.
func TestHotOwn(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) {
		c.Targets = broker.Targets{{Pattern: "hot", Rate: 1}}
		c.PublishRate, c.PublishBurst = 1000, 1000
	})
	member, outside, spared := joinJSON(t, s, "/ws?room=hot"), joinJSON(t, s, "/ws?room=other"), joinJSON(t, s, "/ws?room=hot")
	member.push("joined")
	outside.push("joined")
	spared.push("joined")
	for i := range 3 {
		for _, c := range []struct {
			*viewer
			echo bool
			own  bool
		}{{member, true, true}, {outside, true, false}, {spared, false, false}} {
			text := fmt.Sprint("comment ", i)
			c.Send(frame.Text, fmt.Sprintf(`{"id":%d,"cmd":"publish","room":"hot","data":%q,"echo":%v}`, i+1, text, c.echo))
			var own map[string]any
			v := c.object()
			for ; v["id"] != float64(i+1); v = c.object() {
				if v["sampled"] == true {
					own = v
				}
			}
			reply := okOf(t, v)
			if left := reply["sampled"] == true; (own != nil) != (left && c.own) {
				t.Errorf("left out: %v, pushed: %v, want %v", left, own, c.own)
			}
			if own != nil && (own["data"] != text || own["self"] != true || own["id"] != reply["message_id"]) {
				t.Errorf("pushed %v, answered %v", own, reply)
			}
		}
	}
}
