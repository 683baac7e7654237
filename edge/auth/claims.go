// The claims of a token: their names, types and bounds.

package auth

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"barrage/internal/broker"
	"barrage/internal/whole"
)

// defaultUserClaim has the user, unless Config says otherwise.
const defaultUserClaim = "sub"

const (
	maxPatterns = 64           // of each of rooms, pub, dm, serve and seen
	maxDate     = 253402300799 // the end of the year 9999: later ones cannot be written in RFC 3339
)

// payload is a token's claims as they came, so that none is judged before the
// signature is, and the names are compared exactly (encoding/json would take
// "SUB" for a struct's "sub").
type payload map[string]json.RawMessage

// value decodes a claim; ok is whether it is there. A number too large for a
// float64 becomes nil, which is no claim's type.
func (p payload) value(name string) (v any, ok bool) {
	raw, ok := p[name]
	if !ok || json.Unmarshal(raw, &v) != nil {
		return nil, ok
	}
	return v, true
}

// text decodes a claim that is a string; "" if it is not there.
func (p payload) text(name string) (string, error) {
	v, ok := p.value(name)
	if !ok {
		return "", nil
	}
	s, ok := v.(string)
	if !ok {
		return "", badClaim(name, "is not a string")
	}
	return s, nil
}

// list makes strings of the elements of a claim that is a list.
func list(name string, elements []any) ([]string, error) {
	texts := make([]string, len(elements))
	for i, v := range elements {
		s, ok := v.(string)
		if !ok {
			return nil, badClaim(name, "has an element that is not a string, the one at %d", i)
		}
		texts[i] = s
	}
	return texts, nil
}

func (p payload) date(name string) (*jwt.NumericDate, error) {
	v, ok := p.value(name)
	if !ok {
		return nil, nil
	}
	seconds, ok := v.(float64)
	if !ok || seconds < 0 || seconds > maxDate {
		return nil, badClaim(name, "is not a time in seconds since 1970")
	}
	return jwt.NewNumericDate(time.Unix(int64(seconds), 0)), nil
}

// The methods of jwt.Claims, for its Validator.

func (p payload) GetExpirationTime() (*jwt.NumericDate, error) { return p.date("exp") }
func (p payload) GetNotBefore() (*jwt.NumericDate, error)      { return p.date("nbf") }
func (p payload) GetIssuedAt() (*jwt.NumericDate, error)       { return p.date("iat") }
func (p payload) GetIssuer() (string, error)                   { return p.text("iss") }
func (p payload) GetSubject() (string, error)                  { return p.text("sub") }

func (p payload) GetAudience() (jwt.ClaimStrings, error) {
	v, ok := p.value("aud")
	if !ok {
		return nil, nil
	}
	switch v := v.(type) {
	case string:
		return jwt.ClaimStrings{v}, nil
	case []any:
		return list("aud", v)
	}
	return nil, badClaim("aud", "is neither a string nor a list of strings")
}

// identity is what the claims say, but for the expiry. userClaim has the user; all is the
// Patterns of a claim that is not there.
func (p payload) identity(userClaim string, all Patterns) (Identity, error) {
	id := Identity{Rooms: all, Publish: all, Direct: all}
	var err error
	if id.User, err = p.user(userClaim); err != nil {
		return Identity{}, err
	}
	if id.Name, err = p.shown("name"); err != nil {
		return Identity{}, err
	}
	if id.Avatar, err = p.shown("avatar"); err != nil {
		return Identity{}, err
	}
	if err := p.rights(&id); err != nil {
		return Identity{}, err
	}
	if id.Hidden, err = p.truth("hidden"); err != nil {
		return Identity{}, err
	}
	if id.Device, err = p.text("device"); err != nil {
		return Identity{}, err
	}
	if err := id.check(userClaim); err != nil {
		return Identity{}, err
	}
	return id, nil
}

// user decodes the claim that has the user. Only sub must be a string (RFC 7519, section
// 4.1.2): others may be a whole number, such as a key of a database.
func (p payload) user(claim string) (string, error) {
	var n whole.Uint
	if raw := p[claim]; claim != defaultUserClaim && len(raw) > 0 && raw[0] >= '0' && raw[0] <= '9' && json.Unmarshal(raw, &n) == nil {
		return strconv.FormatUint(uint64(n), 10), nil
	}
	return p.text(claim)
}

