// Upgrades: from the checks of a request to an open connection.

package handshake

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"barrage/edge/conn"
	"barrage/edge/node"
	"barrage/edge/wait"
	"barrage/fanout"
	"barrage/frame"
	"barrage/internal/broker"
	"barrage/internal/refusal"
)

// upgrade is one on its way, which may have to wait for its token to be checked, and
// for the broker. It is the door's own, for one request, until hold makes a copy: one
// for each connection would be most of the garbage that connecting leaves.
type upgrade struct {
	conn.Opening
	protocol *Spoken
	manner   manner
	host     string // that it asks for; until it is admitted
	origin   string // of the page, if it is a browser's
	kind     int
	response []byte     // the 101
	rest     []byte     // what came behind the request
	body     []byte     // of a request that is served
	keep     bool       // likewise: the client will send others
	wait     *wait.Wait // nil: its token is being checked
}

// upgrade checks a request for a connection, and admits it.
func (d *Door) upgrade(id conn.ID, req *frame.Request, p *Spoken, rest []byte) error {
	if err := p.check(req); err != nil {
		return err
	}
	host, err := d.source(id, req)
	if err != nil {
		return err
	}
	if err := d.checkOrigin(id, req, host); err != nil {
		return err
	}
	if p.speaksHTTP() {
		d.manner.headers = d.cors(req)
	}
	if d.cfg.Node.Loops.Draining() {
		return d.unavailable("the server is stopping")
	}
	u := &d.upgrading
	*u = upgrade{protocol: p, manner: d.manner, host: host, origin: req.Origin, rest: rest}
	if err := d.agree(req, u); err != nil {
		return err
	}
	if err := d.admit(id, req, u); err != nil {
		d.turnAway(id, u, err)
	}
	return nil
}

// check tells what is wrong with a request for a connection of the protocol's transport.
func (p *Spoken) check(req *frame.Request) error {
	if p.Transport != nil {
		return p.Transport.Check(req)
	}
	return req.CheckUpgrade()
}

// agree finds in what form the connection is to be, and makes the answer.
func (d *Door) agree(req *frame.Request, u *upgrade) error {
	p := u.protocol
	if p.Transport != nil {
		u.kind, u.Encoding = p.Plain, p.EncPlain
		d.out = p.Transport.AppendAnswer(d.out[:0], u.manner.headers)
		u.response = d.out
		return nil
	}
	batch, noEcho, err := false, false, error(nil)
	if p.Rooms != node.NoRooms {
		if batch, err = asksFor(req, "batch", "1"); err != nil {
			return err
		}
		if noEcho, err = asksFor(req, "echo", "0"); err != nil {
			return err
		}
	}
	deflate, err := d.deflate(req)
	if err != nil {
		return err
	}
	u.kind, u.Encoding = p.form(deflate, batch)
	u.NoEcho = noEcho
	subprotocol := p.Subprotocol
	if subprotocol == "" && req.Offers(p.Alias) {
		subprotocol = p.Alias
	}
	d.out = frame.AppendUpgrade(d.out[:0], req, subprotocol, deflate != frame.NoDeflate)
	u.response = d.out
	return nil
}

// admit lets an upgrade in, perhaps later, by its rooms and its token.
func (d *Door) admit(id conn.ID, req *frame.Request, u *upgrade) (err error) {
	if err := d.mayCome(id); err != nil {
		return err
	}
	token := ""
	if u.protocol.Rooms != node.NoRooms {
		if u.Rooms, err = d.rooms(req, u.protocol); err != nil {
			return err
		}
		if token, err = d.tokenOf(req, u.host); err != nil {
			return err
		}
		if err = d.device(req, u); err != nil {
			return err
		}
		if u.protocol.Ask != nil {
			if u.Asked, err = u.protocol.Ask(req, u.Rooms); err != nil {
				return err
			}
		}
	}
	if err := d.take(id); err != nil {
		return err
	}
	if u.protocol.Rooms == node.NoRooms {
		d.open(id, u)
		return nil
	}
	return d.identify(id, req, u, token)
}

// device reads which of its user's devices a connection says it is, and whether it is to be
// given what the others write to users.
func (d *Door) device(req *frame.Request, u *upgrade) error {
	if u.protocol.Serve != nil {
		return nil
	}
	names, err := req.Query("device")
	switch {
	case err != nil:
		return err
	case len(names) > 1:
		return refusal.New(http.StatusBadRequest, "bad_device", "parameter device is given "+strconv.Itoa(len(names))+" times, want it once")
	case len(names) == 1:
		if u.Device, err = broker.DeviceName(names[0]); err != nil {
			return err
		}
	}
	u.Own, err = asksFor(req, "own", "1")
	return err
}

// deflate is what is agreed on with a client.
func (d *Door) deflate(req *frame.Request) (frame.Deflate, error) {
	without, err := asksFor(req, "compress", "0")
	if err != nil || without || !d.cfg.Deflate {
		return frame.NoDeflate, err
	}
	return req.OffersDeflate()
}

// form is the kind of a connection, and the encoding in which it gets messages. Batches
// are for those whom they save bytes, and of whom there are many.
func (p *Spoken) form(deflate frame.Deflate, batch bool) (kind int, enc fanout.Encoding) {
	switch {
	case deflate == frame.NoDeflate:
		return p.Plain, p.EncPlain
	case deflate == frame.SmallWindow:
		return p.Deflated, p.EncSmall
	case batch && p.Batches:
		return p.Deflated, p.EncBatched
	}
	return p.Deflated, p.EncDeflated
}

