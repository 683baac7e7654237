// Making tokens.

package auth

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
)

// Claims is what Sign puts into a token. Expires is required and becomes exp as
// it is. Rooms, Publish and Direct are to be set: none is no room, and no user.
type Claims struct {
	Identity
	UserClaim string // that has the user; "": sub
	Issuer    string
	Audience  string
	IssuedAt  time.Time
	NotBefore time.Time
}

// Sign makes a token. It refuses claims that a Verifier would refuse.
func Sign(c Claims, k SigningKey) (string, error) {
	method := jwt.GetSigningMethod(k.alg)
	if method == nil {
		return "", errors.New("auth: no key to sign with")
	}
	claims, err := c.encode()
	if err != nil {
		return "", err
	}
	token := jwt.NewWithClaims(method, claims)
	if k.ID != "" {
		token.Header["kid"] = k.ID
	}
	text, err := token.SignedString(k.secret)
	if err != nil {
		return "", fmt.Errorf("auth: signing: %w", err)
	}
	return text, nil
}

// encode leaves out what is a claim's default.
func (c *Claims) encode() (payload, error) {
	if !utf8.ValidString(c.Name) {
		return nil, badClaim("name", "is not UTF-8") // encoding/json would replace bytes
	}
	userClaim := cmp.Or(c.UserClaim, defaultUserClaim)
	if err := errors.Join(checkUserClaim(userClaim), c.check(userClaim)); err != nil {
		return nil, err
	}
	p := make(payload)
	for name, text := range map[string]string{userClaim: c.User, "name": c.Name, "avatar": c.Avatar, "device": c.Device, "iss": c.Issuer, "aud": c.Audience} {
		if text != "" {
			p.set(name, text)
		}
	}
	if c.Expires.IsZero() {
		return nil, badClaim("exp", "is missing")
	}
	for name, t := range map[string]time.Time{"exp": c.Expires, "iat": c.IssuedAt, "nbf": c.NotBefore} {
		if t.IsZero() {
			continue
		}
		p.set(name, t.Unix())
		if _, err := p.date(name); err != nil {
			return nil, err
		}
	}
	if !c.Rooms.all() {
		p.set("rooms", c.Rooms)
	}
	switch {
	case len(c.Publish) == 0:
		p.set("pub", false)
	case !c.Publish.all():
		p.set("pub", c.Publish)
	}
	if !c.Direct.all() {
		p.set("dm", append(Patterns{}, c.Direct...)) // of none a list, too
	}
	if len(c.Serve) > 0 {
		p.set("serve", c.Serve)
	}
	if len(c.Seen) > 0 {
		p.set("seen", c.Seen)
	}
	if c.Hidden {
		p.set("hidden", true)
	}
	return p, nil
}

// set gives a claim its value: a string, a bool, a number or Patterns, none of
// which encoding/json can refuse.
func (p payload) set(name string, v any) {
	p[name], _ = json.Marshal(v)
}
