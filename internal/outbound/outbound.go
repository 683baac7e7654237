// Package outbound is how the server reaches other programs over HTTP: backends that
// are told and asked, and the issuer of tokens. All go the same way, with the same
// proxies and bounds.
package outbound

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"time"
)

const (
	connectTimeout = 5 * time.Second // to a host, and again for TLS

	// idleTimeout is how long a connection is kept that has nothing to do. It is
	// shorter than what common servers keep theirs for (gunicorn 2 s; Node, uvicorn,
	// Apache 5 s; nginx 75 s): a request that is sent just as its server closes gets no
	// answer.
	idleTimeout = 1500 * time.Millisecond

	maxResponseHeader = 64 << 10
)

// Transport is a new one, with the proxies of HTTP_PROXY, HTTPS_PROXY and NO_PROXY. It
// keeps up to idle connections to each host; with none, each request has its own.
func Transport(idle int) *http.Transport {
	return &http.Transport{
		Proxy:                  proxy,
		DialContext:            (&net.Dialer{Timeout: connectTimeout}).DialContext,
		TLSHandshakeTimeout:    connectTimeout,
		ForceAttemptHTTP2:      true,
		DisableKeepAlives:      idle == 0,
		MaxIdleConns:           2 * idle,
		MaxIdleConnsPerHost:    idle,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxResponseHeader,
		// So that a bound on the body is one on the work, too.
		DisableCompression: true,
	}
}

// proxy is the one that the environment names. The error of what is no URL would show it.
func proxy(r *http.Request) (*url.URL, error) {
	u, err := http.ProxyFromEnvironment(r)
	if err != nil {
		return nil, errors.New("HTTP_PROXY or HTTPS_PROXY is not a URL (not shown: it may hold a password)")
	}
	return u, nil
}

// Cause is what an http.Client's error says behind the URL, whose query may hold a
// secret.
func Cause(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// Redacted is a URL for the log: without user, password, query and fragment.
func Redacted(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "(not a URL)"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String()
}
