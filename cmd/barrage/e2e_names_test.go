package main

// Users as issuers of tokens name them, and rooms as people do, on three nodes that share
// one Redis.

import (
	"encoding/json"
	"net/url"
	"strings"

	"barrage/frame"
)

// issued are ids that are no names of rooms.
var issued = []string{
	"auth0|5f7c8ec7c33c6c004bbafe82", "google-oauth2|103547991597142817347", "-x7Qk_2n", "_Zp3", "ann+tag@example.com",
	"{5d1b0bb0-5ccd}", "}x{", "https://accounts.example/u/1?a=%2F#c", "+8613800000000", `"quoted\id"`, "a,b;c=d", "阿丽丝", "می\u200cخواهم", "ren\u00e9", strings.Repeat("u", 256),
}

// oneRoom is a room's name in its two forms.
const (
	oneRoom    = "\u00e9mission·👩\u200d👧❤\ufe0f·直播间42"
	decomposed = "e\u0301mission·👩\u200d👧❤\ufe0f·直播间42"
)

// roomNames: whichever form a name is written in, and in whatever place, it is one room.
func (c *v1Cluster) roomNames() {
	t := c.t
	quoted := `"room":"` + decomposed + `"`
	ann, bob := c.nodes[0].member("ann"), c.nodes[1].member("bob")
	ann.enter(oneRoom)
	if got := bob.ask(`"cmd":"join",` + quoted); got.Room != oneRoom {
		t.Errorf("joined %q", got.Room)
	}
	raw := c.nodes[2].watch(url.QueryEscape(decomposed), "rae")
	all := func(text string) {
		t.Helper()
		ann.wantTexts(oneRoom, text)
		bob.wantTexts(oneRoom, text)
		raw.want(frame.Text, text)
	}
	first := ann.say(oneRoom, "composed")
	all("composed")
	bob.ask(`"cmd":"publish",` + quoted + `,"data":"by a command"`)
	all("by a command")
	raw.mustSend(frame.Text, "by URL")
	all("by URL")
	for i, form := range []string{oneRoom, decomposed} {
		at := "/v1/rooms/" + url.PathEscape(form)
		c.nodes[2].do("POST", at+"/messages", "", "by a backend")
		all("by a backend")
		c.nodes[2].do("POST", "/v1/broadcast?pattern="+url.QueryEscape(form[:len(form)-2]+"*"), "", "to a pattern")
		all("to a pattern")
		c.redis.say(form, "by any program")
		all("by any program")
		await(t, "one room with three users, asked for as "+form, func() bool {
			_, body := c.nodes[i].mustGet(at)
			return strings.Contains(body, `{"room":"`+oneRoom+`","members":1,`) && strings.Contains(body, `"cluster":{"members":3,"users":3,`)
		})
		if _, page := c.nodes[0].do("GET", at+"/messages", "", ""); page.Epoch != first.Epoch || len(page.Messages) != 5+3*i {
			t.Errorf("history by %q: %d messages", form, len(page.Messages))
		}
		set := func(method, body, want string) {
			c.nodes[i].do(method, at+"/settings", "", body)
			await(t, form+" to be "+want+", as bob's node knows", func() bool {
				_, body := c.nodes[1].mustGet(at + "/settings")
				return strings.Contains(body, want)
			})
		}
		set("PUT", `{"muted":true}`, `"muted":true`)
		bob.wantError(`"cmd":"publish","data":1,"room":"`+oneRoom+`"`, "muted")
		set("DELETE", "", `"muted":false`)
		bob.ask(`"cmd":"publish","data":"aloud","room":"` + decomposed + `"`)
		all("aloud")
	}
	ann.await("three users of one room", `"cmd":"ping",`+quoted, func(o v1Object) bool { return o.OK != nil && o.OK.Room == oneRoom && o.OK.Users == 3 })
	c.nodes[2].do("POST", "/v1/rooms/"+url.PathEscape(decomposed)+"/kick", "", `{"user":"ann"}`)
	if left := ann.push("left", oneRoom); left.Room != oneRoom {
		t.Errorf("left %+v", left)
	}
	bob.ask(`"cmd":"leave",` + quoted)
	c.backend.wait(t, told{Type: "leave", User: "bob", Conn: bob.welcome.Conn, Room: oneRoom})
	for _, n := range c.nodes {
		if _, metrics := n.mustGet("/metrics"); strings.Contains(metrics, "直播间") || strings.Contains(metrics, "mission") {
			t.Error("metrics name the room")
		}
	}
}

// names: each gets what waits and what comes, is seen from other nodes, and can be sent
// away and let in again.
func (c *v1Cluster) names() {
	t := c.t
	ann := c.nodes[0].member("ann")
	inURL := func(id string) string { return "/v1/users/" + url.PathEscape(id) }
	for _, id := range issued {
		quoted, _ := json.Marshal(id)
		to := `"cmd":"publish","to":` + string(quoted) + `,"data":`
		if r := ann.ask(to + `"waits"`); r.Online == nil || *r.Online {
			t.Errorf("%s: %+v", id, r)
		}
		m := c.nodes[1].member(id)
		if waited := m.push("joined", "user:"+id); len(waited.Messages) != 1 || waited.Messages[0].text() != "waits" {
			t.Errorf("waited for %s: %+v", id, waited)
		}
		ann.ask(to + `"comes"`)
		c.nodes[2].do("POST", inURL(id)+"/messages", "", "from a backend")
		m.wantTexts("user:"+id, "comes", "from a backend")
		if err := c.redis.Publish(t.Context(), "room:user:"+id, "plain").Err(); err != nil {
			t.Fatal(err)
		}
		m.wantTexts("user:"+id, "plain")
		m.enter("named")
		await(t, id+" to be seen from other nodes", func() bool {
			_, body := c.nodes[0].mustGet(inURL(id))
			_, list := c.nodes[2].mustGet("/v1/rooms/named/members?limit=1000")
			return strings.Contains(body, `"online":true`) && strings.Contains(list, `"user":`+string(quoted))
		})
		c.nodes[0].do("POST", inURL(id)+"/disconnect", "", `{"for":"1m"}`)
		if bye := m.push("bye", ""); bye.Code != 4200 {
			t.Errorf("%s: bye %+v", id, bye)
		}
		await(t, id+" to be kept out, as another node knows", func() bool {
			_, bans := c.nodes[2].mustGet("/v1/bans?user=" + url.QueryEscape(id))
			return strings.Contains(bans, `"user":`+string(quoted))
		})
		c.nodes[2].do("DELETE", strings.Replace(inURL(id), "users", "bans", 1), "", "")
		await(t, id+" to be let in again", func() bool {
			_, resp, err := dialV1(t, c.nodes[1].ws, "?token="+v1Token(t, id), false)
			return err == nil && resp.StatusCode == 101
		})
	}
}
