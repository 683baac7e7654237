// What messages are, for those who trace a connection.

package v1

import (
	"bytes"
	"encoding/json"
	"strings"

	"barrage/edge/conn"
	"barrage/internal/broker"
)

// Describe implements conn.Describer.
func (p *protocol) Describe(_ conn.ID, got, binary bool, payload []byte) conn.Words {
	if got {
		return describeCommand(binary, payload)
	}
	return Describe(payload)
}

// describeCommand says what a client asks for. Of what is no command nobody knows what is in
// it: it may be a token that stands in the wrong place.
func describeCommand(binary bool, payload []byte) conn.Words {
	var cmd command
	if decode(binary, payload, &cmd) != nil {
		return conn.Words{What: "none", ID: uint64(cmd.ID), Secret: true}
	}
	w := conn.Words{What: "unknown", ID: uint64(cmd.ID), Secret: true}
	for i := range commands {
		if commands[i].name == cmd.Cmd {
			w.What, w.Secret = cmd.Cmd, cmd.Cmd == "auth" || cmd.Token != "" || cmd.Login != ""
		}
	}
	if w.Secret {
		return w
	}
	w.Room, w.Kind = cmd.Room, cmd.Kind
	switch {
	case cmd.To != "":
		w.Room = broker.UserRoom(cmd.To)
	case cmd.Method != "":
		w.Kind = cmd.Method
	}
	return w
}

// Describe says what a reply or a push is. It reads no more of it than it must.
func Describe(payload []byte) (w conn.Words) {
	d := json.NewDecoder(bytes.NewReader(payload))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return conn.Plain(false)
	}
	for d.More() {
		key, _ := d.Token()
		err := error(nil)
		switch key {
		case "id":
			var id json.RawMessage // of a message it is a text
			if err = d.Decode(&id); err == nil {
				_ = json.Unmarshal(id, &w.ID)
			}
		case "push":
			err = d.Decode(&w.What)
		case "room":
			err = d.Decode(&w.Room)
		case "kind":
			err = d.Decode(&w.Kind)
		case "ok":
			w.What = "ok"
			return w
		case "error":
			err = describeError(d, &w)
		case "data", "base64":
			return w
		case "batch":
			err = describeBatch(d, &w)
		default:
			var other json.RawMessage
			err = d.Decode(&other)
		}
		if err != nil {
			return w
		}
	}
	if w.What == "" {
		w.What = "ok" // of a command with nothing to say
	}
	return w
}

func describeError(d *json.Decoder, w *conn.Words) error {
	var e json.RawMessage // in a farewell it is a text
	if err := d.Decode(&e); err != nil {
		return err
	}
	var object errorJSON
	if json.Unmarshal(e, &object) == nil {
		w.Error = object.Code
	} else {
		_ = json.Unmarshal(e, &w.Error)
	}
	if w.What == "" {
		w.What = "error"
	}
	return nil
}

// describeBatch counts the pushes of a batch, which are of one room.
func describeBatch(d *json.Decoder, w *conn.Words) error {
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		var push struct {
			Room string `json:"room"`
		}
		if err := d.Decode(&push); err != nil {
			return err
		}
		w.Room = push.Room
		w.Count++
	}
	_, err := d.Token()
	return err
}

// DescribeEvent is Describe for the lines of an event of an event stream.
func DescribeEvent(lines []byte) conn.Words {
	for line := range bytes.Lines(lines) {
		if data, ok := bytes.CutPrefix(line, []byte("data: ")); ok {
			return Describe(data)
		}
		if name, _, ok := strings.Cut(string(line), ":"); ok && name == "retry" && len(lines) == len(line) {
			return conn.Words{What: name}
		}
	}
	return conn.Plain(false)
}
