// Package keyring holds the keys that small systems use instead of tokens: texts that
// anybody who has one may do something with, until it is revoked. The configuration has
// only the keys' hashes.
//
// A key is 256 random bits, so its hash is plain SHA-256: salt and slow hashes are for what
// people choose, and can be guessed. Keys that come from elsewhere are hashed only if they
// are long, and not too regular (see [Check]).
package keyring

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"barrage/internal/broker"
)

const (
	// Prefix begins the keys that are made here.
	Prefix = "bk_"

	// MaxKeys is how many there may be: every key that is brought is compared with all.
	MaxKeys = 256

	maxName     = 64
	maxPatterns = 64  // of rooms, and of origins
	minLength   = 32  // characters of a key from elsewhere
	maxLength   = 256 // of any
	minBits     = 96  // by how often a key has each of its characters
	hashPrefix  = "sha256:"

	// DefaultRate is the Rate of entries that have none, and MaxRate the highest.
	DefaultRate = 10
	MaxRate     = 1e6
)

// Entry is a key as the configuration has it.
type Entry struct {
	Name      string    `yaml:"name"`
	Hash      string    `yaml:"hash"`
	Rooms     []string  `yaml:"rooms,flow,omitempty"` // patterns; none only of one that neither publishes nor subscribes
	Publish   bool      `yaml:"publish,omitempty"`
	Subscribe bool      `yaml:"subscribe,omitempty"`
	Serve     []string  `yaml:"serve,flow,omitempty"`   // patterns of the methods that it may answer requests of
	Get       bool      `yaml:"get,omitempty"`          // it may publish by GET
	Origins   []string  `yaml:"origins,flow,omitempty"` // pages that it is for; none: for all, and for programs
	Rate      *float64  `yaml:"rate,omitempty"`         // messages a second of all who have it, on one node; nil: DefaultRate
	Expires   time.Time `yaml:"expires,omitempty"`      // zero: never
}

// Entries are those of a configuration.
type Entries []Entry

// String names them, for logs.
func (e Entries) String() string {
	names := make([]string, len(e))
	for i := range e {
		names[i] = e[i].Name
	}
	return strings.Join(names, ",")
}

// Key is one of a Ring. It never changes.
type Key struct {
	Entry
	Rate float64 // the entry's, or DefaultRate
	hash [sha256.Size]byte
}

// Ring is all keys of a server. It never changes.
type Ring struct{ keys []Key }

// New checks entries and makes a ring of them. Errors name the entry and the field, and
// quote no hash: somebody may have written the key itself.
func New(entries Entries) (*Ring, error) {
	r := new(Ring)
	if len(entries) > MaxKeys {
		return nil, fmt.Errorf("there are %d, want at most %d", len(entries), MaxKeys)
	}
	for i, e := range entries {
		k, err := e.key()
		switch {
		case CheckName(e.Name) != nil:
			return nil, fmt.Errorf("number %d: name: %w", i+1, CheckName(e.Name))
		case err != nil:
			return nil, fmt.Errorf("%q: %w", e.Name, err)
		case r.Named(e.Name) != nil:
			return nil, fmt.Errorf("%q: two have this name", e.Name)
		}
		for j := range r.keys {
			if r.keys[j].hash == k.hash {
				return nil, fmt.Errorf("%q: hash: it is that of %q too", e.Name, r.keys[j].Name)
			}
		}
		r.keys = append(r.keys, k)
	}
	return r, nil
}

// key checks all but the name.
func (e Entry) key() (k Key, err error) {
	sum, ok := strings.CutPrefix(e.Hash, hashPrefix)
	if n, err := hex.Decode(k.hash[:], []byte(sum[:min(len(sum), 2*sha256.Size)])); !ok || err != nil || n != sha256.Size || len(sum) != 2*sha256.Size {
		return k, fmt.Errorf("hash: it is not %s and %d hexadecimal digits, as barrage key create prints them", hashPrefix, 2*sha256.Size)
	}
	k.Rate = DefaultRate
	if e.Rate != nil {
		k.Rate = *e.Rate
	}
	switch {
	case !e.Publish && !e.Subscribe && len(e.Serve) == 0:
		return k, errors.New("publish, subscribe: neither is true, and serve is empty, so it allows nothing")
	case e.Get && !e.Publish:
		return k, errors.New("get: it needs publish")
	case (e.Publish || e.Subscribe) && len(e.Rooms) == 0 || len(e.Rooms) > maxPatterns:
		return k, fmt.Errorf("rooms: there are %d patterns, want 1 to %d, such as \"*\"", len(e.Rooms), maxPatterns)
	case len(e.Serve) > maxPatterns:
		return k, fmt.Errorf("serve: there are %d patterns, want at most %d", len(e.Serve), maxPatterns)
	case len(e.Origins) > maxPatterns:
		return k, fmt.Errorf("origins: there are %d, want at most %d", len(e.Origins), maxPatterns)
	case !(k.Rate >= 0.01 && k.Rate <= MaxRate): // not a number is neither
		return k, fmt.Errorf("rate: %v must be 0.01 to %v", k.Rate, MaxRate)
	}
	if e.Rooms, err = normal("rooms", e.Rooms, roomPattern); err != nil {
		return k, err
	}
	e.Serve, err = normal("serve", e.Serve, broker.MethodPattern)
	k.Entry = e
	return k, err
}

