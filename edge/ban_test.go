package edge_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"barrage/edge/conn"
	"barrage/edge/edgetest"
	"barrage/edge/proxy"
	"barrage/frame"
	"barrage/internal/refusal"
)

// TestAddressBans: who comes from a banned network is put out and kept out, with a token or
// without, by the address that a proxy says; nobody else is.
func TestAddressBans(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := edgetest.Start(t, behindProxies(proxy.Config{Header: proxy.XForwardedFor}))
	raw := func(address, headers string) (*edgetest.Viewer, int) {
		c, resp := edgetest.ShakeOn(t, from(t, s, address), edgetest.UpgradeRequest("/ws?room=a", headers))
		return c, resp.StatusCode
	}
	const proxys = "127.0.0.1"
	far, _ := raw(proxys, "X-Forwarded-For: 203.0.113.9\r\n")
	six, _ := raw(proxys, "X-Forwarded-For: 2001:db8::9\r\n")
	near, _ := raw("127.0.0.7", "")
	other, _ := raw("127.0.0.8", "")
	unknown, _ := raw(proxys, "")
	edgetest.WaitMembers(t, s, "a", 5)

	for address, network := range map[string]string{
		"203.0.113.77/24": "203.0.113.0/24", "2001:db8::1": "2001:db8::/64", "127.0.0.7": "127.0.0.7/32", proxys: "127.0.0.1/32",
	} {
		ban, err := s.Moderation.BanAddress(ctx, address, "flood", time.Hour)
		if left := time.Until(ban.Until); err != nil || ban.Address != network || left < 59*time.Minute || left > time.Hour {
			t.Errorf("%s: %+v, %v; want %s", address, ban, err, network)
		}
	}
	for _, c := range []*edgetest.Viewer{far, six, near} {
		c.WantClose(conn.CodeKicked)
	}
	edgetest.WaitMembers(t, s, "a", 2)
	for _, x := range []struct {
		address, headers string
		status           int
	}{
		{proxys, "X-Forwarded-For: 203.0.113.200\r\n", 403},
		{proxys, "X-Forwarded-For: 2001:db8::ffff\r\n", 403},
		{proxys, "X-Forwarded-For: 2001:db8:0:1::\r\n", 101},
		{proxys, "X-Forwarded-For: 203.0.112.9\r\n", 101},
		{proxys, "X-Forwarded-For: ::ffff:203.0.113.9\r\n", 403},
		{proxys, "", 101}, // it has not said whose it is
		{"127.0.0.7", "X-Forwarded-For: 203.0.112.9\r\n", 403},
		{"127.0.0.8", "X-Forwarded-For: 203.0.113.9\r\n", 101}, // nobody's proxy
	} {
		if _, status := raw(x.address, x.headers); status != x.status {
			t.Errorf("from %s, %q: %d, want %d", x.address, x.headers, status, x.status)
		}
	}
	edgetest.PublishTo(t, s, "a", "still here")
	other.Want(frame.Text, "still here")
	unknown.Want(frame.Text, "still here")
	if list := s.Moderation.Bans(); len(list) != 4 || list[0].Address != "127.0.0.1/32" || list[3].Reason != "flood" {
		t.Errorf("%+v", list)
	}

	edgetest.Must(t, s.Moderation.LiftAddress(ctx, "203.0.113.0/24"))
	if _, status := raw(proxys, "X-Forwarded-For: 203.0.113.9\r\n"); status != 101 {
		t.Errorf("lifted: %d", status)
	}
	if err := refusal.Of(s.Moderation.LiftAddress(ctx, "203.0.113.0/24")); err == nil || err.HTTPStatus() != http.StatusNotFound {
		t.Errorf("lifted twice: %v", err)
	}
}

// TestAddressBanEnds: nets within one another are kept out for as long as any is, and a ban
// ends by itself.
func TestAddressBanEnds(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := edgetest.Start(t, nil)
	status := func() int {
		_, resp := edgetest.Shake(t, s, edgetest.UpgradeRequest("/ws?room=a"))
		return resp.StatusCode
	}
	for _, address := range []string{"127.0.0.0/8", "127.0.0.1"} {
		_, err := s.Moderation.BanAddress(ctx, address, "", time.Hour)
		edgetest.Must(t, err)
	}
	edgetest.Must(t, s.Moderation.LiftAddress(ctx, "127.0.0.1"))
	if got := status(); got != 403 {
		t.Errorf("in the wider network: %d", got)
	}
	_, err := s.Moderation.BanAddress(ctx, "127.0.0.1", "", time.Second)
	edgetest.Must(t, err)
	edgetest.Must(t, s.Moderation.LiftAddress(ctx, "127.0.0.0/8"))
	if got := status(); got != 403 {
		t.Errorf("in the narrower network: %d", got)
	}
	edgetest.WaitFor(t, "the ban to end", func() bool { return status() == 101 })
}