// shown is text of a claim that only people look at. Some issuers write null for none.
func (p payload) shown(claim string) (string, error) {
	if string(p[claim]) == "null" {
		return "", nil
	}
	return p.text(claim)
}

// truth decodes a claim that is true or false; false if it is not there.
func (p payload) truth(claim string) (bool, error) {
	v, ok := p.value(claim)
	if !ok {
		return false, nil
	}
	yes, ok := v.(bool)
	if !ok {
		return false, badClaim(claim, "is neither true nor false")
	}
	return yes, nil
}

// rights sets what the claims rooms, pub, dm, serve and seen say, if they are there.
func (p payload) rights(id *Identity) (err error) {
	for claim, patterns := range map[string]*Patterns{"rooms": &id.Rooms, "dm": &id.Direct, "serve": &id.Serve, "seen": &id.Seen} {
		v, ok := p.value(claim)
		if !ok {
			continue
		}
		elements, ok := v.([]any)
		if !ok {
			return badClaim(claim, "is not a list of patterns")
		}
		if *patterns, err = list(claim, elements); err != nil {
			return err
		}
	}
	if v, ok := p.value("pub"); ok {
		switch v := v.(type) {
		case bool:
			if !v {
				id.Publish = nil
			}
		case []any:
			if id.Publish, err = list("pub", v); err != nil {
				return err
			}
		default:
			return badClaim("pub", "is neither true nor false nor a list of patterns")
		}
	}
	return nil
}

// check applies the bounds, and gives names their normal forms. It names fields by their
// claims, of which userClaim is the user's.
func (id *Identity) check(userClaim string) (err error) {
	if id.User, err = broker.UserID(id.User); err != nil {
		return badClaim(userClaim, "names no user: %v", err)
	}
	return id.Check(badClaim)
}

// badField makes an error of what is wrong with a field.
type badField = func(field, format string, args ...any) error

// Check applies the bounds of all but the user and the expiry, and gives patterns their
// normal forms. bad makes the error of a field, which is named as its claim.
func (id *Identity) Check(bad badField) (err error) {
	if err := broker.CheckName(id.Name); err != nil {
		return bad("name", "%v", err)
	}
	if err := broker.CheckAvatar(id.Avatar); err != nil {
		return bad("avatar", "%v", err)
	}
	if id.Device != "" {
		if id.Device, err = broker.DeviceName(id.Device); err != nil {
			return bad("device", "names no device: %v", err)
		}
	}
	// An issuer that computes the list and finds nothing would not want to
	// have allowed everything.
	if len(id.Rooms) == 0 {
		return bad("rooms", "is empty: leave it out to allow any room")
	}
	if id.Rooms, err = normalPatterns("rooms", id.Rooms, broker.RoomPattern, bad); err != nil {
		return err
	}
	if id.Publish, err = normalPatterns("pub", id.Publish, broker.RoomPattern, bad); err != nil {
		return err
	}
	if id.Direct, err = normalPatterns("dm", id.Direct, broker.UserPattern, bad); err != nil {
		return err
	}
	if id.Seen, err = normalPatterns("seen", id.Seen, broker.UserPattern, bad); err != nil {
		return err
	}
	id.Serve, err = normalPatterns("serve", id.Serve, broker.MethodPattern, bad)
	return err
}

// normalPatterns returns patterns in their normal forms. Identities share those that are.
func normalPatterns(claim string, patterns Patterns, form func(string) (string, error), bad badField) (Patterns, error) {
	if len(patterns) > maxPatterns {
		return nil, bad(claim, "has %d patterns, want at most %d", len(patterns), maxPatterns)
	}
	for i, p := range patterns {
		normal, err := form(p)
		if err != nil {
			return nil, bad(claim, "has a bad one at %d: %v", i, err)
		}
		if normal != p {
			patterns = slices.Clone(patterns)
			patterns[i] = normal
		}
	}
	return patterns, nil
}