// roomPattern refuses what fits nothing but rooms of users, too: it would allow nothing.
func roomPattern(pattern string) (string, error) {
	n, err := broker.RoomPattern(pattern)
	if _, users := broker.UserOf(n); err == nil && users {
		err = errors.New("rooms of users are for these users alone, and who has a key is none of them")
	}
	return n, err
}

// normal returns the patterns of a field in their normal forms.
func normal(field string, patterns []string, form func(string) (string, error)) ([]string, error) {
	patterns = slices.Clone(patterns)
	for i, pattern := range patterns {
		n, err := form(pattern)
		if err != nil {
			return nil, fmt.Errorf("%s: %q: %w", field, pattern, err)
		}
		patterns[i] = n
	}
	return patterns, nil
}

// CheckName tells whether a name may be a key's: it stands in logs, events and URLs.
func CheckName(name string) error {
	ok := len(name) > 0 && len(name) <= maxName && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == ""
	if !ok {
		return fmt.Errorf("it must be 1 to %d letters, digits, _ and -", maxName)
	}
	return nil
}

// Keys are those of the ring, in the order of the configuration.
func (r *Ring) Keys() []Key { return slices.Clone(r.keys) }

// Find is the key that text is, nil if it is none. It takes as long whatever the text is:
// the hashes of all are compared, and wholly.
func (r *Ring) Find(text string) (found *Key) {
	if len(text) > maxLength {
		return nil
	}
	sum := sha256.Sum256([]byte(text))
	for i := range r.keys {
		if subtle.ConstantTimeCompare(sum[:], r.keys[i].hash[:]) == 1 {
			found = &r.keys[i]
		}
	}
	return found
}

// Named is the key of a name, nil if there is none.
func (r *Ring) Named(name string) *Key {
	for i := range r.keys {
		if r.keys[i].Name == name {
			return &r.keys[i]
		}
	}
	return nil
}

// Is tells a key from a JSON Web Token, which has dots.
func Is(text string) bool { return !strings.Contains(text, ".") }

// Make returns a new key.
func Make() string {
	var random [32]byte
	_, _ = rand.Read(random[:]) // it never fails
	return Prefix + base64.RawURLEncoding.EncodeToString(random[:])
}

// Hash is what the configuration has of a key.
func Hash(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hashPrefix + hex.EncodeToString(sum[:])
}

// Check refuses a key from elsewhere that could be guessed, or could not stand where keys
// do. How random a text is nobody can see: this finds those that cannot be.
func Check(key string) error {
	switch {
	case len(key) < minLength || len(key) > maxLength:
		return fmt.Errorf("the key has %d characters, want %d to %d", len(key), minLength, maxLength)
	case strings.Trim(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-~") != "":
		return errors.New("the key has characters other than letters, digits, _, - and ~")
	case bits(key) < minBits:
		return fmt.Errorf("the key repeats itself too much: it has about %d bits, want %d; a random one is made without --from", int(bits(key)), minBits)
	}
	return nil
}

// bits are those of a text by how often each of its characters is there (Shannon), and fewer
// the more of its pairs of characters are there again.
func bits(text string) (sum float64) {
	counts, pairs := make(map[byte]int), make(map[string]bool)
	for i := range len(text) {
		counts[text[i]]++
		pairs[text[i:min(i+2, len(text))]] = true
	}
	for _, n := range counts {
		sum += float64(n) * math.Log2(float64(len(text))/float64(n))
	}
	return sum * float64(len(pairs)) / float64(len(text))
}
