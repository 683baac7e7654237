// Compression at the edge.

package v1_test

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/valyala/bytebufferpool"

	"barrage/edge"
	"barrage/edge/delivery"
	"barrage/edge/edgetest"
	v1 "barrage/edge/v1"
	"barrage/frame"
	"barrage/internal/broker"
)

const (
	offer      = "Sec-WebSocket-Extensions: permessage-deflate\r\n"
	smallOffer = "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9\r\n"
)

// joinDeflate opens a connection that compresses.
func joinDeflate(t testing.TB, s *edgetest.Server, target string, json bool) *viewer {
	t.Helper()
	return joinOffering(t, s, offer, target, json)
}

func joinOffering(t testing.TB, s *edgetest.Server, offer, target string, json bool) *viewer {
	t.Helper()
	headers := []string{offer}
	if json {
		headers = append(headers, "Sec-WebSocket-Protocol: "+v1.Subprotocol+"\r\n")
	}
	c, resp := shake(t, s, edgetest.UpgradeRequest(target, headers...))
	if got := resp.Header.Get("Sec-WebSocket-Extensions"); !strings.HasPrefix(got, "permessage-deflate") {
		t.Fatalf("status %d, extensions %q", resp.StatusCode, got)
	}
	c.Frames.Deflate = true
	return c
}

// TestDeflateIsNegotiated: only where both want it.
func TestDeflateIsNegotiated(t *testing.T) {
	t.Parallel()
	for _, on := range []bool{false, true} {
		s := edgetest.Start(t, func(c *edge.Config) { c.Compression, c.Echo = on, true })
		for _, header := range []string{"", offer} {
			for _, target := range []string{"/ws?room=a", "/ws?room=a&compress=0", "/echo", "/echo?compress=0"} {
				_, resp := shake(t, s, edgetest.UpgradeRequest(target, header))
				want := on && header != "" && !strings.Contains(target, "compress=0")
				if got := resp.Header.Get("Sec-WebSocket-Extensions") != ""; got != want || resp.StatusCode != 101 {
					t.Errorf("server %v, client %q, %s: status %d, %v", on, header, target, resp.StatusCode, got)
				}
			}
		}
		for _, bad := range []string{"compress=1", "compress=", "compress", "compress=0&compress=0", "compress=no"} {
			if _, resp := shake(t, s, edgetest.UpgradeRequest("/ws?room=a&"+bad, offer)); resp.StatusCode != 400 {
				t.Errorf("server %v, %s: status %d", on, bad, resp.StatusCode)
			}
		}
	}
}

// TestSmallWindow: who has a small window gets what fits into it, compressed once for
// all of them, and none of what others get.
func TestSmallWindow(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) { c.Compression, c.CompressWait = true, 0 })
	line := ""
	for i := range 100 {
		line += fmt.Sprintf("%07d ", i*i*i*7%9_999_991)
	}
	text := strings.Repeat(line, 3) // the same again 800 bytes later
	wide := joinDeflate(t, s, "/ws?room=a", false)
	var small []*viewer
	for _, bits := range []string{"9", "10", "14"} {
		small = append(small, joinOffering(t, s, strings.Replace(smallOffer, "9", bits, 1), "/ws?room=a", false))
	}
	s.Delivery.Deliver(&broker.Message{Room: "a", ID: "x", Format: broker.Text, Payload: []byte(text)})
	read := func(c *viewer) string {
		c.T.Helper()
		wire := make([]byte, 4)
		_, err := io.ReadFull(c.Reader, wire)
		edgetest.Must(t, err)
		payload := make([]byte, binary.BigEndian.Uint16(wire[2:]))
		_, err = io.ReadFull(c.Reader, payload)
		edgetest.Must(t, err)
		if wire[0] != 0xc1 || wire[1] != 126 {
			t.Fatalf("not compressed: begins with %x", wire)
		}
		edgetest.Must(t, c.Feed(append(wire, payload...)))
		c.Want(frame.Text, text)
		return string(payload)
	}
	whole, want := read(wide), string(frame.EncodeSmallWindow(frame.Text, []byte(text)).Bytes()[4:])
	if len(whole) >= len(want) {
		t.Fatal("the message does not tell windows apart")
	}
	for i, c := range small {
		if got := read(c); got != want {
			t.Errorf("viewer %d got %x, want %x", i, got, want)
		}
	}
	batched := joinOffering(t, s, smallOffer, "/ws?room=a&batch=1", true)
	batched.push("joined")
	s.Delivery.Deliver(&broker.Message{Room: "a", ID: "y", Format: broker.Text, Payload: []byte(text)})
	if v := batched.push("message"); v["data"] != text {
		t.Errorf("got %.100v", v)
	}
}

// TestKeptWindow: a client that keeps its window is told so, in words and in the close
// frame.
func TestKeptWindow(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) { c.Compression = true })
	c := joinDeflate(t, s, "/ws", true)
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, flate.DefaultCompression)
	edgetest.Must(t, err)
	for range 2 {
		packed.Reset()
		_, _ = fmt.Fprint(w, `{"id":1,"cmd":"ping","kind":"hello hello hello"}`)
		_ = w.Flush()
		p := frame.AppendMasked(nil, frame.Text, edgetest.Mask, bytes.TrimSuffix(packed.Bytes(), []byte("\x00\x00\xff\xff")))
		p[0] |= 0x40 // RSV1: compressed
		c.Write(p)
	}
	v := c.object()
	for v["push"] != "bye" {
		v = c.object()
	}
	if reason := fmt.Sprint(v["reason"]); !strings.Contains(reason, "client_no_context_takeover") {
		t.Errorf("the reason is %q", reason)
	}
	m, err := c.Next()
	edgetest.Must(t, err)
	if code, reason := frame.ParseClose([]byte(m.Payload)); code != 1007 || !strings.Contains(reason, "client_no_context_takeover") {
		t.Errorf("closed with %d, %q", code, reason)
	}
}

