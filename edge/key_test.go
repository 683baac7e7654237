// Keys instead of tokens, on the wire.

package edge_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"barrage/edge"
	"barrage/edge/auth/keyring"
	"barrage/edge/edgetest"
	"barrage/frame"
)

// keys are some of each kind, by name.
type keys map[string]string

// withKeys has connections need one of the keys that it makes.
func withKeys(t *testing.T, c *edge.Config) keys {
	t.Helper()
	all := make(keys)
	var entries keyring.Entries
	add := func(e keyring.Entry) {
		all[e.Name] = keyring.Make()
		e.Hash = keyring.Hash(all[e.Name])
		entries = append(entries, e)
	}
	add(keyring.Entry{Name: "common", Rooms: []string{"live:*"}, Publish: true, Subscribe: true})
	add(keyring.Entry{Name: "listen", Rooms: []string{"live:*"}, Subscribe: true})
	add(keyring.Entry{Name: "speak", Rooms: []string{"live:*"}, Publish: true, Rate: new(0.01)})
	add(keyring.Entry{Name: "page", Rooms: []string{"live:*"}, Subscribe: true, Origins: []string{"https://ok.example"}})
	add(keyring.Entry{Name: "device", Rooms: []string{"live:*"}, Publish: true, Get: true})
	add(keyring.Entry{Name: "old", Rooms: []string{"live:*"}, Subscribe: true, Expires: time.Now().Add(-time.Hour)})
	var err error
	c.Keys, err = keyring.New(entries)
	edgetest.Must(t, err)
	return all
}

