// Package token makes the tokens of connections and tells what is wrong with one,
// for people at a shell: keys come from files and the environment, and errors name
// the flags.
package token

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"barrage/edge/auth"
	"barrage/internal/refusal"
	"barrage/internal/settings"
	"barrage/internal/textfile"
)

// EnvSecret is the variable with the secrets that sign and verify. With
// settings.FileSuffix it names a file that has them, as for the server.
const EnvSecret = "BARRAGE_AUTH_SECRET"

// Request is a token that is to be made.
type Request struct {
	auth.Claims          // all but rights and times
	Rooms       []string // patterns of those that may be joined; nil: all
	Publish     string   // "true", "false", or patterns with commas between
	Direct      string   // likewise, of the users that may be written to
	TTL         time.Duration
	SecretFile  string
	KeyFile     string // with a private key; it goes before secrets
	KeyID       string
}

// Sign makes the token.
func (r *Request) Sign(now time.Time, environ []string) (string, error) {
	if r.User == "" {
		return "", errors.New("--user is required")
	}
	if r.TTL < time.Second {
		return "", fmt.Errorf("--ttl is %v, want 1s at least", r.TTL)
	}
	key, err := r.key(environ)
	if err != nil {
		return "", err
	}
	key.ID = r.KeyID
	c := r.Claims
	c.Expires, c.IssuedAt = now.Add(r.TTL), now
	c.Rooms = auth.Patterns{"*"}
	if len(r.Rooms) > 0 {
		c.Rooms = r.Rooms
	}
	c.Publish, c.Direct = patterns(r.Publish), patterns(r.Direct)
	return auth.Sign(c, key)
}

func patterns(flag string) auth.Patterns {
	switch flag {
	case "true":
		return auth.Patterns{"*"}
	case "false":
		return nil
	}
	return strings.Split(flag, ",")
}

func (r *Request) key(environ []string) (auth.SigningKey, error) {
	if r.KeyFile != "" {
		text, err := textfile.Read(r.KeyFile)
		if err != nil {
			return auth.SigningKey{}, fmt.Errorf("--key-file: %w", err)
		}
		return auth.PrivateKey(text)
	}
	secrets, err := secrets(r.SecretFile, environ)
	if err != nil {
		return auth.SigningKey{}, err
	}
	if len(secrets) == 0 {
		return auth.SigningKey{}, errors.New("nothing to sign with: give --secret-file, " + EnvSecret + " or --key-file")
	}
	return auth.SecretKey(secrets[0])
}

// secrets are those in a file if one is named, else in the environment.
func secrets(file string, environ []string) ([][]byte, error) {
	name, secret := "--secret-file", ""
	if file == "" {
		name = EnvSecret + settings.FileSuffix
		file, secret = settings.Lookup(environ, name), settings.Lookup(environ, EnvSecret)
		if file != "" && secret != "" {
			return nil, fmt.Errorf("the secret is set by both %s and %s", EnvSecret, name)
		}
	}
	if file != "" {
		var err error
		if secret, err = settings.ReadSecret(file); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	var list [][]byte
	for _, s := range settings.SplitList(secret) {
		list = append(list, []byte(s))
	}
	return list, nil
}

// Text is the token in the argument, or on standard input if there is none or a
// dash.
func Text(args []string, stdin io.Reader) (string, error) {
	if len(args) == 1 && args[0] != "-" {
		return args[0], nil
	}
	const most = 1 << 20 // bytes that are read
	text, err := io.ReadAll(io.LimitReader(stdin, most))
	if err != nil {
		return "", fmt.Errorf("standard input: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// Check is what tokens are verified with.
type Check struct {
	auth.Config
	SecretFile    string
	PublicKeyFile string
}

// Open reads the keys. The verifier is the caller's to close.
func (c *Check) Open(environ []string) (*auth.Verifier, error) {
	if c.Leeway == 0 {
		return nil, errors.New("--leeway is 0s, want 1ms to 5m0s") // auth.Config takes 0 as its default
	}
	secrets, err := secrets(c.SecretFile, environ)
	if err != nil {
		return nil, err
	}
	c.Secrets = secrets
	if c.PublicKeyFile != "" {
		if c.PublicKeys, err = textfile.Read(c.PublicKeyFile); err != nil {
			return nil, fmt.Errorf("--public-key-file: %w", err)
		}
	}
	if c.Secrets == nil && c.PublicKeys == nil && c.JWKSURL == "" {
		return nil, errors.New("nothing to verify with: give --secret-file, " + EnvSecret + ", --public-key-file or --jwks-url")
	}
	c.Logger = slog.New(slog.DiscardHandler) // the outcome is the caller's to tell
	return auth.New(c.Config)
}

// Identity is whom a token is for, in the form that people read.
type Identity struct {
	User    string    `json:"user"`
	Name    string    `json:"name,omitempty"`
	Avatar  string    `json:"avatar,omitempty"`
	Rooms   []string  `json:"rooms"`
	Publish []string  `json:"pub"`
	Direct  []string  `json:"dm"`
	Serve   []string  `json:"serve,omitempty"`
	Seen    []string  `json:"seen,omitempty"`
	Hidden  bool      `json:"hidden,omitempty"`
	Device  string    `json:"device,omitempty"`
	Expires time.Time `json:"expires"`
}

// Verify tells whom a token is for, as a line of JSON, or why it is refused.
func (c *Check) Verify(ctx context.Context, v *auth.Verifier, token string) ([]byte, error) {
	id, err := v.Verify(ctx, token)
	if refused := refusal.Of(err); refused != nil {
		return nil, fmt.Errorf("%s: %w", refused.Code(), err)
	}
	out := Identity{
		User: id.User, Name: id.Name, Avatar: id.Avatar, Rooms: id.Rooms,
		Publish: append([]string{}, id.Publish...), Direct: append([]string{}, id.Direct...), // none is a list, too
		Serve: id.Serve,
		Seen:  id.Seen, Hidden: id.Hidden, Device: id.Device,
		Expires: id.Expires.Add(-c.Leeway).UTC(), // as the token says
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err = enc.Encode(out)
	return b.Bytes(), err
}
