// Devices of users, and messages for one connection alone.

package conn

import (
	"slices"

	"barrage/internal/bounds"
	"barrage/internal/broker"
)

// device is one of a user's, with a client here at least.
type device struct{ user, name string }

// SetDevice notes which of its user's devices a client is; "" leaves it as it is.
func (m *Members) SetDevice(c *Client, name string) {
	if name == "" || name == m.Device(c) {
		return
	}
	m.unlist(c)
	m.fewOf(c).device = name
	m.list(c)
}

// Device is what SetDevice said last.
func (m *Members) Device(c *Client) string {
	if f := m.few.Get(c.Serial); f != nil {
		return f.device
	}
	return ""
}

// OfDevice are the clients of a user's device. What is done to one may end others.
func (m *Members) OfDevice(user, name string) []*Client {
	return slices.Clone(m.devices.Get(device{user, name}))
}

// list puts a client, whose user and device are known by now, among those of the device.
func (m *Members) list(c *Client) {
	f := m.few.Get(c.Serial)
	if f == nil || f.device == "" || c.User() == "" {
		return
	}
	key := device{c.User(), f.device}
	all := m.devices.Get(key)
	f.listed = len(all) + 1
	m.devices.Put(key, append(all, c))
}

// unlist undoes list: the last of them takes the client's place.
func (m *Members) unlist(c *Client) {
	f := m.few.Get(c.Serial)
	if f == nil || f.listed == 0 {
		return
	}
	key := device{c.User(), f.device}
	all := m.devices.Get(key)
	last := len(all) - 1
	all[f.listed-1] = all[last]
	m.few.Get(all[last].Serial).listed = f.listed
	all[last], f.listed = nil, 0
	if all = all[:last]; last == 0 {
		m.devices.Delete(key)
	} else {
		m.devices.Put(key, all)
	}
}

// HasRoom tells whether a connection may be given what it has not asked for: it is not behind
// with what it was given, nor are all of the server's.
func (l *Loop) HasRoom(id ID) bool {
	return l.net.Queued(id) <= bounds.ReplyQueue && !l.loops.Short()
}

// Give gives an open connection a message that is for it alone, if it has room for one, and
// tells whether it did. m is sanitized; its room is its user's, or "" if it is for the
// connection, whosever that is.
func (l *Loop) Give(id ID, m *broker.Message) (given bool) {
	if l.IsOpen(id) && l.HasRoom(id) {
		l.Guard(id, func() { given = l.kind(id).Give(id, m) })
	}
	return given
}
