// Whose plain connections are, and where they come from.

package tcp_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"barrage/edge"
	"barrage/edge/auth"
	"barrage/edge/auth/keyring"
	"barrage/edge/edgetest"
	"barrage/edge/hooks"
	"barrage/edge/proxy"
	"barrage/edge/tcp"
	"barrage/netpoll"
)

var secret = []byte("0123456789abcdef0123456789abcdef")

func verifier(t testing.TB) *auth.Verifier {
	t.Helper()
	v, err := auth.New(auth.Config{Secrets: [][]byte{secret}})
	edgetest.Must(t, err)
	return v
}

func tokenOf(t testing.TB, user string) string {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": user, "exp": time.Now().Add(time.Hour).Unix()}).SignedString(secret)
	edgetest.Must(t, err)
	return token
}

// TestToken: where there are tokens the first command is auth, or the connection ends.
func TestToken(t *testing.T) {
	t.Parallel()
	key := keyring.Make()
	ring, err := keyring.New(keyring.Entries{{Name: "device", Hash: keyring.Hash(key), Rooms: []string{"a"}, Publish: true}})
	edgetest.Must(t, err)
	each(t, func(t *testing.T, f tcp.Framing, address int) {
		s := start(t, f, func(c *edge.Config) { c.Auth, c.Keys, c.AuthTimeout = verifier(t), ring, edgetest.Patience })
		c := dial(t, s, address)
		if got := c.want(`{"push":"welcome"`); !strings.Contains(got, `"auth":"required"`) {
			t.Error(got)
		}
		c.send(`{"id":1,"cmd":"join","room":"a"}`)
		c.want(`{"id":1,"error":{"code":"unauthorized"`)
		c.send(`{"id":2,"cmd":"auth","token":"` + tokenOf(t, "ann") + `"}`)
		c.want(`{"id":2,"ok":{"user":"ann"`)
		c.send(`{"id":3,"cmd":"join","room":"a"}`)
		c.want(`{"id":3,"ok":{"room":"a"`)
		device := dial(t, s, address)
		device.want(`{"push":"welcome"`)
		device.send(`{"id":1,"cmd":"auth","token":"` + key + `"}`)
		device.want(`{"id":1,"ok":{`)
		device.send(`{"id":2,"cmd":"publish","room":"b","data":1}`)
		device.want(`{"id":2,"error":{"code":"forbidden"`)
		device.send(`{"id":3,"cmd":"publish","room":"a","data":1}`)
		device.want(`{"id":3,"ok":{`)
		c.want(`{"push":"message","room":"a"`)
	})
	s := start(t, tcp.Lines, func(c *edge.Config) { c.Auth, c.AuthTimeout = verifier(t), 50*time.Millisecond })
	c := dial(t, s, onTCP)
	c.want(`{"push":"welcome"`)
	c.want(`{"push":"bye","code":4201,"reason":"no token or login in time"`)
	c.wantEnd()
}

// TestHooks: a backend is asked by the first message, or, where it is asked by requests, by
// one that says nothing but the address.
func TestHooks(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 10)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked <- string(body)
		if strings.Contains(string(body), "wrong") {
			fmt.Fprint(w, `{"error":{"code":"no","message":"No."}}`)
			return
		}
		fmt.Fprint(w, `{"user":"ann","welcome":"Hello."}`)
	}))
	t.Cleanup(backend.Close)
	with := func(byMessage bool) func(*edge.Config) {
		return func(c *edge.Config) {
			c.Hooks = edgetest.NewHooks(t, hooks.Config{
				Connect: hooks.ConnectConfig{URL: backend.URL, ByMessage: byMessage, Headers: []string{"User-Agent"}, Query: []string{"q"}, Cookies: []string{"*"}, Tries: 2, Timeout: edgetest.Patience},
			})
			c.AuthTimeout = edgetest.Patience
		}
	}
	s := start(t, tcp.Lines, with(true))
	c := dial(t, s, onUnix)
	c.want(`{"push":"welcome"`)
	c.send(`{"id":1,"cmd":"auth","login":"ann:wrong"}`)
	c.want(`{"id":1,"error":{"code":"no"`)
	c.send(`{"id":2,"cmd":"auth","login":"ann:right"}`)
	c.want(`{"id":2,"ok":{"user":"ann","message":"Hello."}}`)
	<-asked
	<-asked
	s = start(t, tcp.Lines, with(false))
	c = dial(t, s, onUnix)
	if got := c.want(`{"push":"welcome"`); !strings.Contains(got, `"user":"ann"`) || !strings.Contains(got, `"message":"Hello."`) {
		t.Error(got)
	}
	if q := <-asked; !strings.Contains(q, `"hook":"connect"`) {
		t.Error(q)
	}
}

