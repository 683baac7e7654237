package events

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"barrage/internal/broker"
)

// The JSON form is a promise to backends: testdata/events.golden changes by
// additions only.
func TestJSONForm(t *testing.T) {
	golden, err := os.ReadFile("testdata/events.golden")
	if err != nil {
		t.Fatal(err)
	}
	ann := broker.Sender{User: "u1", Name: "Ann <3", Avatar: "https://example.com/a.png", Conn: "c7"}
	events := []Event{
		{Type: Connect, User: "u1", Conn: "c7", Remote: "203.0.113.9:4711"},
		{Type: Join, Room: "lobby", User: "u1", Conn: "c7"},
		{Type: Publish, Room: "lobby", User: "u1", Conn: "c7", Message: &broker.Message{
			Room: "lobby", ID: "m1", Epoch: "e1", Offset: 7, Time: 1763738000120, Sender: ann,
			Kind: "gift", Format: broker.JSON, Payload: []byte(`{"coins":3,"note":"<b>"}`)}},
		{Type: Publish, Room: "lobby", Message: &broker.Message{
			ID: "m2", Time: 1763738000121, Format: broker.Text, Payload: []byte(`前方高能 "quoted" & <b>`)}},
		{Type: Publish, Room: "lobby", Message: &broker.Message{
			ID: "m3", Time: 1763738000122, Format: broker.Binary, Payload: []byte{0, 255, 16}}},
		{Type: Leave, Room: "lobby", User: "u1", Conn: "c7", Reason: "kick"},
		{Type: Disconnect, User: "u1", Conn: "c7", Reason: "ping_timeout"},
		{Type: RoomClosed, Room: "case:5", Reason: "empty", Part: 1, Transcript: []*broker.Message{
			{ID: "m1", Epoch: "e1", Offset: 1, Time: 1763738000120, Sender: broker.Sender{User: "u1"}, Format: broker.Text, Payload: []byte("hello")},
			{ID: "m2", Epoch: "e1", Offset: 2, Time: 1763738000121, Sender: broker.Sender{User: "agent"}, Format: broker.Text},
		}},
		{Type: RoomClosed, Room: "case:6", Part: 2, Last: true},
	}
	lines := strings.Split(strings.TrimSpace(string(golden)), "\n")
	if len(lines) != len(events) {
		t.Fatalf("%d golden lines for %d events", len(lines), len(events))
	}
	for i := range events {
		ev := &events[i]
		ev.ID, ev.Node, ev.Time = "a1-"+string(rune('1'+i)), "edge-1", 1763738000123+int64(i)
		got, err := ev.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != lines[i] {
			t.Errorf("%s:\n got %s\nwant %s", ev.Type, got, lines[i])
		}
	}
}

func TestNoJSONForm(t *testing.T) {
	for name, m := range map[string]*broker.Message{
		"JSON that is none":  {Format: broker.JSON, Payload: []byte(`{"a":`)},
		"unknown format":     {Format: 9},
		"two JSON documents": {Format: broker.JSON, Payload: []byte(`1 2`)},
	} {
		t.Run(name, func(t *testing.T) {
			for _, ev := range []*Event{
				{Type: Publish, Message: m},
				{Type: RoomClosed, Transcript: []*broker.Message{m}},
			} {
				if text, err := json.Marshal(ev); err == nil {
					t.Errorf("%s has the JSON form %s", ev.Type, text)
				}
			}
		})
	}
}