// rooms are those that the request names, each once.
func (d *Door) rooms(req *frame.Request, p *Spoken) ([]string, error) {
	rooms, err := req.Query("room")
	if err != nil {
		return nil, err
	}
	if len(rooms) == 0 {
		switch {
		case p.Rooms == node.ByDemand || d.cfg.Node.Hooks.Connect() != nil: // which may name some
			return nil, nil
		}
		return d.defaultRooms()
	}
	if most := d.cfg.Node.MaxRooms; len(rooms) > most {
		return nil, refusal.New(http.StatusBadRequest, "too_many_rooms",
			"parameter room is given "+strconv.Itoa(len(rooms))+" times, at most "+strconv.Itoa(most)+" are allowed")
	}
	once := rooms[:0]
	for _, r := range rooms {
		r, err := broker.RoomName(r)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(once, r) {
			once = append(once, r)
		}
	}
	return once, nil
}

// defaultRooms are those of a connection that names none and must be in one.
func (d *Door) defaultRooms() ([]string, error) {
	if d.cfg.DefaultRoom == "" {
		return nil, refusal.New(http.StatusBadRequest, "no_room", "parameter room is missing")
	}
	return []string{d.cfg.DefaultRoom}, nil
}

// asksFor tells whether the client asked for something with a parameter that has one
// value.
func asksFor(req *frame.Request, name, value string) (bool, error) {
	values, err := req.Query(name)
	if err != nil || len(values) == 0 {
		return false, err
	}
	if len(values) > 1 || values[0] != value {
		return false, refusal.New(http.StatusBadRequest, "bad_"+name, "parameter "+name+" must be "+value+", and given once")
	}
	return true, nil
}

// take counts the connection against the limits.
func (d *Door) take(id conn.ID) error {
	switch err := d.loop.Take(id); {
	case errors.Is(err, conn.ErrAddress):
		return refusal.TooMany("too_many_connections", "too many connections from this address", 10*time.Second)
	case err != nil:
		return d.unavailable("the server is full")
	}
	return nil
}

// enter checks the rights of an upgrade and lets it in, or has it wait for backends and the
// broker. Those who join by demand are told of each room by itself, and so are those who
// have still to say who they are.
func (d *Door) enter(id conn.ID, u *upgrade) (err error) {
	if u.protocol.Rooms == node.AtOnce && len(u.Rooms) == 0 {
		if u.Rooms, err = d.defaultRooms(); err != nil && u.Identity != nil {
			return err // else a backend may name some
		}
	}
	if err := d.mayEnter(id, u); err != nil {
		return err
	}
	switch {
	case u.protocol.Rooms == node.ByDemand || u.Identity == nil:
		d.open(id, u)
		return nil
	case slices.ContainsFunc(u.Rooms, d.cfg.Node.Hooks.AsksToJoin):
		d.askToJoin(id, u)
		return nil
	}
	return d.await(id, u)
}

// await lets an upgrade in once the broker brings its rooms' messages.
func (d *Door) await(id conn.ID, u *upgrade) error {
	if d.waits.Ready(u.Rooms) {
		d.open(id, u)
		return nil
	}
	kept := d.hold(id, u, 0) // waits ends it
	kept.wait = d.waits.For(u.Rooms, d.cfg.Node.Loops.Now(), func() { d.loop.Guard(id, func() { d.onRooms(id, kept) }) })
	d.loop.Holds(id, len(kept.rest))
	return nil
}

// onRooms lets a waiting connection in, with the broker's messages or without.
func (d *Door) onRooms(id conn.ID, u *upgrade) {
	d.release(id)
	if err := d.mayEnter(id, u); err != nil { // sent out while it waited
		d.turnAway(id, u, err)
		return
	}
	d.open(id, u)
}

// mayCome is a refusal if nobody may come from where this one does.
func (d *Door) mayCome(id conn.ID) error {
	if m := d.cfg.Node.Moderation; m.KeepsAddressesOut() {
		return m.AddressBanned(d.loop.Own(id))
	}
	return nil
}

// mayEnter checks the rights of an upgrade, if it has said already who it is. It may have
// waited.
func (d *Door) mayEnter(id conn.ID, u *upgrade) error {
	if err := d.mayCome(id); err != nil || u.Identity == nil {
		return err
	}
	user, m := u.Identity.User, d.cfg.Node.Moderation
	if err := m.Revoked(u.Rights); err != nil {
		return err
	}
	for _, room := range u.Rooms {
		if u.protocol.Serve != nil {
			break // it is published to, which is asked for then: a key may be for that alone
		}
		if err := m.MayJoin(user, u.Rights, room); err != nil {
			return err
		}
	}
	return m.Banned(user, "")
}

// open makes it a connection.
func (d *Door) open(id conn.ID, u *upgrade) {
	if u.protocol.Serve != nil {
		d.serve(id, u)
		return
	}
	status := http.StatusSwitchingProtocols
	if t := u.protocol.Transport; t != nil {
		status = t.Status
	}
	d.statuses[status].Add(1)
	d.loop.Open(id, u.kind, &u.Opening, u.response, u.rest)
}

// hold returns an upgrade that is kept for later, or, with longest, until that is over. Of
// what comes behind the request it keeps what was read with it; the rest waits in the socket.
func (d *Door) hold(id conn.ID, u *upgrade, longest time.Duration) *upgrade {
	kept := *u
	kept.origin = strings.Clone(u.origin)
	kept.response = slices.Clone(u.response)
	kept.rest = slices.Clone(u.rest)
	d.held[id] = &kept
	d.loop.Hold(id, longest)
	return &kept
}

// release undoes hold.
func (d *Door) release(id conn.ID) {
	d.forget(id)
	d.loop.Release(id)
}

func (d *Door) forget(id conn.ID) {
	u := d.held[id]
	delete(d.held, id)
	d.loop.Holds(id, 0)
	if u.wait != nil {
		d.waits.Cancel(u.wait)
	}
}
