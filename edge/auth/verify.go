// The Verifier: from a token to an Identity.

package auth

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// maxTries bounds the work that a token without kid can cause.
const maxTries = 8

// Verifier verifies tokens. Its methods may be called from any goroutine.
type Verifier struct {
	parser   *jwt.Parser
	fixed    []key
	remote   *remote // nil without JWKSURL
	user     string  // the claim that has the user
	leeway   time.Duration
	maxToken int
	all      Patterns // shared by all identities that may do all
}

// New makes a Verifier, which must be closed. It does not wait for the key set.
// The error joins all problems, each naming its field.
func New(cfg Config) (*Verifier, error) {
	cfg, err := cfg.withDefaults()
	fixed, keyErr := cfg.keys()
	err = errors.Join(err, keyErr)
	var algorithms []string
	if keyErr == nil {
		var algErr error
		algorithms, algErr = cfg.algorithms(fixed)
		err = errors.Join(err, algErr)
	}
	if err != nil {
		return nil, err
	}
	jwt.RegisterSigningMethod(ed25519Name, func() jwt.SigningMethod { return ed25519Method{jwt.SigningMethodEdDSA} })
	if slices.Contains(algorithms, EdDSA) {
		algorithms = append(algorithms, ed25519Name)
	}
	options := []jwt.ParserOption{
		jwt.WithValidMethods(algorithms), jwt.WithExpirationRequired(), jwt.WithStrictDecoding(),
		jwt.WithLeeway(cfg.Leeway), jwt.WithTimeFunc(cfg.Now), jwt.WithIssuer(cfg.Issuer),
	}
	if cfg.Audience != "" {
		options = append(options, jwt.WithAudience(cfg.Audience))
	}
	v := &Verifier{
		parser: jwt.NewParser(options...), fixed: fixed,
		user: cfg.UserClaim, leeway: cfg.Leeway, maxToken: cfg.MaxToken, all: Patterns{"*"},
	}
	if cfg.JWKSURL != "" {
		v.remote = newRemote(&cfg)
	}
	return v, nil
}

// ed25519Method is what the jwt package has no name for.
type ed25519Method struct{ *jwt.SigningMethodEd25519 }

// Alg implements jwt.SigningMethod.
func (ed25519Method) Alg() string { return ed25519Name }

// Close ends what New started and waits for it. Tokens are verified with the
// keys at hand after it.
func (v *Verifier) Close() {
	if v.remote != nil {
		v.remote.close()
	}
}

// Readings counts those of the key set, good and failed; without one there are none.
func (v *Verifier) Readings() (good, failed uint64) {
	if v.remote == nil {
		return 0, 0
	}
	v.remote.mu.Lock()
	defer v.remote.mu.Unlock()
	return v.remote.good, v.remote.failed
}

// Verify returns the identity that a token stands for, or a refusal. It waits for
// the key set, until ctx ends at the latest, only if the token names a key that
// is not at hand.
func (v *Verifier) Verify(ctx context.Context, token string) (Identity, error) {
	good, failed := v.Readings()
	id, keyMissing, err := v.check(token)
	if !keyMissing {
		return id, err
	}
	if waitErr := v.remote.refresh(ctx, good+failed); waitErr != nil {
		return Identity{}, unavailable(waitErr)
	}
	if id, keyMissing, err = v.check(token); keyMissing {
		err = v.remote.verdict(err)
	}
	return id, err
}

// TryVerify is Verify for event loops: it never waits. done is false if only
// Verify can tell, as the token names a key that is not at hand and the key set
// may be read for it.
func (v *Verifier) TryVerify(token string) (id Identity, done bool, err error) {
	id, keyMissing, err := v.check(token)
	if !keyMissing {
		return id, true, err
	}
	if v.remote.mayRefresh() {
		return Identity{}, false, nil
	}
	return Identity{}, true, v.remote.verdict(err)
}

// check judges a token by the keys at hand. keyMissing: it failed and names a key that
// the key set lacks, so that reading the set may change the verdict.
func (v *Verifier) check(token string) (id Identity, keyMissing bool, err error) {
	if len(token) > v.maxToken {
		return Identity{}, false, refuse(CodeTooLong, "the token has %d bytes, want at most %d", len(token), v.maxToken)
	}
	var claims payload
	_, err = v.parser.ParseWithClaims(token, &claims, func(t *jwt.Token) (any, error) {
		keys, unknown, err := v.keysFor(t)
		keyMissing = unknown
		return jwt.VerificationKeySet{Keys: keys}, err
	})
	if err != nil {
		// A good signature by a fixed key settles whose token it is.
		keyMissing = keyMissing && (errors.Is(err, jwt.ErrTokenSignatureInvalid) || errors.Is(err, errNoKey))
		return Identity{}, keyMissing, fromJWT(err)
	}
	if id, err = claims.identity(v.user, v.all); err != nil {
		return Identity{}, false, err
	}
	exp, err := claims.GetExpirationTime()
	if err != nil {
		return Identity{}, false, err
	}
	id.Expires = exp.Add(v.leeway)
	return id, false, nil
}

// keysFor returns the keys that may have signed a token: of its algorithm, and of
// the key set only those it names, or all if it names none.
func (v *Verifier) keysFor(t *jwt.Token) (keys []jwt.VerificationKey, keyMissing bool, err error) {
	if _, ok := t.Header["crit"]; ok { // RFC 7515 section 4.1.11
		return nil, false, invalid("the token wants extensions (crit) that are not known here")
	}
	kid, ok := t.Header["kid"].(string)
	if _, there := t.Header["kid"]; there && !ok {
		return nil, false, invalid("the token's kid is not a string")
	}
	alg := synonym(t.Method.Alg())
	for i := range v.fixed {
		if v.fixed[i].alg == alg {
			keys = append(keys, v.fixed[i].public)
		}
	}
	if v.remote != nil && alg != HS256 {
		set, loaded := v.remote.keys()
		keyMissing = !loaded || kid != "" && !slices.ContainsFunc(set, func(k key) bool { return k.id == kid })
		tries := 0
		for i := range set {
			if set[i].alg == alg && (kid == "" || set[i].id == kid) {
				keys = append(keys, set[i].public)
				tries++
			}
		}
		if tries > maxTries {
			return nil, false, invalid("the token's kid is missing or shared by more than %d keys", maxTries)
		}
	}
	if len(keys) == 0 {
		return nil, keyMissing, errNoKey
	}
	return keys, keyMissing, nil
}
