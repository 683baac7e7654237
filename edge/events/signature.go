// The signature that tells a backend that a request is from this server, and when it
// was sent.

package events

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"
)

// SignatureHeader is the header with the signature.
const SignatureHeader = "Barrage-Signature"

// sign returns the header for a body sent now.
func sign(secrets []string, body []byte, now time.Time) string {
	stamp := strconv.FormatInt(now.Unix(), 10)
	header := "t=" + stamp
	for _, secret := range secrets {
		header += ",v1=" + hex.EncodeToString(mac(secret, stamp, body))
	}
	return header
}

func mac(secret, stamp string, body []byte) []byte {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(stamp))
	h.Write([]byte{'.'})
	h.Write(body)
	return h.Sum(nil)
}
