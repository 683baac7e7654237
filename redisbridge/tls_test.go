package redisbridge

// Redis over TLS, with certificates that the test makes.

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"barrage/internal/redistest"
)

// An authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

// certificates are the files of one certificate.
type certificates struct{ ca, cert, key string }

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{file: filepath.Join(t.TempDir(), "ca.pem")}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority of a test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.key = newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	writePEM(t, a.file, "CERTIFICATE", der)
	return a
}

// sign makes a certificate of a host, which is a name or an address.
func (a *authority) sign(t *testing.T, host string) *certificates {
	t.Helper()
	dir := t.TempDir()
	c := &certificates{a.file, filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: a.cert.NotBefore, NotAfter: a.cert.NotAfter,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	key := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, c.cert, "CERTIFICATE", der)
	if der, err = x509.MarshalPKCS8PrivateKey(key); err != nil {
		t.Fatal(err)
	}
	writePEM(t, c.key, "PRIVATE KEY", der)
	return c
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func writePEM(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// args has Redis speak TLS on a port, also with its like. By its own default it
// wants a certificate of its clients, too.
func (c *certificates) args(port int) []string {
	return []string{"--tls-port", fmt.Sprint(port), "--tls-ca-cert-file", c.ca, "--tls-cert-file", c.cert,
		"--tls-key-file", c.key, "--tls-replication", "yes", "--tls-cluster", "yes"}
}

// conf is the same for a configuration file.
func (c *certificates) conf(port int) (text string) {
	args := c.args(port)
	for i := 0; i < len(args); i += 2 {
		text += strings.TrimPrefix(args[i], "--") + " " + args[i+1] + "\n"
	}
	return text
}

// query is the part of a URL that names the files.
func (c *certificates) query() string {
	return "?" + url.Values{"tls_ca_file": {c.ca}, "tls_cert_file": {c.cert}, "tls_key_file": {c.key}}.Encode()
}

// startSecure is startRedis with a second port, for TLS, unless certs is nil.
func startSecure(t *testing.T, certs *certificates, args ...string) *server {
	t.Helper()
	if certs == nil {
		return startRedis(t, args...)
	}
	port := redistest.FreePort(t)
	s := startRedis(t, append(certs.args(port), args...)...)
	s.secure = port
	return s
}

func (s *server) secureAddr(host string) string { return net.JoinHostPort(host, fmt.Sprint(s.secure)) }

func TestTLS(t *testing.T) {
	a := newAuthority(t)
	certs := a.sign(t, "127.0.0.1")
	s := startSecure(t, certs)
	at := "rediss://" + s.secureAddr("127.0.0.1")

	t.Run("storm", func(t *testing.T) {
		st := startStorm(t, kept(calmConfig(at+certs.query()), plenty), 2, true)
		for range 3 {
			st.flow()
			for _, kind := range []string{"pubsub", "normal"} {
				if err := s.ClientKillByFilter(context.Background(), "TYPE", kind, "SKIPME", "yes").Err(); err != nil {
					t.Fatal(err)
				}
			}
		}
		st.flow()
		st.finish(noGaps)
	})
	for _, tt := range []struct{ name, url, want string }{
		{"an authority that nobody knows", at, "x509: certificate signed by unknown authority"},
		{"another authority", at + newAuthority(t).sign(t, "127.0.0.1").query(), "x509: certificate signed by unknown authority"},
		{"no certificate of our own", at + "?tls_ca_file=" + certs.ca, "certificate required"},
		{"another host's certificate", "rediss://" + s.secureAddr("localhost") + certs.query(), "match localhost"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNode(t, hastyConfig(tt.url))
			eventually(t, "Err says "+tt.want, func() bool { return n.Err() != nil && strings.Contains(n.Err().Error(), tt.want) })
		})
	}
	t.Run("renewed", func(t *testing.T) {
		mine := a.sign(t, "anybody")
		n := healthyNode(t, hastyConfig(at+mine.query()), "a")
		next := a.sign(t, "anybody")
		for from, to := range map[string]string{next.cert: mine.cert, next.key: mine.key} {
			if err := os.Rename(from, to); err != nil {
				t.Fatal(err)
			}
		}
		s.Kill()
		n.waitDown()
		s.Restart()
		n.waitUp()
	})
}

// The sentinels are asked over TLS, too. Each host proves its own name.
func TestSentinelTLS(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	data := a.sign(t, "127.0.0.1")
	set := startSentinels(t, data, a.sign(t, "localhost"))
	var hosts []string
	for _, s := range set.list {
		hosts = append(hosts, s.secureAddr("localhost"))
	}
	st := startStorm(t, kept(steadyConfig("rediss+sentinel://"+strings.Join(hosts, ",")+"/main"+data.query()), plenty), 2, true)
	st.flow()
	set.master.Kill()
	set.failover()
	st.masterLost()
	st.flow()
	st.finish(maybeGaps)
}

// Both kinds of connections, to masters that Redis tells by their addresses.
func TestClusterTLS(t *testing.T) {
	t.Parallel()
	certs := newAuthority(t).sign(t, "127.0.0.1")
	c := startRedisCluster(t, certs)
	cfg := kept(steadyConfig("rediss+cluster://"+c.nodes[0].secureAddr("127.0.0.1")+certs.query()), plenty)
	cfg.Sharded = true
	st := startStorm(t, cfg, 2, true)
	st.flow()
	owner := c.owner("a")
	c.handOver(owner + clusterMasters)
	st.flow()
	st.finish(noGaps)
}

func TestBadFilesForTLS(t *testing.T) {
	certs := newAuthority(t).sign(t, "h")
	for _, tt := range []struct{ name, url, want string }{
		{"no TLS", "redis://h" + certs.query(), "are for rediss://"},
		{"no file", "rediss://u:secret@h?tls_ca_file=/nowhere", "tls_ca_file: no such file"},
		{"no certificate", "rediss://h?tls_ca_file=" + certs.key, "tls_ca_file: there is no certificate in it"},
		{"no key", "rediss+cluster://h:1?tls_cert_file=" + certs.cert, "tls_cert_file, tls_key_file: no such file"},
		{"a key that is none", "rediss+sentinel://h:1/main?tls_cert_file=" + certs.cert + "&tls_key_file=" + certs.cert, "tls_cert_file, tls_key_file: tls:"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := validConfig()
			cfg.URL = tt.url
			if _, err := New(cfg, (*receiver)(&node{})); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// TestMarkedFiles: a byte order mark is no part of a certificate or key.
func TestMarkedFiles(t *testing.T) {
	t.Parallel()
	certs := newAuthority(t).sign(t, "127.0.0.1")
	for _, file := range []string{certs.ca, certs.cert, certs.key} {
		text, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(file, append([]byte("\ufeff"), text...), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	cfg := validConfig()
	cfg.URL = "rediss://127.0.0.1:1" + certs.query()
	if _, err := parseAddress(&cfg); err != nil {
		t.Error(err)
	}
}
