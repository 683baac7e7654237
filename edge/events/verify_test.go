// How a backend verifies a signature, as the package comment tells it to.

package events

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// What verifySignature's errors wrap.
var (
	// errSignatureHeader means that the header is absent or malformed.
	errSignatureHeader = errors.New("events: signature: malformed header")
	// errSignatureTime means that the signature is from another time: an old
	// request again, or one of the two clocks is wrong.
	errSignatureTime = errors.New("events: signature: outside the tolerance")
	// errSignature means that the secret or the body is not what was signed.
	errSignature = errors.New("events: signature: does not match")
)

// Bounds of what verifySignature reads, far over what is sent.
const (
	maxSignatureHeader = 1024
	maxSignatures      = 8
)

// verifySignature tells whether body came from someone who knows secret, at most
// tolerance away from now (5 minutes is usual). header is the request's
// Barrage-Signature.
func verifySignature(secret, header string, body []byte, now time.Time, tolerance time.Duration) error {
	stamp, signatures, err := parseSignature(header)
	if err != nil {
		return err
	}
	want := mac(secret, stamp, body)
	matches := false
	for _, s := range signatures {
		if hmac.Equal(s[:], want) {
			matches = true
		}
	}
	if !matches {
		return errSignature
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return fmt.Errorf("%w: t: %w", errSignatureHeader, err)
	}
	if age := now.Sub(time.Unix(seconds, 0)); age > tolerance || age < -tolerance {
		return fmt.Errorf("%w: %v old", errSignatureTime, age)
	}
	return nil
}

// parseSignature returns t as it stands in the header, which is what was signed,
// and the signatures of the only version there is. Other keys are for later
// versions.
func parseSignature(header string) (stamp string, signatures [][sha256.Size]byte, err error) {
	bad := func(why string) (string, [][sha256.Size]byte, error) {
		return "", nil, fmt.Errorf("%w: %s", errSignatureHeader, why)
	}
	if len(header) > maxSignatureHeader {
		return bad("too long")
	}
	for part := range strings.SplitSeq(header, ",") {
		key, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		switch {
		case !ok:
			return bad("a part has no =")
		case key == "t" && stamp != "":
			return bad("two t")
		case key == "t" && !isStamp(value):
			return bad("t is not a number of seconds")
		case key == "t":
			stamp = value
		case key == "v1":
			var s [sha256.Size]byte
			if len(value) != hex.EncodedLen(len(s)) {
				return bad("a v1 has the wrong length")
			}
			if _, err := hex.Decode(s[:], []byte(value)); err != nil {
				return bad("a v1 is not hex")
			}
			signatures = append(signatures, s)
		}
	}
	switch {
	case stamp == "":
		return bad("no t")
	case len(signatures) == 0:
		return bad("no v1")
	case len(signatures) > maxSignatures:
		return bad("too many v1")
	}
	return stamp, signatures, nil
}

// isStamp allows what fits an int64 without a look at its value.
func isStamp(s string) bool {
	return len(s) > 0 && len(s) <= 18 && strings.Trim(s, "0123456789") == ""
}
