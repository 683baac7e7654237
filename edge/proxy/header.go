// The PROXY header (versions 1 and 2) that a connection through a proxy begins with.

package proxy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/pires/go-proxyproto"
)

// What a header has at most. A longer one of version 2 is none that a proxy needs: it
// may carry a client's certificate behind the addresses.
const (
	maxLine  = 107 // of version 1, its line's end included
	v2Fixed  = 16  // bytes of version 2 up to the length of the rest, which is their last two
	maxBytes = v2Fixed + 4<<10
)

var (
	v1Begins = []byte("PROXY ")
	v2Begins = proxyproto.SIGV2
)

// Errors of Cut.
var (
	ErrNone = errors.New("the connection does not begin with a PROXY header")
	ErrLong = fmt.Errorf("PROXY header over %d bytes (version 1) or %d (version 2)", maxLine, maxBytes)
)

// Begins tells whether p begins as a PROXY header does.
func Begins(p []byte) bool { return bytes.HasPrefix(p, v1Begins) || bytes.HasPrefix(p, v2Begins) }

// Cut looks for a PROXY header at the beginning of p. n is its length; n == 0 without an
// error means that more bytes are needed, and the next call starts again with all of
// them. client is not valid if the header names nobody: the proxy asks for itself, to
// see whether the server is well, or its client has no IP address.
func Cut(p []byte) (client netip.AddrPort, n int, err error) {
	n, err = length(p)
	if err != nil || n == 0 || n > len(p) {
		return netip.AddrPort{}, 0, err
	}
	if ofNobody(p) {
		return netip.AddrPort{}, n, nil
	}
	// Given the whole header and nothing else, the library never waits.
	h, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(p[:n]), 2*maxLine))
	if err != nil {
		return netip.AddrPort{}, 0, fmt.Errorf("PROXY header: %w", err)
	}
	if source, _, ok := h.TCPAddrs(); ok && !h.Command.IsLocal() {
		client = plain(source.AddrPort())
	}
	return client, n, nil
}

// ofNobody tells whether a whole header of version 2 names no protocol, and so no addresses:
// what UNKNOWN is in version 1. The library refuses it, where the choice is the receiver's.
func ofNobody(p []byte) bool {
	const proxied, unspecified = byte(proxyproto.PROXY), byte(proxyproto.UNSPEC)
	return bytes.HasPrefix(p, v2Begins) && p[len(v2Begins)] == proxied && p[len(v2Begins)+1] == unspecified
}

// length is how long the header is that p begins with, 0 if that is not to be seen yet.
func length(p []byte) (int, error) {
	switch {
	case mayBegin(p, v2Begins):
		if len(p) < v2Fixed {
			return 0, nil
		}
		n := v2Fixed + int(binary.BigEndian.Uint16(p[v2Fixed-2:]))
		if n > maxBytes {
			return 0, ErrLong
		}
		return n, nil
	case mayBegin(p, v1Begins):
		end := bytes.IndexByte(p[:min(len(p), maxLine)], '\n')
		if end < 0 && len(p) >= maxLine {
			return 0, ErrLong
		}
		return end + 1, nil
	}
	return 0, ErrNone
}

// mayBegin tells whether p, of which more may come, begins with prefix as far as it goes.
func mayBegin(p, prefix []byte) bool {
	n := min(len(p), len(prefix))
	return bytes.Equal(p[:n], prefix[:n])
}
