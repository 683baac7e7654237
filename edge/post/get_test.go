package post_test

import (
	"testing"

	"barrage/edge"
	"barrage/edge/auth/keyring"
	"barrage/edge/edgetest"
	"barrage/frame"
)

// TestPush: a key that says so publishes by GET, and nothing else does.
func TestPush(t *testing.T) {
	t.Parallel()
	get, common := keyring.Make(), keyring.Make()
	s := edgetest.Start(t, func(c *edge.Config) {
		ring, err := keyring.New(keyring.Entries{
			{Name: "device", Hash: keyring.Hash(get), Rooms: []string{"shop:*"}, Publish: true, Get: true},
			{Name: "common", Hash: keyring.Hash(common), Rooms: []string{"shop:*"}, Publish: true, Subscribe: true},
		})
		edgetest.Must(t, err)
		c.Keys = ring
	})
	viewer := edgetest.Join(t, s, "/ws?room=shop:1&token="+common)
	ask := func(method, query string, headers string) int {
		c := dial(t, s)
		c.send(method + " /push?" + query + " HTTP/1.1\r\nHost: example.com\r\n" + headers + "\r\n")
		a := c.answer()
		if a.StatusCode == 200 && (a.MessageID == "" || a.Header.Get("Cache-Control") != "no-store") {
			t.Errorf("%s: answered with %+v", query, a)
		}
		return a.StatusCode
	}
	for _, tc := range []struct {
		method, query, headers string
		status                 int
	}{
		{"GET", "key=" + get + "&room=shop:1&text=refresh", "", 200},
		{"GET", "key=" + get + "&room=shop:1&text=a", "Sec-Purpose: prefetch;prerender\r\n", 403},
		{"GET", "key=" + get + "&room=shop:1&text=a", "Purpose: prefetch\r\n", 403},
		{"GET", "key=" + get + "&room=other&text=a", "", 403},
		{"GET", "key=" + get + "&room=shop:1", "", 400},
		{"GET", "key=" + get + "&text=a", "", 400},
		{"GET", "key=" + get + "&room=shop:1&text=%ff", "", 400},
		{"GET", "key=" + common + "&room=shop:1&text=a", "", 403},
		{"GET", "key=" + get + "&token=" + common + "&room=shop:1&text=a", "", 400},
		{"GET", "key=wrong&room=shop:1&text=a", "", 401},
		{"GET", "room=shop:1&text=a", "", 401},
		{"POST", "key=" + get + "&room=shop:1&text=a", "Content-Length: 0\r\n", 405},
		{"GET", "room=shop:1&text=again", "Authorization: Bearer " + get + "\r\n", 200},
	} {
		if got := ask(tc.method, tc.query, tc.headers); got != tc.status {
			t.Errorf("%s %s %s: %d, want %d", tc.method, tc.query, tc.headers, got, tc.status)
		}
	}
	viewer.Want(frame.Text, "refresh")
	viewer.Want(frame.Text, "again")
}
