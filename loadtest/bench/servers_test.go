package main

// Every server does what the bench takes for granted.

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

const (
	testMembers  = 50 // in two rooms, in turn
	testMessages = 100
	warmUp       = "warm-up"
)

// TestServers starts every server of the peers as the bench does, and checks what
// the bench takes for granted: each member gets its room's messages, all of them,
// once, in order. It builds them, which needs their module's dependencies: it runs
// with BENCH_PEERS=1, and for Centrifugo, which takes minutes to build at first,
// BENCH_PEERS=all.
func TestServers(t *testing.T) {
	which := os.Getenv("BENCH_PEERS")
	if which == "" {
		t.Skip("BENCH_PEERS is not set")
	}
	for _, s := range servers[1:] { // Barrage has tests of its own
		t.Run(s.name, func(t *testing.T) {
			if s.name == "centrifugo" && which != "all" {
				t.Skip("BENCH_PEERS is not all")
			}
			b := &bench{scenario: "peers", out: t.TempDir()}
			if err := b.open(); err != nil {
				t.Fatal(err)
			}
			defer b.close()
			c, err := b.provide(t.Context(), s)
			if err != nil {
				if s.name == "nchan" {
					t.Skip(err)
				}
				t.Fatal(err)
			}
			if c.version == "" || c.version == "unknown" {
				t.Errorf("no version")
			}
			n, err := b.serve(t.Context(), c, "server")
			if err != nil {
				t.Fatal(err)
			}
			checkRooms(t, speak(s, n))
			b.stop()
			if n.alive() {
				t.Error("it is still there")
			}
		})
	}
}

// dialect is how to speak with a server.
type dialect struct {
	url     func(room string) string
	hello   func(room string) string // what a client says first, if anything
	publish func(room, text string) (url, body string)
	texts   func(data []byte) []string // published texts in one WebSocket message
}

func speak(s server, p node) dialect {
	if s.name != "centrifugo" {
		return dialect{
			url: func(room string) string { return "ws://" + p.public + "/ws?room=" + room },
			publish: func(room, text string) (string, string) {
				return "http://" + p.admin + "/pub?room=" + room, text
			},
			texts: func(data []byte) []string { return []string{string(data)} },
		}
	}
	return dialect{
		url: func(string) string { return "ws://" + p.public + "/connection/websocket" },
		hello: func(room string) string {
			return `{"id":1,"connect":{}}` + "\n" + fmt.Sprintf(`{"id":2,"subscribe":{"channel":%q}}`, room)
		},
		publish: func(room, text string) (string, string) {
			return "http://" + p.public + "/api/publish", fmt.Sprintf(`{"channel":%q,"data":{"m":%q}}`, room, text)
		},
		texts: centrifugoTexts,
	}
}

// centrifugoTexts takes the publications out of a frame of newline-separated
// replies and pushes.
func centrifugoTexts(data []byte) []string {
	var all []string
	for line := range bytes.Lines(data) {
		var reply struct {
			Push struct {
				Pub struct {
					Data struct {
						M string `json:"m"`
					} `json:"data"`
				} `json:"pub"`
			} `json:"push"`
		}
		if json.Unmarshal(line, &reply) == nil && reply.Push.Pub.Data.M != "" {
			all = append(all, reply.Push.Pub.Data.M)
		}
	}
	return all
}

// checkRooms connects members, waits until all have joined, publishes to both
// rooms in turn, and compares.
func checkRooms(t *testing.T, d dialect) {
	t.Helper()
	rooms := []string{"red", "blue"}
	members := make([]*member, testMembers)
	var joined, done sync.WaitGroup
	for i := range members {
		members[i] = dial(t, d, rooms[i%2])
		joined.Add(1)
		done.Add(1)
		go func() {
			defer done.Done()
			members[i].read(d, joined.Done)
		}()
	}
	everyone := make(chan struct{})
	go func() {
		joined.Wait()
		close(everyone)
	}()
	for joining := true; joining; {
		select {
		case <-everyone:
			joining = false
		case <-time.After(10 * time.Millisecond):
			for _, room := range rooms {
				post(t, d, room, warmUp)
			}
		}
	}
	for i := range testMessages {
		for _, room := range rooms {
			post(t, d, room, fmt.Sprintf("%s %d", room, i))
		}
	}
	done.Wait()
	for i, m := range members {
		if m.err != nil {
			t.Fatalf("member %d: %v", i, m.err)
		}
		for j, text := range m.texts {
			if want := fmt.Sprintf("%s %d", m.room, j); text != want {
				t.Fatalf("member %d, message %d: got %q, want %q", i, j, text, want)
			}
		}
	}
}

// member is a client. Its read goroutine owns it until it ends.
type member struct {
	room  string
	conn  io.ReadWriter
	texts []string // without the warm-up
	err   error
}

func dial(t *testing.T, d dialect, room string) *member {
	t.Helper()
	conn, early, _, err := ws.Dial(t.Context(), d.url(room))
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	r := io.Reader(conn)
	if early != nil { // what came with the answer
		r = early
	}
	t.Cleanup(func() { conn.Close() })
	if d.hello != nil {
		if err := wsutil.WriteClientText(conn, []byte(d.hello(room))); err != nil {
			t.Fatal(err)
		}
	}
	conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	return &member{room: room, conn: struct {
		io.Reader
		io.Writer
	}{r, conn}}
}

// read reads until all messages are there. It calls joined once, with the first
// text or when it gives up.
func (m *member) read(d dialect, joined func()) {
	once := sync.OnceFunc(joined)
	defer once()
	for len(m.texts) < testMessages {
		data, kind, err := wsutil.ReadServerData(m.conn)
		if err != nil {
			m.err = fmt.Errorf("after %d messages: %w", len(m.texts), err)
			return
		}
		if kind != ws.OpText {
			m.err = fmt.Errorf("a message of type %d", kind)
			return
		}
		for _, text := range d.texts(data) {
			once()
			if text != warmUp {
				m.texts = append(m.texts, text)
			}
		}
	}
}

func post(t *testing.T, d dialect, room, text string) {
	t.Helper()
	url, body := d.publish(room, text)
	response, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		t.Fatalf("publish: %s", response.Status)
	}
}
