// A server that is as honest, or as faulty, as a test wants it.

package loadtest

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"barrage/frame"
)

// faulty is a WebSocket server of rooms that does wrong on purpose: what it does
// with the nth message (from 1) to each of its members, a fate tells. It counts
// what it did.
type faulty struct {
	*httptest.Server
	fate func(n int) fate

	mu      sync.Mutex
	rooms   map[string]map[*member]bool
	joined  int
	refuse  func(nth int) (status int) // 0 lets the nth join
	publish func(nth int) (status int) // 0 takes the nth message
	taken   int
	did     map[fate]int // copies that met each fate
}

type fate int

const (
	deliver  fate = iota
	drop          // never sent
	repeat        // sent twice
	postpone      // sent after the next one
	misroute      // sent with another room's name in it
	hangUp        // the connection is closed instead, with a close frame
	kill          // the connection is reset instead
	tarry         // sent, a while later than it could be
)

const tarryTime = 300 * time.Millisecond

type member struct {
	conn net.Conn
	n    int
	held []byte
	dead bool
}

func newFaulty(t *testing.T, decide func(n int) fate) *faulty {
	f := &faulty{fate: decide, rooms: map[string]map[*member]bool{}, did: map[fate]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ws", f.join)
	mux.HandleFunc("POST /pub", f.post)
	f.Server = httptest.NewServer(mux)
	t.Cleanup(f.close)
	return f
}

func (f *faulty) close() {
	f.mu.Lock()
	for _, members := range f.rooms {
		for m := range members {
			m.conn.Close()
		}
	}
	f.mu.Unlock()
	f.Server.Close()
}

func (f *faulty) join(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.joined++
	status := 0
	if f.refuse != nil {
		status = f.refuse(f.joined)
	}
	f.mu.Unlock()
	if status != 0 {
		http.Error(w, "the house is full", status)
		return
	}
	head := "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " +
		r.Header.Get("Sec-WebSocket-Key") + "\r\n\r\n"
	req, _, err := frame.ParseRequest([]byte(head))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	conn, rw, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	m := &member{conn: conn}
	f.mu.Lock()
	_, _ = conn.Write(frame.AppendUpgrade(nil, &req, "", false))
	room := r.URL.Query().Get("room")
	if f.rooms[room] == nil {
		f.rooms[room] = map[*member]bool{}
	}
	f.rooms[room][m] = true
	f.mu.Unlock()
	f.read(rw.Reader, room, m)
}

// read publishes what a member sends until it leaves.
func (f *faulty) read(r *bufio.Reader, room string, m *member) {
	asm, buf := frame.Assembler{}, make([]byte, 4096)
	for {
		n, err := r.Read(buf)
		if err == nil {
			err = asm.Feed(buf[:n], &frame.Limits{}, reader(func(p []byte) { f.broadcast(room, p) }))
		}
		if err != nil {
			f.mu.Lock()
			delete(f.rooms[room], m)
			m.conn.Close()
			f.mu.Unlock()
			return
		}
	}
}

type reader func(payload []byte)

func (r reader) Message(_ frame.Opcode, p []byte) error { r(p); return nil }

func (r reader) Control(op frame.Opcode, _ []byte) error {
	if op == frame.Close {
		return io.EOF
	}
	return nil
}

func (f *faulty) post(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.taken++
	status := 0
	if f.publish != nil {
		status = f.publish(f.taken)
	}
	f.mu.Unlock()
	if status != 0 {
		http.Error(w, "not now", status)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	f.broadcast(r.URL.Query().Get("room"), body)
}

func (f *faulty) broadcast(room string, payload []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	whole := frame.AppendFrame(nil, frame.Text, payload)
	for m := range f.rooms[room] {
		if !m.dead {
			m.n++
			what := f.fate(m.n)
			f.did[what]++
			m.meet(what, whole, payload)
		}
	}
}

func (m *member) meet(what fate, whole, payload []byte) {
	out := append([]byte(nil), whole...)
	switch what {
	case drop:
		return
	case repeat:
		out = append(out, whole...)
	case postpone:
		m.held = out
		return
	case misroute:
		wrong := append([]byte(nil), payload...)
		wrong[3+4+16+8+6+5] = 'f' // the stamp's room
		out = frame.AppendFrame(nil, frame.Text, wrong)
	case hangUp:
		out = frame.AppendClose(nil, 4321, "go away")
		m.dead = true
	case kill:
		_ = m.conn.(*net.TCPConn).SetLinger(0)
		m.conn.Close()
		m.dead = true
		return
	case tarry:
		held := out
		time.AfterFunc(tarryTime, func() { _, _ = m.conn.Write(held) })
		return
	}
	_, _ = m.conn.Write(append(out, m.held...))
	m.held = nil
}
