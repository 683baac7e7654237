// Settings of a Verifier.

package auth

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"barrage/internal/limits"
	"barrage/internal/outbound"
)

// Config holds the settings of a Verifier. It is copied by New. The zero value
// of a field means its default. At least one of Secrets, PublicKeys and JWKSURL
// is required; tokens signed with any of their keys are good.
type Config struct {
	Secrets    [][]byte // for HS256, of at least 32 bytes each, at most 4: a token is tried with all of them
	PublicKeys []byte   // PEM, one or more keys: RSA, ECDSA on P-256, Ed25519

	// JWKSURL is where the issuer publishes its keys: https, or http where
	// the way to the issuer is trusted. Redirects are not followed.
	JWKSURL         string
	JWKSInterval    time.Duration     // between readings of the key set (default 5m)
	JWKSMinInterval time.Duration     // at least, between readings for the sake of a token's unknown key; after a failure the next try is so late too, then later (default 10s)
	JWKSTimeout     time.Duration     // of one reading (default 5s)
	JWKSBytes       int               // longest key set (default 256 KiB)
	Transport       http.RoundTripper // for the key set (default package outbound's)

	Algorithms []string // that are accepted: HS256, RS256, ES256, EdDSA, also called Ed25519 (default those that the keys can verify)
	Audience   string   // that aud must hold; "": aud is not looked at
	Issuer     string   // that iss must be; "": iss is not looked at
	UserClaim  string   // that has the user (default sub)

	Leeway   time.Duration // for clocks that differ (default 30s, at most 5m)
	MaxToken int           // longest token in bytes (default 8 KiB)

	Logger *slog.Logger     // for key sets that cannot be read (default slog.Default())
	Now    func() time.Time // default time.Now

	after func(time.Duration) <-chan time.Time // time.After, but for tests
}

func (c Config) withDefaults() (Config, error) {
	c.JWKSInterval = cmp.Or(c.JWKSInterval, 5*time.Minute)
	c.JWKSMinInterval = cmp.Or(c.JWKSMinInterval, 10*time.Second)
	c.JWKSTimeout = cmp.Or(c.JWKSTimeout, 5*time.Second)
	c.JWKSBytes = cmp.Or(c.JWKSBytes, 256<<10)
	c.UserClaim = cmp.Or(c.UserClaim, defaultUserClaim)
	c.Leeway = cmp.Or(c.Leeway, 30*time.Second)
	c.MaxToken = cmp.Or(c.MaxToken, 8<<10)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	if c.Transport == nil {
		c.Transport = outbound.Transport(0) // so that no connection outlives the Verifier
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.after == nil {
		c.after = time.After
	}
	return c, c.check()
}

func (c *Config) check() error {
	return errors.Join(
		checkURL(c.JWKSURL),
		checkUserClaim(c.UserClaim),
		limits.Within("auth: JWKSInterval", c.JWKSInterval, time.Second, 24*time.Hour),
		limits.Within("auth: JWKSMinInterval", c.JWKSMinInterval, time.Second, time.Hour),
		limits.Within("auth: JWKSTimeout", c.JWKSTimeout, 10*time.Millisecond, time.Minute),
		limits.Within("auth: JWKSBytes", c.JWKSBytes, 1<<10, 16<<20),
		limits.Within("auth: Leeway", c.Leeway, time.Millisecond, 5*time.Minute),
		limits.Within("auth: MaxToken", c.MaxToken, 256, 64<<10),
	)
}

func checkUserClaim(claim string) error {
	if slices.Contains([]string{"exp", "nbf", "iat", "aud", "iss", "name", "avatar", "rooms", "pub", "dm", "serve", "seen", "hidden", "device"}, claim) {
		return fmt.Errorf("auth: UserClaim is %s, which has another meaning", claim)
	}
	return nil
}

func checkURL(s string) error {
	if s == "" {
		return nil
	}
	if u, err := url.Parse(s); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil {
		// The URL itself is not shown: its query may hold a key.
		return errors.New("auth: JWKSURL is not an https or http URL with a host and without a user")
	} else if n, err := strconv.ParseUint(cmp.Or(u.Port(), "443"), 10, 16); err != nil || n == 0 {
		return errors.New("auth: JWKSURL has a port that is not 1 to 65535")
	}
	return nil
}

// keys makes keys of Secrets and PublicKeys.
func (c *Config) keys() ([]key, error) {
	var keys []key
	var errs []error
	if len(c.Secrets) > maxSecrets {
		errs = append(errs, fmt.Errorf("auth: Secrets: there are %d, want at most %d", len(c.Secrets), maxSecrets))
	}
	for i, s := range c.Secrets {
		if len(s) < minSecret {
			errs = append(errs, fmt.Errorf("auth: Secrets[%d] has %d bytes, want at least %d", i, len(s), minSecret))
		}
		keys = append(keys, key{alg: HS256, public: bytes.Clone(s)})
	}
	if len(c.PublicKeys) > 0 {
		public, err := publicKeys(c.PublicKeys)
		if err != nil {
			errs = append(errs, fmt.Errorf("auth: PublicKeys: %w", err))
		}
		keys = append(keys, public...)
	}
	if len(keys) == 0 && len(errs) == 0 && c.JWKSURL == "" {
		errs = append(errs, errors.New("auth: Secrets, PublicKeys and JWKSURL are all empty, want at least one"))
	}
	return keys, errors.Join(errs...)
}

// algorithms is the list of those accepted, in which each has a key that could
// verify it.
func (c *Config) algorithms(keys []key) ([]string, error) {
	var possible []string
	for _, k := range keys {
		possible = append(possible, k.alg)
	}
	if c.JWKSURL != "" {
		possible = append(possible, RS256, ES256, EdDSA)
	}
	slices.Sort(possible)
	possible = slices.Compact(possible)
	if len(c.Algorithms) == 0 {
		return possible, nil
	}
	var wanted []string
	var errs []error
	for i, name := range c.Algorithms {
		alg := synonym(name)
		switch {
		case !slices.Contains([]string{HS256, RS256, ES256, EdDSA}, alg):
			errs = append(errs, fmt.Errorf("auth: Algorithms[%d] is %q, want HS256, RS256, ES256 or EdDSA", i, name))
		case !slices.Contains(possible, alg):
			errs = append(errs, fmt.Errorf("auth: Algorithms[%d] is %s, which no key given can verify", i, name))
		}
		wanted = append(wanted, alg)
	}
	return wanted, errors.Join(errs...)
}
