package main

// Keys that are revoked on one node: connections of the others that have them end, whatever
// they speak, and nobody comes or publishes with one anywhere, until it is restored.

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"barrage/edge/auth/keyring"
	"barrage/frame"
)

// holders are connections of one key to a node.
type holders struct {
	raw    *viewer
	v1     *member
	events *bufio.Reader
}

// hold opens one of each.
func hold(c *child, key string) *holders {
	c.t.Helper()
	h := &holders{raw: c.join("shop:1&token=" + key)}
	var err error
	if h.v1, _, err = dialV1(c.t, c.ws, "?room=shop:1&token="+key, false); err != nil {
		c.t.Fatal(err)
	}
	h.v1.push("welcome", "")
	conn, err := net.Dial("tcp", c.ws)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(2 * patience))
	if _, err := io.WriteString(conn, "GET /sse?room=shop:1&token="+key+" HTTP/1.1\r\nHost: example.com\r\n\r\n"); err != nil {
		c.t.Fatal(err)
	}
	h.events = bufio.NewReader(conn)
	if line, err := h.events.ReadString('\n'); err != nil || !strings.Contains(line, " 200 ") {
		c.t.Fatalf("an event stream: %q, %v", line, err)
	}
	return h
}

// wantRevoked wants all of them to be sent away, for good.
func (h *holders) wantRevoked(where, reason string) {
	h.raw.t.Helper()
	m, err := h.raw.next()
	if code, why := frame.ParseClose([]byte(m.text)); err != nil || m.op != frame.Close || code != 4200 || why != reason {
		h.raw.t.Errorf("%s: raw ends with %v %q, %v", where, m.op, m.text, err)
	}
	if bye := h.v1.push("bye", ""); bye.Code != 4200 || bye.Reason != reason {
		h.raw.t.Errorf("%s: barrage.v1 ends with %+v", where, bye)
	}
	if rest, err := io.ReadAll(h.events); err != nil || !strings.Contains(string(rest), `"code":4200,"reason":"`+reason+`"`) {
		h.raw.t.Errorf("%s: the event stream ends with %s, %v", where, rest, err)
	}
}

// wantDoors asks with a key at all doors of a node.
func (c *child) wantDoors(when, key string, open bool) {
	c.t.Helper()
	for _, door := range []struct{ method, path, body string }{
		{"GET", "/ws?room=shop:1&token=", ""}, {"GET", "/sse?room=shop:1&token=", ""},
		{"GET", "/push?room=shop:1&text=hi&key=", ""}, {"POST", "/publish?room=shop:1&key=", `{"data":"hi"}`},
	} {
		r, err := http.NewRequest(door.method, "http://"+c.ws+door.path+key, strings.NewReader(door.body))
		if err != nil {
			c.t.Fatal(err)
		}
		if strings.HasPrefix(door.path, "/ws") {
			for name, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13"} {
				r.Header.Set(name, value)
			}
		}
		w, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
		if err != nil {
			c.t.Fatal(err)
		}
		code := w.Header.Get("Barrage-Error")
		_ = w.Body.Close()
		if refused := w.StatusCode == http.StatusForbidden && code == "key_revoked"; refused == open || open && w.StatusCode >= 400 {
			c.t.Errorf("%s: %s answers %d %s", when, door.path, w.StatusCode, code)
		}
	}
}

func keysRevoked(t *testing.T, bin binary) {
	r := startedRedis(t)
	wire := newNetwork(t, r.Addr)
	shop, other := keyring.Make(), keyring.Make()
	entry := "  - name: %s\n    hash: %s\n    rooms: ['shop:*']\n    publish: true\n    subscribe: true\n    get: true\n    rate: 1000\n"
	file := "--config=" + writeFile(t, "keys.yaml", "keys:\n"+fmt.Sprintf(entry, "shop", keyring.Hash(shop))+fmt.Sprintf(entry, "other", keyring.Hash(other)))
	first, second := bin.serve(t, r.url(), file, "--redis-timeout=20s"), bin.serve(t, wire.url(), file, "--redis-timeout=20s")
	first.waitReady()
	second.waitReady()
	near, far, stays := hold(first, shop), hold(second, shop), second.join("shop:1&token="+other)
	first.do("POST", "/v1/keys/shop/revoke", "", `{"reason":"it leaked"}`)
	near.wantRevoked("on the node that was told", "it leaked")
	far.wantRevoked("on the other", "it leaked")
	first.publish("shop:1", "go on")
	stays.want(frame.Text, "go on")
	for _, n := range []*child{first, second, bin.serve(t, r.url(), file)} {
		n.waitReady()
		n.wantDoors("revoked", shop, false)
		n.wantDoors("of another key", other, true)
	}

	// Restored on the other node it is on all; revoked while one is cut off, it is there
	// as soon as that is back.
	second.do("DELETE", "/v1/keys/shop/revoke", "", "")
	await(t, "the first node to have it restored", func() bool {
		_, body := first.mustGet("/v1/keys")
		return !strings.Contains(body, `"revoked":true`)
	})
	first.wantDoors("restored", shop, true)
	second.wantDoors("restored", shop, true)
	far = hold(second, shop)
	wire.cutOff()
	first.do("POST", "/v1/keys/shop/revoke", "", "")
	wire.mend()
	far.skip()
	far.wantRevoked("on the node that was cut off", "this key was revoked")
}

// skip reads what rooms have said until the raw connection is told something else.
func (h *holders) skip() {
	h.raw.t.Helper()
	for {
		m, err := h.raw.next()
		if err != nil {
			h.raw.t.Fatal(err)
		}
		if m.op == frame.Close {
			h.raw.messages = append(h.raw.messages, m)
			return
		}
	}
}
