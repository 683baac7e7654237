// The server's side of the opening handshake (RFC 6455 section 4.2).

package frame

import (
	"crypto/sha1"
	"encoding/base64"
	"iter"
	"net/http"
)

const (
	acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" // RFC 6455 section 1.3
	keyBytes   = 16
	keyLen     = 24 // keyBytes in base64
)

// IsUpgrade reports whether the request asks for WebSocket at all, rightly or
// not; CheckUpgrade tells.
func (r *Request) IsUpgrade() bool {
	return hasToken(r.upgrade, "websocket")
}

// CheckUpgrade checks the request by RFC 6455 section 4.2.1, except its Origin,
// which CheckOrigin does. The error is an *HTTPError.
func (r *Request) CheckUpgrade() error {
	if r.Method != http.MethodGet {
		return methodNotAllowed("GET")
	}
	if !r.IsUpgrade() {
		return upgradeRequired("WebSocket upgrade required")
	}
	if r.http10 {
		return badRequest("upgrade needs HTTP/1.1")
	}
	if !hasToken(r.connection, "upgrade") {
		return badRequest("no upgrade in the Connection header")
	}
	// Before the key, so that a client of another version learns ours.
	if r.version != "13" {
		return upgradeRequired("WebSocket version 13 required")
	}
	if !validKey(r.key) {
		return badRequest("invalid Sec-WebSocket-Key header")
	}
	return nil
}

// upgradeRequired names the version (RFC 6455 section 4.4) and the protocol; a
// sender of Upgrade also lists it in Connection (RFC 9110 section 7.8).
func upgradeRequired(reason string) error {
	return &HTTPError{
		Status: http.StatusUpgradeRequired,
		Reason: reason,
		Header: "Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
	}
}

func validKey(key string) bool {
	if len(key) != keyLen {
		return false
	}
	var src [keyLen]byte
	var nonce [keyLen / 4 * 3]byte // room for what a key without padding decodes to
	copy(src[:], key)
	n, err := base64.StdEncoding.Decode(nonce[:], src[:])
	return err == nil && n == keyBytes
}

// Subprotocols yields those that the client offers, in its order of preference.
func (r *Request) Subprotocols() iter.Seq[string] {
	return elements(r.Header("Sec-WebSocket-Protocol"))
}

// Offers reports whether the client offers a subprotocol, whose name counts
// exactly, case included (RFC 6455 section 4.1).
func (r *Request) Offers(subprotocol string) bool {
	for item := range r.Subprotocols() {
		if item == subprotocol {
			return subprotocol != ""
		}
	}
	return false
}

// AppendUpgrade appends the response that accepts a request which CheckUpgrade
// found right. subprotocol is one the client Offers, or empty for none. deflate
// agrees to permessage-deflate, if the client OffersDeflate.
func AppendUpgrade(dst []byte, r *Request, subprotocol string, deflate bool) []byte {
	dst = append(dst, "HTTP/1.1 101 Switching Protocols\r\n"+
		"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	dst = appendAccept(dst, r.key)
	if subprotocol != "" {
		dst = append(dst, "\r\nSec-WebSocket-Protocol: "...)
		dst = append(dst, subprotocol...)
	}
	if deflate {
		if _, answer, err := r.answerDeflate(); err == nil && answer != "" {
			dst = appendExtension(dst, answer)
		}
	}
	return append(dst, "\r\n\r\n"...)
}

// appendAccept appends the answer to a key (RFC 6455 section 4.2.2, item 5.4).
// gobwas/ws keeps its own to itself, behind an Upgrader that reads and writes.
func appendAccept(dst []byte, key string) []byte {
	var b [keyLen + len(acceptGUID)]byte
	n := copy(b[:], key)
	n += copy(b[n:], acceptGUID)
	sum := sha1.Sum(b[:n])
	return base64.StdEncoding.AppendEncode(dst, sum[:])
}
