package client

import "testing"

func TestDialable(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1:1": "127.0.0.1:1", ":1": "127.0.0.1:1", "0.0.0.0:1": "127.0.0.1:1", "[::]:1": "[::1]:1", "host:1": "host:1", "odd": "odd",
	} {
		if got := dialable(addr); got != want {
			t.Errorf("%q is dialled at %q, want %q", addr, got, want)
		}
	}
}
