package redisbridge

// TLS to Redis: the files of certificates that the URL names.

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"

	"github.com/redis/go-redis/v9"

	"barrage/internal/textfile"
)

// tlsFiles are the files in PEM that the URL names: who signed the servers'
// certificates, if not one whom the system trusts, and our own certificate.
type tlsFiles struct{ ca, cert, key string }

// takeFiles takes them out of the URL, since go-redis refuses what it does not
// know.
func takeFiles(text string) (rest string, f tlsFiles, err error) {
	rest, query, found := strings.Cut(text, "?")
	if !found {
		return text, f, nil
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return "", f, wrongURL(err)
	}
	for name, to := range map[string]*string{"tls_ca_file": &f.ca, "tls_cert_file": &f.cert, "tls_key_file": &f.key} {
		*to = values.Get(name)
		values.Del(name)
	}
	if len(values) > 0 {
		rest += "?" + values.Encode()
	}
	return rest, f, nil
}

// apply completes the options of connections.
func (f *tlsFiles) apply(opts ...*redis.Options) error {
	if *f == (tlsFiles{}) {
		return nil
	}
	roots, err := f.roots()
	if err != nil {
		return fmt.Errorf("tls_ca_file: %w", err)
	}
	own, err := f.own()
	if err != nil {
		return fmt.Errorf("tls_cert_file, tls_key_file: %w", err)
	}
	for _, opt := range opts {
		if opt == nil {
			continue
		}
		if opt.TLSConfig == nil {
			return errors.New("tls_ca_file, tls_cert_file and tls_key_file are for rediss://, rediss+sentinel:// and rediss+cluster://")
		}
		opt.TLSConfig.RootCAs, opt.TLSConfig.GetClientCertificate = roots, own
	}
	return nil
}

// roots is nil for the system's.
func (f *tlsFiles) roots() (*x509.CertPool, error) {
	if f.ca == "" {
		return nil, nil
	}
	text, err := readNamed(f.ca)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, errors.New("there is no certificate in it")
	}
	return pool, nil
}

// readNamed reads a file that the URL names. The error leaves the name out: it is a part of
// the URL.
func readNamed(name string) ([]byte, error) {
	text, err := textfile.Read(name)
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		err = p.Err
	}
	return text, err
}

// own reads our certificate for every connection, so that it can be renewed in
// place. A first look tells whether it can be read at all.
func (f *tlsFiles) own() (func(*tls.CertificateRequestInfo) (*tls.Certificate, error), error) {
	if f.cert == "" && f.key == "" {
		return nil, nil
	}
	read := func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		cert, err := readNamed(f.cert)
		if err != nil {
			return nil, err
		}
		key, err := readNamed(f.key)
		if err != nil {
			return nil, err
		}
		pair, err := tls.X509KeyPair(cert, key)
		return &pair, err
	}
	_, err := read(nil)
	return read, err
}
