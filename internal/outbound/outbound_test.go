package outbound

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
)

func TestRedacted(t *testing.T) {
	for text, want := range map[string]string{
		"http://ann:pass@host:8080/a/b?key=secret#top": "http://host:8080/a/b",
		"https://token@host/hook":                      "https://host/hook",
		"https://host/a%2Fb?x":                         "https://host/a%2Fb",
		"https://host":                                 "https://host",
		"https://[::1]:443/x?y":                        "https://[::1]:443/x",
		"http://ann:pa%ss@host/?secret":                "(not a URL)",
		"http:ann:pass@host?secret":                    "http:",
	} {
		if got := Redacted(text); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

// TestCause: the text of a client's error has the URL, and its cause has not.
func TestCause(t *testing.T) {
	_, err := (&http.Client{Transport: failing{}}).Get("http://host/?key=secret")
	if got := Cause(fmt.Errorf("asking: %w", err)); !errors.Is(got, io.ErrUnexpectedEOF) || got.Error() != io.ErrUnexpectedEOF.Error() {
		t.Errorf("got %v", got)
	}
	if got := Cause(io.EOF); got != io.EOF {
		t.Errorf("got %v", got)
	}
}

// TestIdle: no connection is kept as long as the servers that keep theirs for the
// shortest time (gunicorn, 2 s), or where none is to be kept.
func TestIdle(t *testing.T) {
	if d := Transport(1).IdleConnTimeout; d <= 0 || d >= 2*time.Second {
		t.Errorf("idle for %v", d)
	}
	if !Transport(0).DisableKeepAlives {
		t.Error("idle connections are kept")
	}
}

type failing struct{}

func (failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }
