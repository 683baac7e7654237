package main

// Orders that last, given to one node: nodes that start later, that were cut off
// meanwhile, and those behind a Redis that lost all have them too.

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// orders is one round of looking at what holds.
type orders struct {
	t       *testing.T
	answers map[string]string // of GET, by path
}

// want asserts what a node answers, as soon as it says that it is ready.
func (o *orders) want(when string, n *child) {
	o.t.Helper()
	n.waitReady()
	for path, want := range o.answers {
		if status, body := n.mustGet(path); status != http.StatusOK || !strings.Contains(body, want) {
			o.t.Errorf("%s: %s: %d %s, want %s", when, path, status, body, want)
		}
	}
}

// wait is want for a node that may have to ask first.
func (o *orders) wait(when string, n *child) {
	o.t.Helper()
	for path, want := range o.answers {
		await(o.t, when+": "+path+" to say "+want, func() bool {
			_, body := n.mustGet(path)
			return strings.Contains(body, want)
		})
	}
}

func (o *orders) banned(n *child, user string, want bool) {
	o.t.Helper()
	_, resp, err := dialV1(o.t, n.ws, "?token="+v1Token(o.t, user), false)
	if err != nil || (resp.StatusCode == http.StatusForbidden) != want {
		o.t.Errorf("%s comes: %+v, %v, banned: %v", user, resp, err, want)
	}
}

func ordersLast(t *testing.T, bin binary) {
	r := startedRedis(t)
	wire := newNetwork(t, r.Addr)
	first := bin.serveNamed(t, r.url(), "--redis-timeout=20s")
	first.waitReady()
	first.do("PUT", "/v1/rooms/salon/settings", "", `{"muted":true,"history":{"messages":3,"age":"1h"}}`)
	first.do("POST", "/v1/users/bob/disconnect", "", `{"reason":"enough","for":"1h"}`)
	first.do("POST", "/v1/rooms/table/kick", "", `{"user":"ann","reason":"spam","for":"1h"}`)
	first.do("POST", "/v1/bans", "", `{"address":"203.0.113.9/24","reason":"flood","for":"1h"}`)
	o := &orders{t, map[string]string{
		"/v1/rooms/salon/settings":     `{"muted":true,"presence_events":true,"history":{"messages":3,"age":"1h0m0s"}}`,
		"/v1/settings":                 `"total":1`,
		"/v1/bans":                     `"total":3`,
		"/v1/bans?address=203.0.113.7": `"address":"203.0.113.0/24","reason":"flood"`,
		"/v1/bans?user=ann":            `"room":"table","reason":"spam"`,
	}}

	second := bin.serveNamed(t, wire.url(), "--redis-timeout=20s")
	o.want("started later", second)
	o.banned(second, "bob", true)
	ann := second.member("ann")
	ann.wantError(`"cmd":"join","room":"table"`, "banned")
	ann.wantError(`"cmd":"publish","room":"salon","data":1`, "muted")
	for i := range 10 {
		second.publish("salon", fmt.Sprint(i))
	}
	if page := ann.ask(`"cmd":"history","room":"salon"`); len(page.Messages) != 3 || page.Offset != 10 {
		t.Errorf("of 10 messages %d are kept: %+v", len(page.Messages), page)
	}

	// Lifted on one, it is on all; ordered while a node is cut off, it is when that
	// is back.
	second.do("DELETE", "/v1/bans/bob", "", "")
	o.answers["/v1/bans"] = `"total":2`
	o.wait("lifted", first)
	o.banned(first, "bob", false)
	carl := second.member("carl")
	wire.cutOff()
	first.do("DELETE", "/v1/bans/ann?room=table", "", "")
	first.do("PUT", "/v1/rooms/salon/settings", "", `{"muted":false,"history":{"messages":5,"age":"2h"}}`)
	first.do("POST", "/v1/users/carl/disconnect", "", `{"reason":"enough","for":"1h"}`)
	wire.mend()
	if bye := carl.push("bye", ""); bye.Code != 4200 || bye.Reason != "enough" {
		t.Errorf("bye: %+v", bye)
	}
	o.answers = map[string]string{
		"/v1/rooms/salon/settings": `{"muted":false,"presence_events":true,"history":{"messages":5,"age":"2h0m0s"}}`,
		"/v1/bans":                 `{"user":"carl","reason":"enough","until":`,
	}
	o.wait("mended", second)
	ann.enter("table")
	ann.say("salon", "thanks")

	// Redis loses everything. What nodes know, they put there again.
	if err := r.FlushAll(context.Background()).Err(); err != nil {
		t.Fatal(err)
	}
	await(t, "the orders to be in Redis again", func() bool {
		n, err := r.HLen(context.Background(), "barrage:orders:room:{standing}:all").Result()
		return err == nil && n == 4
	})
	third := bin.serveNamed(t, r.url(), "--redis-timeout=20s")
	o.want("after Redis lost all", third)
	o.banned(third, "carl", true)
}
