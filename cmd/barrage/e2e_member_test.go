package main

// A client of barrage.v1, on the viewer's blocking socket.

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"

	"barrage/edge/auth"
	v1 "barrage/edge/v1"
	"barrage/frame"
)

const v1Secret = "a secret of the end-to-end tests; long enough"

// v1Token is a token of a user that may do everything, good for an hour.
func v1Token(t *testing.T, user string) string {
	t.Helper()
	return v1TokenFor(t, user, time.Hour)
}

func v1TokenFor(t *testing.T, user string, left time.Duration) string {
	t.Helper()
	key, err := auth.SecretKey([]byte(v1Secret))
	if err != nil {
		t.Fatal(err)
	}
	all := auth.Patterns{"*"}
	token, err := auth.Sign(auth.Claims{Identity: auth.Identity{
		User: user, Rooms: all, Publish: all, Direct: all, Expires: time.Now().Add(left),
	}}, key)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

type v1User struct{ User, Status string }

// v1Fields are what replies and pushes are made of.
type v1Fields struct {
	Room, Epoch, Conn, User, Kind, Reason string
	Offset, From, To                      uint64
	Time                                  int64
	Data                                  json.RawMessage
	Sender                                struct{ User, Conn string }

	Resumed, Complete, More, Replayed, Reconnect bool
	Gap                                          *v1Fields
	Messages                                     []v1Fields
	Online                                       *bool
	List                                         []v1User
	Join, Leave, Update                          *v1User
	Users, Connections                           int
	Code                                         int // of a bye

	Request       uint64 // to a worker, and of an answer
	Method        string
	Again, Repeat bool

	Receiver    string
	Self        bool
	DeliveredTo *int `json:"delivered_to"`

	Expires   int64
	MessageID string `json:"message_id"`
	LocalOnly bool   `json:"local_only"`
	Rooms     any    // a broadcast's count of them
}

func (f *v1Fields) text() (text string) {
	_ = json.Unmarshal(f.Data, &text) // empty if it is no string
	return text
}

func (f *v1Fields) position() string { return fmt.Sprintf("%s/%d", f.Epoch, f.Offset) }

// v1Object is one frame of the server's: a reply has OK or Error, a push its
// fields right in it.
type v1Object struct {
	ID    json.RawMessage // of a reply a number, of a message a text
	Push  string
	OK    *v1Fields
	Error *struct {
		Code       string
		RetryAfter int64 `json:"retry_after"`
	}
	v1Fields
}

// member is used by one goroutine at a time.
type member struct {
	*viewer
	welcome v1Fields
	pushes  []v1Object   // not asked for yet
	closed  uint16       // the code of the close frame
	asked   int          // commands so far
	read    *byteCounter // bytes from the server
}

// byteCounter counts what is read.
type byteCounter struct {
	r io.Reader
	n int
}

func (c *byteCounter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

// dialV1 asks for barrage.v1. The connection is closed when the test ends.
func dialV1(t *testing.T, addr, query string, deflate bool) (*member, *http.Response, error) {
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, nil, err
	}
	t.Cleanup(func() { _ = conn.Close() }) // many tests close it themselves
	_ = conn.SetDeadline(time.Now().Add(2 * patience))
	m := &member{read: &byteCounter{r: conn}}
	m.viewer = &viewer{t: t, conn: conn, r: bufio.NewReader(m.read), asm: frame.Assembler{Client: true}}
	request, err := frame.AppendClientRequest(nil, frame.ClientRequest{
		Target: "/ws" + query, Host: "example.com", Key: frame.NewKey([16]byte{}), Subprotocols: []string{v1.Subprotocol}, Deflate: deflate,
	})
	if err != nil {
		return nil, nil, err
	}
	if _, err := conn.Write(request); err != nil {
		return nil, nil, err
	}
	resp, err := m.answered()
	return m, resp, err
}

// member connects a user of barrage.v1, and takes the welcome.
func (c *child) member(user string) *member { return c.memberWith(user, false) }

// watch opens a raw WebSocket into a room for a user.
func (c *child) watch(room, user string) *viewer {
	c.t.Helper()
	return c.join(room + "&token=" + v1Token(c.t, user))
}

// memberBy is member with a token that is good for longer or shorter.
func (c *child) memberBy(user string, left time.Duration) *member {
	c.t.Helper()
	return c.admit(user, v1TokenFor(c.t, user, left), false)
}

func (c *child) memberWith(user string, deflate bool) *member {
	c.t.Helper()
	return c.admit(user, v1Token(c.t, user), deflate)
}

func (c *child) admit(user, token string, deflate bool) *member {
	c.t.Helper()
	m, resp, err := dialV1(c.t, c.ws, "?token="+token, deflate)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Sec-WebSocket-Protocol") != v1.Subprotocol {
		c.t.Fatalf("%s is not let in: %+v, %v", user, resp, err)
	}
	m.asm.Deflate = resp.Header.Get("Sec-WebSocket-Extensions") != ""
	if deflate != m.asm.Deflate {
		c.t.Fatalf("compression asked for: %v, agreed: %v", deflate, m.asm.Deflate)
	}
	m.welcome = m.push("welcome", "")
	if m.welcome.User != user || m.welcome.Conn == "" {
		c.t.Fatalf("%s is welcomed as %+v", user, m.welcome)
	}
	return m
}

