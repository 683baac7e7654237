// Package auth answers whose a connection is and what it may do. It verifies JSON
// Web Tokens (RFC 7519) and makes an [Identity] of each; [Sign] is the other
// side, for the command line, tests and backends in Go.
//
// # Which tokens
//
// HS256 with a shared secret; RS256, ES256 and EdDSA (or Ed25519, which is the same
// here) with public keys that are fixed (PEM) or published by the issuer as a key set
// (JWKS, RFC 7517). A key
// verifies one algorithm, the one of its type, whatever a token says: neither
// "none" nor HS256 with a public key as the secret passes. An expiry is always
// required; audience and issuer are where they are set. Of a token's header only
// alg and kid count, and kid is only ever compared: no URL or path (jku, x5u) is
// taken from it. Extensions (crit) are refused, as there are none we understand.
//
//	sub     user, as broker.UserID wants it, so that user:ID is a room's name;
//	        required. Config.UserClaim may name another claim for it, which may
//	        be a whole number, too
//	exp     expiry, in seconds since 1970; required. nbf is respected, iat is not
//	aud     string or list of strings; iss: string
//	name    nickname, up to 128 bytes without control characters
//	avatar  https URL of up to 1024 bytes
//	rooms   list of 1 to 64 patterns, in which * stands for any bytes; without it,
//	        any room
//	pub     true, false (subscribe only) or a list of patterns; without it, true
//	dm      list of patterns of the users it may write to, none if that is empty;
//	        without it, any user
//
// A claim of these that is there must have its type: null is none of them, but of name
// and avatar it is as good as nothing. Other claims are ignored.
//
// # Rights
//
// The room user:X is for user X alone to join, whatever the patterns say, and for
// all to send to whose pub allows it, and whose dm names X. Other rooms must match rooms to be joined,
// and rooms as well as pub to be published to.
//
// # Keys that come and go
//
// With a JWKS URL a goroutine reads the key set at once, then at an interval, and
// also when a token names a key that the set lacks, but for that at most once in
// JWKSMinInterval, however many such tokens come. What was read last stays in use
// while the endpoint is down, slow or talks nonsense. Tokens without kid are
// tried with the keys of their algorithm; they never make the set be read. A
// token whose kid is unknown is token_invalid if the set was read without fault
// the last time, and keys_unavailable if it was not. Keys of the set that are of no
// use here are passed over, and the log says why, once for each.
//
// Limits: there is no list of revoked tokens (short expiries are the means), and
// a key that leaves the set is trusted until the set is read again.
//
// # Ownership
//
// A [Verifier]'s methods may be called from any goroutine. [Verifier.TryVerify]
// never blocks: it is for event loops. [Verifier.Verify] blocks only while it
// waits for the key set, until its context ends at the latest. [Verifier.Close]
// ends the goroutine and waits for it. An [Identity] belongs to its holder, but
// the patterns in it are shared and not to be changed.
package auth
