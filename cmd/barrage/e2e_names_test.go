package main

// Users as issuers of tokens name them, on three nodes that share one Redis.

import (
	"encoding/json"
	"net/url"
	"strings"
)

// issued are ids that are no names of rooms.
var issued = []string{
	"auth0|5f7c8ec7c33c6c004bbafe82", "google-oauth2|103547991597142817347", "-x7Qk_2n", "_Zp3", "ann+tag@example.com",
	"{5d1b0bb0-5ccd}", "}x{", "https://accounts.example/u/1?a=%2F#c", "+8613800000000", `"quoted\id"`, "a,b;c=d", strings.Repeat("u", 256),
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