// object returns the next frame; of a close frame, which is the last, false.
func (m *member) object() (o v1Object, ok bool) {
	m.t.Helper()
	f, err := m.next()
	if err != nil {
		m.t.Fatalf("want an object: %v", err)
	}
	if f.op == frame.Close {
		m.closed, _ = frame.ParseClose([]byte(f.text))
		return o, false
	}
	if err := json.Unmarshal([]byte(f.text), &o); err != nil || f.op != frame.Text {
		m.t.Fatalf("%v %.200q: %v", f.op, f.text, err)
	}
	return o, true
}

// push returns the next push of a kind and, unless "", of a room. The others are
// kept.
func (m *member) push(kind, room string) v1Fields {
	m.t.Helper()
	for i := 0; ; i++ {
		if i == len(m.pushes) {
			o, ok := m.object()
			if !ok {
				m.t.Fatalf("closed with %d while waiting for push %s of %q", m.closed, kind, room)
			}
			if o.Push == "" {
				m.t.Fatalf("a reply to nothing: %+v", o)
			}
			m.pushes = append(m.pushes, o)
		}
		if o := m.pushes[i]; o.Push == kind && (room == "" || o.Room == room) {
			m.pushes = append(m.pushes[:i:i], m.pushes[i+1:]...)
			return o.v1Fields
		}
	}
}

// wantTexts asserts the room's next messages.
func (m *member) wantTexts(room string, texts ...string) (last v1Fields) {
	m.t.Helper()
	for _, want := range texts {
		if last = m.push("message", room); last.text() != want {
			m.t.Fatalf("got %.60q in %s, want %.60q", last.text(), room, want)
		}
	}
	return last
}

// wantNoMore asserts that no message of a room has come beyond those taken, up
// to the answer to a ping.
func (m *member) wantNoMore(room string) {
	m.t.Helper()
	m.ask(`"cmd":"ping"`)
	for _, o := range m.pushes {
		if (o.Push == "message" || o.Push == "gap") && o.Room == room {
			m.t.Errorf("one more in %s: %+v", room, o.v1Fields)
		}
	}
}

// try sends a command, given without its braces and id, and returns the reply.
func (m *member) try(command string) v1Object {
	m.t.Helper()
	m.asked++
	id := strconv.Itoa(m.asked)
	m.mustSend(frame.Text, `{"id":`+id+`,`+command+`}`)
	for {
		o, ok := m.object()
		switch {
		case !ok:
			m.t.Fatalf("closed with %d instead of a reply to %s", m.closed, command)
		case o.Push != "":
			m.pushes = append(m.pushes, o)
		case string(o.ID) == id:
			return o
		default:
			m.t.Fatalf("a reply to nothing: %+v", o)
		}
	}
}

// ask is try for what must succeed.
func (m *member) ask(command string) v1Fields {
	m.t.Helper()
	o := m.try(command)
	if o.OK == nil {
		m.t.Fatalf("%s: %+v", command, o.Error)
	}
	return *o.OK
}

func (m *member) wantError(command, code string) {
	m.t.Helper()
	if o := m.try(command); o.Error == nil || o.Error.Code != code {
		m.t.Errorf("%s: %+v, want the error %s", command, o, code)
	}
}

// await repeats a command, slowly enough for its rate to be allowed, until the
// reply is ok.
func (m *member) await(what, command string, ok func(v1Object) bool) {
	m.t.Helper()
	await(m.t, what, func() bool {
		time.Sleep(20 * time.Millisecond)
		return ok(m.try(command))
	})
}

func (m *member) enter(room string) v1Fields {
	m.t.Helper()
	return m.ask(`"cmd":"join","room":"` + room + `"`)
}

// say publishes a text and returns the acknowledgement.
func (m *member) say(room, text string) v1Fields {
	m.t.Helper()
	return m.ask(fmt.Sprintf(`"cmd":"publish","room":%q,"data":%q`, room, text))
}

// since is the field of a join that goes on behind a message.
func since(f v1Fields) string {
	return fmt.Sprintf(`"since":{"epoch":%q,"offset":%d}`, f.Epoch, f.Offset)
}
