package client

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestDialable(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1:1": "127.0.0.1:1", ":1": "127.0.0.1:1", "0.0.0.0:1": "127.0.0.1:1", "[::]:1": "[::1]:1", "host:1": "host:1", "odd": "odd",
	} {
		if got := dialable(addr); got != want {
			t.Errorf("%q is dialled at %q, want %q", addr, got, want)
		}
	}
}

// TestEveryAddress: a name with two addresses, at the first of which nobody listens.
func TestEveryAddress(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Path) }))
	defer s.Close()
	name := serveNames(t, [4]byte{127, 0, 0, 2}, [4]byte{127, 0, 0, 1})
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	c := Client{Addr: net.JoinHostPort(name, port)}
	answer, err := c.Publish(t.Context(), Message{Room: "lobby", Body: strings.NewReader("hi")})
	if err != nil || string(answer) != "/v1/rooms/lobby/messages" {
		t.Errorf("%q, %v", answer, err)
	}
}

// serveNames has this process's names resolved by a server that gives every name these
// addresses, until the test ends.
func serveNames(t *testing.T, addresses ...[4]byte) (name string) {
	t.Helper()
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { // ends when l is closed
		defer close(done)
		b := make([]byte, 512)
		for {
			n, from, err := l.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = l.WriteTo(answerName(b[:n], addresses), from)
		}
	}()
	before := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", l.LocalAddr().String())
	}}
	t.Cleanup(func() {
		net.DefaultResolver = before
		_ = l.Close()
		<-done
	})
	return "two.example"
}

// answerName answers a DNS query for A; others get an answer without records.
func answerName(query []byte, addresses [][4]byte) []byte {
	end := 12
	for query[end] != 0 {
		end += int(query[end]) + 1
	}
	end += 5 // the root, type and class
	answer := append([]byte(nil), query[:end]...)
	answer[2], answer[3] = 0x81, 0x80 // an answer, recursion done
	copy(answer[6:12], make([]byte, 6))
	if isA := query[end-3] == 1; !isA {
		return answer
	}
	answer[7] = byte(len(addresses))
	for _, a := range addresses {
		answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4)
		answer = append(answer, a[:]...)
	}
	return answer
}
