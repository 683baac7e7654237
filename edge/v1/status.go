// The command presence_update: what users say of themselves in rooms.

package v1

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"

	"barrage/edge/conn"
	"barrage/edge/presence"
	"barrage/internal/bounds"
	"barrage/internal/refusal"
)

// userJSON is a user in a room.
type userJSON struct {
	ID     string          `json:"user"`
	Name   string          `json:"name,omitempty"`
	Avatar string          `json:"avatar,omitempty"`
	Status string          `json:"status,omitempty"`
	Data   json.RawMessage `json:"data,omitempty"`
}

func userOf(u *presence.User, st *presence.Status) *userJSON {
	j := &userJSON{ID: u.ID, Name: u.Name, Avatar: u.Avatar}
	if st != nil {
		j.Status, j.Data = st.Text, st.Data
	}
	return j
}

// cmdPresenceUpdate sets or takes back a status in a room, or in all that the client is in.
func cmdPresenceUpdate(p *protocol, r *conn.Read, c *client, cmd *command) error {
	data, err := cmd.checkStatus()
	if err != nil {
		return err
	}
	rooms := []string{cmd.Room}
	if cmd.Room == "" {
		rooms = rooms[:0]
		for room := range p.loop.Rooms(c.ID) {
			if p.mayState(c, room) == nil {
				rooms = append(rooms, room)
			}
		}
		if len(rooms) == 0 {
			return refusal.New(409, "not_joined", "this connection is in no room that it may have a status in")
		}
	} else if err := p.mayState(c, cmd.Room); err != nil {
		return err
	}
	for _, room := range rooms {
		p.node.Presence.SetStatus(room, c.User(), cmd.Status, data)
	}
	p.reply(r, c, uint64(cmd.ID), empty{})
	return nil
}

// checkStatus tells what is wrong with a status, and returns its data without spaces.
func (cmd *command) checkStatus() (json.RawMessage, error) {
	if len(cmd.Status) > bounds.StatusBytes || strings.ContainsFunc(cmd.Status, unicode.IsControl) {
		return nil, badCommand(fmt.Sprintf("status may have %d bytes, without control characters", bounds.StatusBytes))
	}
	if len(cmd.Data) == 0 || string(cmd.Data) == "null" {
		return nil, nil
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, cmd.Data); err != nil {
		return nil, errBadData
	}
	if compact.Len() > bounds.StatusDataBytes {
		return nil, badCommand(fmt.Sprintf("data may have %d bytes", bounds.StatusDataBytes))
	}
	return compact.Bytes(), nil
}

// mayState tells whether a client may have a status in a room: who may say nothing there may
// not say it this way, and who is hidden would be seen by it.
func (p *protocol) mayState(c *client, room string) error {
	switch {
	case c.User() == "":
		return refusal.New(403, "forbidden", "only users have a status")
	case !conn.IsPublic(room) || !p.loop.In(c.ID, room) || c.joining(room) != nil || c.owns(room):
		return notJoined(room)
	case p.loop.Hides(&c.Client, room):
		return refusal.New(403, "forbidden", "this connection is hidden in room "+room)
	}
	return p.node.Publisher.Permits(c.User(), c.Rights, room)
}