// counted counts how often a message is encoded.
type counted struct {
	delivery.Codec
	n *atomic.Int32
}

func (c counted) Message(buf *bytebufferpool.ByteBuffer, m *broker.Message) (binary bool, payload []byte) {
	c.n.Add(1)
	return c.Codec.Message(buf, m)
}

// TestOneEncodingEach: in a room of all kinds, spread over all shards, a message is
// encoded once for each kind that is there, and each gets it in its own form.
func TestOneEncodingEach(t *testing.T) {
	t.Parallel()
	const each = 6
	n := make(map[string]*atomic.Int32)
	s := edgetest.Start(t, func(c *edge.Config) {
		c.Compression = true
		for i := range c.Protocols {
			if p := &c.Protocols[i]; p.Codec != nil {
				n[p.Name] = new(atomic.Int32)
				p.Codec = counted{p.Codec, n[p.Name]}
			}
		}
	})
	text := strings.Repeat("the same again and again ", 100)
	tell := func() {
		s.Delivery.Deliver(&broker.Message{Room: "a", ID: "x", Format: broker.Text, Payload: []byte(text)})
	}
	var raw, json []*viewer
	for range each {
		raw = append(raw, join(t, s, "/ws?room=a"), joinDeflate(t, s, "/ws?room=a", false), joinOffering(t, s, smallOffer, "/ws?room=a", false))
	}
	tell()
	for range each {
		json = append(json, joinJSON(t, s, "/ws?room=a"), joinDeflate(t, s, "/ws?room=a", true))
	}
	for _, c := range json {
		c.push("joined")
	}
	tell()
	for _, c := range raw {
		c.Want(frame.Text, text)
		c.Want(frame.Text, text)
	}
	for _, c := range json {
		if v := c.object(); v["push"] != "message" || v["data"] != text {
			t.Errorf("got %.100v", v)
		}
	}
	for protocol, want := range map[string]int32{"raw": 3 + 3, "barrage.v1": 1 + 1} { // plain, compressed, and that for a small window
		if got := n[protocol].Load(); got != want {
			t.Errorf("messages were encoded %d times for %s, want %d", got, protocol, want)
		}
	}
}

// TestDeflatedMessages go both ways and fewer bytes than they have.
func TestDeflatedMessages(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) { c.Compression = true })
	text := strings.Repeat("the same again and again ", 400)
	for _, json := range []bool{false, true} {
		room := fmt.Sprint("room-", json)
		plain, c := join(t, s, "/ws?room="+room), joinDeflate(t, s, "/ws?room="+room, json)
		message := text
		if json {
			c.push("joined")
			message = fmt.Sprintf(`{"cmd":"publish","room":%q,"data":%q}`, room, text)
		}
		packed := frame.AppendMaskedDeflated(nil, frame.Text, edgetest.Mask, []byte(message))
		if len(packed) > len(message)/10 {
			t.Fatalf("%d bytes", len(packed))
		}
		for i := range packed { // byte by byte: the inflater's state is kept
			c.Write(packed[i : i+1])
		}
		plain.Want(frame.Text, text)
		if json {
			if v := c.push("message"); v["data"] != text {
				t.Errorf("got %.100v", v)
			}
		} else {
			c.Want(frame.Text, text)
		}
	}
}

// TestBomb: a message that grows past the limit ends its connection before it has
// grown, and one that lies about being compressed too.
func TestBomb(t *testing.T) {
	t.Parallel()
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for range 8 {
		_, _ = w.Write(zeros)
	}
	_ = w.Flush()
	bomb := bytes.TrimSuffix(packed.Bytes(), []byte("\x00\x00\xff\xff"))
	for _, x := range []struct {
		name       string
		compressed bool
		payload    []byte
		code       uint16
	}{
		{"bomb", true, bomb, frame.CloseTooBig},
		{"garbage", true, bytes.Repeat([]byte{0xff}, 100), frame.CloseInvalidPayload},
		{"not negotiated", false, []byte{0}, frame.CloseProtocol},
	} {
		for _, json := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, JSON %v", x.name, json), func(t *testing.T) {
				t.Parallel()
				s := edgetest.Start(t, func(c *edge.Config) { c.Compression = x.compressed })
				neighbour := join(t, s, "/ws?room=a")
				var c *viewer
				switch {
				case x.compressed:
					c = joinDeflate(t, s, "/ws?room=b", json)
				case json:
					c = joinJSON(t, s, "/ws?room=b")
				default:
					c = join(t, s, "/ws?room=b")
				}
				if json {
					c.push("joined")
				}
				p := frame.AppendMasked(nil, frame.Text, edgetest.Mask, x.payload)
				p[0] |= 0x40 // RSV1: compressed
				c.Write(p)
				if json {
					c.wantBye(x.code, false)
				} else {
					c.WantClose(x.code)
				}
				neighbour.Send(frame.Text, "unmoved")
				neighbour.Want(frame.Text, "unmoved")
			})
		}
	}
}