func TestKeysOfSockets(t *testing.T) {
	t.Parallel()
	var have keys
	log := new(lockedLog)
	s := edgetest.Start(t, func(c *edge.Config) {
		have = withKeys(t, c)
		c.AllowedOrigins = []string{"https://ok.example", "https://other.example"}
		c.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	ok, other := "Origin: https://ok.example\r\n", "Origin: https://other.example\r\n"
	for _, tc := range []struct {
		key, room, headers string
		status             int
	}{
		{"common", "live:1", "", 101}, {"common", "live:1", ok, 101}, {"common", "other", "", 403},
		{"listen", "live:1", "", 101}, {"listen", "user:ann", "", 403},
		{"speak", "live:1", "", 403},
		{"page", "live:1", ok, 101}, {"page", "live:1", other, 403}, {"page", "live:1", "", 403},
		{"old", "live:1", "", 401}, {"none", "live:1", "", 401},
	} {
		target := "/ws?room=" + tc.room
		for place, request := range map[string]string{
			"query":       edgetest.UpgradeRequest(target+"&token="+have[tc.key], tc.headers),
			"header":      edgetest.UpgradeRequest(target, tc.headers, "Authorization: Bearer "+have[tc.key]+"\r\n"),
			"subprotocol": edgetest.UpgradeRequest(target, tc.headers, "Sec-WebSocket-Protocol: barrage.raw, bearer."+have[tc.key]+"\r\n"),
		} {
			_, resp := edgetest.Shake(t, s, request)
			text := ""
			if resp.StatusCode != http.StatusSwitchingProtocols {
				text = edgetest.Body(resp)
			}
			if resp.StatusCode != tc.status {
				t.Errorf("%s in %s, %s, by %s: status %d, want %d: %s", tc.key, tc.room, tc.headers, place, resp.StatusCode, tc.status, text)
			}
			var head bytes.Buffer
			_ = resp.Header.Write(&head)
			if all := head.String() + text + log.String(); have[tc.key] != "" && strings.Contains(all, have[tc.key]) {
				t.Errorf("%s: the key is in %s", tc.key, all)
			}
		}
	}
	if !strings.Contains(log.String(), "key=page") {
		t.Errorf("nobody is told of the page's key where it does not belong: %s", log)
	}
}

// TestKeyRights: who may only listen is not heard, and who may only publish is, at the
// rate of the key, which all share who have it.
func TestKeyRights(t *testing.T) {
	t.Parallel()
	var have keys
	s := edgetest.Start(t, func(c *edge.Config) { have = withKeys(t, c) })
	common, listen := edgetest.Join(t, s, "/ws?room=live:1&token="+have["common"]), edgetest.Join(t, s, "/ws?room=live:1&token="+have["listen"])
	listen.Send(frame.Text, "not heard")
	edgetest.WaitFor(t, "the viewer to be refused", func() bool { return s.Stats().Refused["forbidden"] == 1 })
	common.Send(frame.Text, "heard")
	listen.Want(frame.Text, "heard")
	common.Want(frame.Text, "heard")
	var speakers [2]*edgetest.Viewer
	for i := range speakers {
		var resp *http.Response
		speakers[i], resp = edgetest.Shake(t, s, edgetest.UpgradeRequest("/ws?token="+have["speak"], "Sec-WebSocket-Protocol: barrage.v1\r\n"))
		if resp.StatusCode != http.StatusSwitchingProtocols {
			t.Fatalf("status %d: %s", resp.StatusCode, edgetest.Body(resp))
		}
		speakers[i].Next() // welcome
	}
	answer := func(c *edgetest.Viewer, want string) {
		t.Helper()
		c.Send(frame.Text, `{"id":1,"cmd":"publish","room":"live:1","data":"said"}`)
		if m, err := c.Next(); err != nil || !strings.Contains(m.Payload, want) {
			t.Errorf("answered with %s, %v, want %s", m.Payload, err, want)
		}
	}
	answer(speakers[0], `"message_id"`)
	listen.Want(frame.Text, "said")
	answer(speakers[1], `"rate_limited"`)
	speakers[0].Send(frame.Text, `{"id":2,"cmd":"join","room":"live:1"}`)
	if m, err := speakers[0].Next(); err != nil || !strings.Contains(m.Payload, `"forbidden"`) {
		t.Errorf("who may only publish joins: %s, %v", m.Payload, err)
	}
	speakers[0].Send(frame.Text, `{"id":3,"cmd":"publish","room":"other","data":"said"}`)
	if m, err := speakers[0].Next(); err != nil || !strings.Contains(m.Payload, `"forbidden"`) {
		t.Errorf("said in another room: %s, %v", m.Payload, err)
	}
	if refused := s.Stats().Refused; refused["rate"] != 1 || refused["forbidden"] != 2 {
		t.Errorf("counted as refused: %v", refused)
	}
}

// TestRevokedKey: those who have the key are sent away, and nobody else, and none comes
// again until it is restored.
func TestRevokedKey(t *testing.T) {
	t.Parallel()
	var have keys
	s := edgetest.Start(t, func(c *edge.Config) { have = withKeys(t, c) })
	ctx := context.Background()
	target := "/ws?room=live:1&token="
	var gone []*edgetest.Viewer
	for range 20 {
		gone = append(gone, edgetest.Join(t, s, target+have["listen"]))
	}
	stays := edgetest.Join(t, s, target+have["common"])
	edgetest.Must(t, s.Moderation.Revoke(ctx, "listen", "it leaked"))
	for _, c := range gone {
		m, err := c.Next()
		if code, why := frame.ParseClose([]byte(m.Payload)); err != nil || code != 4200 || why != "it leaked" {
			t.Fatalf("sent away with %d %q, %v", code, why, err)
		}
	}
	edgetest.WaitMembers(t, s, "live:1", 1)
	if _, resp := edgetest.Shake(t, s, edgetest.UpgradeRequest(target+have["listen"])); resp.StatusCode != 403 || !strings.Contains(edgetest.Body(resp), "revoked") {
		t.Errorf("who comes again gets %d", resp.StatusCode)
	}
	edgetest.PublishTo(t, s, "live:1", "on")
	stays.Want(frame.Text, "on")
	if got := s.Moderation.RevokedKeys(); len(got) != 1 || !got["listen"] {
		t.Errorf("revoked are %v", got)
	}
	edgetest.Must(t, s.Moderation.Restore(ctx, "listen"))
	edgetest.Join(t, s, target+have["listen"])
	if err := s.Moderation.Restore(ctx, "listen"); err == nil {
		t.Error("what is not revoked is restored")
	}
	edgetest.Must(t, s.Moderation.Revoke(ctx, "listen", ""))
	edgetest.WaitMembers(t, s, "live:1", 1)
}

// TestGuesses: who tries keys gets no further answers, and nobody else pays for it: tokens
// are judged as ever.
func TestGuesses(t *testing.T) {
	t.Parallel()
	var have keys
	s := edgetest.Start(t, func(c *edge.Config) {
		have = withKeys(t, c)
		withTokens(t, c)
	})
	try := func(token string) int {
		_, resp := edgetest.Shake(t, s, edgetest.UpgradeRequest("/ws?room=live:1&token="+token))
		if resp.StatusCode == 429 && resp.Header.Get("Retry-After") == "" {
			t.Error("nobody is told when to come again")
		}
		return resp.StatusCode
	}
	last := 0
	for i := range 200 {
		if last = try(fmt.Sprintf("guess%d", i)); last == 429 {
			break
		}
	}
	if last != 429 {
		t.Fatalf("the last guess is answered with %d", last)
	}
	if got := try(have["common"]); got != 429 {
		t.Errorf("whoever guessed right would learn it: %d", got)
	}
	if got := try(tokenFor(t, "ann", "live:1")); got != 101 {
		t.Errorf("a token is refused: %d", got)
	}
}