// addresses are where the clients of a server come from.
func addresses(t testing.TB, s *edgetest.Server) (all []string) {
	t.Helper()
	list, _, err := s.Connections(t.Context(), "", "", 10)
	edgetest.Must(t, err)
	for _, c := range list {
		if c.Protocol != tcp.Name {
			t.Errorf("protocol %q", c.Protocol)
		}
		all = append(all, c.Address)
	}
	return all
}

// TestAddress: who connects to a Unix socket is local.
func TestAddress(t *testing.T) {
	t.Parallel()
	s := start(t, tcp.Lines, nil)
	dial(t, s, onUnix).want(`{"push":"welcome"`)
	if got := addresses(t, s); len(got) != 1 || got[0] != "local" {
		t.Errorf("%q", got)
	}
}

// TestProxy: a trusted proxy says by a PROXY header for whom it connects, on both kinds of
// sockets, and nobody else does.
func TestProxy(t *testing.T) {
	t.Parallel()
	trusted := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.PrefixFrom(netpoll.Local.Addr(), 32)}
	const header = "PROXY TCP4 203.0.113.9 203.0.113.1 4711 8090\r\n"
	each(t, func(t *testing.T, f tcp.Framing, address int) {
		s := start(t, f, func(c *edge.Config) { c.Proxies, c.MaxPerIP = proxy.Config{Trusted: trusted, Protocol: true}, 1 })
		c := dial(t, s, address)
		for _, b := range []byte(header) {
			c.write([]byte{b})
		}
		c.want(`{"push":"welcome"`)
		if got := addresses(t, s); len(got) != 1 || got[0] != "203.0.113.9:4711" {
			t.Errorf("%q", got)
		}
		c.send(`{"id":1,"cmd":"ping"}`)
		c.want(`{"id":1,"ok":`)
		again := dial(t, s, address)
		again.write(append([]byte(header), again.frame(`{"id":1,"cmd":"ping"}`)...))
		if got := again.want(`{"push":"bye","code":1013`); !strings.Contains(got, "too_many_connections") {
			t.Error(got)
		}
		other := dial(t, s, address)
		other.write(append([]byte(strings.Replace(header, ".9", ".8", 1)), other.frame(`{"id":1,"cmd":"ping"}`)...))
		other.want(`{"push":"welcome"`)
		other.want(`{"id":1,"ok":`)
		bad := dial(t, s, address)
		bad.send(`{"id":1,"cmd":"ping"}`)
		if f == tcp.Lines { // the other begins with NUL, which neither version does
			bad.want(`{"push":"bye","code":1008,"reason":"bad or missing PROXY header"`)
		} else {
			bad.want(`{"push":"bye","code":1008`)
		}
		bad.wantEnd()
	})
	s := start(t, tcp.Lines, func(c *edge.Config) {
		c.Proxies, c.HandshakeTimeout = proxy.Config{Trusted: trusted, Protocol: true}, 50*time.Millisecond
	})
	late := dial(t, s, onTCP)
	late.write([]byte(header[:10]))
	late.want(`{"push":"bye","code":1008,"reason":"no complete request in time"`)
	late.wantEnd()
	s = start(t, tcp.Lines, nil)
	c := dial(t, s, onTCP)
	c.write([]byte(header))
	c.want(`{"push":"welcome"`)
	c.want(`{"push":"bye","code":1002`)
}
