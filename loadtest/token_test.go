// The server knows whose a token is.

package loadtest

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"barrage/edge/auth"
)

// TestSign: the server knows whose token it is.
func TestToken(t *testing.T) {
	secret := bytes.Repeat([]byte("s"), 32)
	sign, err := Signer(secret)
	if err != nil {
		t.Fatal(err)
	}
	text, err := sign("user-7")
	if err != nil {
		t.Fatal(err)
	}
	v, err := auth.New(auth.Config{Secrets: [][]byte{secret}})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	id, err := v.Verify(context.Background(), text)
	if err != nil || id.User != "user-7" || !id.Rights().MayJoin(id.User, "room-1") || !id.Rights().MayPublish("room-1") {
		t.Errorf("%+v, %v", id, err)
	}
}

func TestTokenRefused(t *testing.T) {
	if _, err := Signer([]byte("short")); err == nil || !strings.HasPrefix(err.Error(), "token: ") {
		t.Errorf("a short secret: %v", err)
	}
	sign, _ := Signer(bytes.Repeat([]byte("s"), 32))
	for _, user := range []string{"", "a b", strings.Repeat("x", 1000)} {
		if _, err := sign(user); err == nil {
			t.Errorf("a token for %.10q", user)
		}
	}
}
