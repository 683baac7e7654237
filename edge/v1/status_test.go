// What users say of themselves in rooms.

package v1_test

import (
	"strings"
	"testing"

	"barrage/edge"
	"barrage/edge/auth"
	"barrage/edge/edgetest"
)

// TestStatusIsRefused: what is no status, and those who may have none.
func TestStatusIsRefused(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) { withAuth(t, c); c.Anonymous = true })
	ann, nobody := joinJSON(t, s, "/ws?token="+testToken(t, "ann", nil)), joinJSON(t, s, "/ws")
	mute := joinJSON(t, s, "/ws?token="+testToken(t, "mute", func(c *auth.Claims) { c.Publish = nil }))
	for _, c := range []*viewer{ann, nobody, mute} {
		okOf(t, c.ask(`{"id":1,"cmd":"join","room":"a"}`))
	}
	okOf(t, ann.ask(`{"id":1,"cmd":"join","room":"dark","hidden":true}`))
	for _, tt := range []struct {
		c             *viewer
		command, want string
	}{
		{ann, `"room":"b","status":"x"`, "not_joined"},
		{ann, `"room":"user:ann","status":"x"`, "not_joined"},
		{ann, `"room":"\u0000presence:a","status":"x"`, "not_joined"},
		{ann, `"room":"dark","status":"x"`, "forbidden"},
		{ann, `"room":"a","status":"` + strings.Repeat("x", 65) + `"`, "bad_command"},
		{ann, `"room":"a","status":"a\nb"`, "bad_command"},
		{ann, `"room":"a","status":7`, "bad_json"},
		{ann, `"room":"a","data":"` + strings.Repeat("x", 511) + `"`, "bad_command"},
		{nobody, `"room":"a","status":"x"`, "forbidden"},
		{nobody, `"status":"x"`, "not_joined"},
		{mute, `"room":"a","status":"x"`, "forbidden"},
	} {
		if v := tt.c.ask(`{"id":1,"cmd":"presence_update",` + tt.command + `}`); code(v) != tt.want {
			t.Errorf("%s: got %v, want %s", tt.command, v, tt.want)
		}
	}
	// In all rooms that it is in and seen in.
	okOf(t, ann.ask(`{"id":1,"cmd":"presence_update","status":"`+strings.Repeat("x", 64)+`","data":"`+strings.Repeat("x", 510)+`"}`))
	list := okOf(t, ann.ask(`{"id":1,"cmd":"presence","room":"a"}`))["list"].([]any)
	found := false
	for _, u := range list {
		found = found || u.(map[string]any)["status"] == strings.Repeat("x", 64)
	}
	if !found {
		t.Errorf("list %v", list)
	}
}
