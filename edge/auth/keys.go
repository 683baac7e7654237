// Keys, each bound to the one algorithm of its type.

package auth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// The algorithms (RFC 7518 section 3.1, RFC 8037 section 3.1).
const (
	HS256 = "HS256"
	RS256 = "RS256"
	ES256 = "ES256"
	EdDSA = "EdDSA"
)

// ed25519Name is EdDSA with Ed25519 keys by its newer name (RFC 9864). There is no other
// EdDSA here, so that the two mean the same.
const ed25519Name = "Ed25519"

// synonym is the name by which an algorithm is known here.
func synonym(alg string) string {
	if alg == ed25519Name {
		return EdDSA
	}
	return alg
}

const (
	minSecret  = 32 // bytes: RFC 7518 section 3.2
	maxSecrets = 4  // the work of a verification is bounded
	minRSA     = 2048
	maxRSA     = 8192 // bits: as for maxSecrets
)

// byteOrderMark may begin a text that comes from some editor or platform.
var byteOrderMark = []byte("\ufeff")

// key verifies signatures of one algorithm. It is immutable.
type key struct {
	id     string // kid; "" if it has none
	alg    string
	public any // []byte of HS256, else the public key
}

// algorithm is the one that a public key verifies.
func algorithm(public crypto.PublicKey) (string, error) {
	switch k := public.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < minRSA || bits > maxRSA {
			return "", fmt.Errorf("an RSA key of %d bits, want %d to %d", bits, minRSA, maxRSA)
		}
		// It refuses numbers that make no key, but only when it is to verify something.
		err := rsa.VerifyPKCS1v15(k, crypto.SHA256, make([]byte, crypto.SHA256.Size()), make([]byte, k.Size()))
		if !errors.Is(err, rsa.ErrVerification) {
			return "", fmt.Errorf("an RSA key that verifies nothing: %w", err)
		}
		return RS256, nil
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() {
			return "", fmt.Errorf("an ECDSA key on the curve %s, want P-256", k.Curve.Params().Name)
		}
		return ES256, nil
	case ed25519.PublicKey:
		return EdDSA, nil
	}
	return "", fmt.Errorf("a key of type %T, want RSA, ECDSA or Ed25519", public)
}

// publicKeys parses PEM with one or more public keys.
func publicKeys(text []byte) ([]key, error) {
	var keys []key
	text = bytes.TrimPrefix(text, byteOrderMark)
	// A block that is cut short or mistyped is no block to encoding/pem: it must
	// not be passed over.
	begun := bytes.Count(text, []byte("-----BEGIN "))
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		public, err := publicKey(block)
		if err != nil {
			return nil, err
		}
		alg, err := algorithm(public)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key{alg: alg, public: public})
	}
	if len(keys) == 0 || len(keys) != begun {
		return nil, fmt.Errorf("%d PEM blocks begin, %d can be read", begun, len(keys))
	}
	return keys, nil
}

func publicKey(block *pem.Block) (crypto.PublicKey, error) {
	switch block.Type {
	case "PUBLIC KEY":
		return x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		return x509.ParsePKCS1PublicKey(block.Bytes)
	}
	return nil, fmt.Errorf("a PEM block %q, want PUBLIC KEY", block.Type)
}

// SigningKey is what tokens are signed with. The zero SigningKey is none.
type SigningKey struct {
	ID     string // kid of the tokens; "" leaves it out
	alg    string
	secret any // []byte of HS256, else the private key
}

// SecretKey makes a key for HS256 of a shared secret of at least 32 bytes.
func SecretKey(secret []byte) (SigningKey, error) {
	if len(secret) < minSecret {
		return SigningKey{}, fmt.Errorf("auth: secret has %d bytes, want at least %d", len(secret), minSecret)
	}
	return SigningKey{alg: HS256, secret: bytes.Clone(secret)}, nil
}

// PrivateKey makes a key of the first private key in a PEM text: RSA (RS256),
// ECDSA on P-256 (ES256) or Ed25519 (EdDSA).
func PrivateKey(text []byte) (SigningKey, error) {
	block, rest := pem.Decode(bytes.TrimPrefix(text, byteOrderMark))
	for block != nil && block.Type == "EC PARAMETERS" { // openssl ecparam -genkey writes them first
		block, rest = pem.Decode(rest)
	}
	if block == nil {
		return SigningKey{}, errors.New("auth: private key: not PEM")
	}
	private, err := privateKey(block)
	if err != nil {
		return SigningKey{}, fmt.Errorf("auth: private key: %w", err)
	}
	alg, err := algorithm(private.Public())
	if err != nil {
		return SigningKey{}, fmt.Errorf("auth: private key: %w", err)
	}
	return SigningKey{alg: alg, secret: private}, nil
}

func privateKey(block *pem.Block) (crypto.Signer, error) {
	switch block.Type {
	case "RSA PRIVATE KEY":
		return x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		return x509.ParseECPrivateKey(block.Bytes)
	case "PRIVATE KEY":
		k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil, err
		}
		signer, ok := k.(crypto.Signer)
		if !ok {
			return nil, fmt.Errorf("a key of type %T cannot sign", k)
		}
		return signer, nil
	}
	return nil, fmt.Errorf("a PEM block %q, want PRIVATE KEY, without a passphrase", block.Type)
}
