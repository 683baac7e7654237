package main

// barrage.v1 on three nodes that share one Redis, with tokens, a backend that is
// told and asked, and compression.

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"barrage/edge/events"
	"barrage/frame"
)

const hookSecret = "a secret of the webhooks"

// backend is the application behind the nodes.
type backend struct {
	*httptest.Server
	mu   sync.Mutex // guards what follows
	told []told
	bad  []string // what should not have come
}

type told struct {
	Type, Room, User, Conn, Remote string
	Message                        struct {
		ID   string
		Data json.RawMessage
	}
}

func newBackend(t *testing.T) *backend {
	b := &backend{}
	b.Server = httptest.NewServer(http.HandlerFunc(b.serve))
	t.Cleanup(b.Close)
	return b
}

// checkSignature is what docs/webhooks.md has backends do.
func checkSignature(header string, body []byte) error {
	stamp, signatures, _ := strings.Cut(strings.TrimPrefix(header, "t="), ",")
	mac := hmac.New(sha256.New, []byte(hookSecret))
	fmt.Fprintf(mac, "%s.%s", stamp, body)
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	one := "v1=" + hex.EncodeToString(mac.Sum(nil))
	if err != nil || !slices.Contains(strings.Split(signatures, ","), one) || time.Since(time.Unix(seconds, 0)).Abs() > time.Minute {
		return fmt.Errorf("signature %q", header)
	}
	return nil
}

// serve is the webhook at /hook and answers requests everywhere else.
func (b *backend) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = checkSignature(r.Header.Get(events.SignatureHeader), body)
	}
	var got struct {
		Events []told
		User   string
		Data   struct{ Number int }
	}
	if err == nil {
		err = json.Unmarshal(body, &got)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case err != nil:
		b.bad = append(b.bad, fmt.Sprintf("%v: %.200s", err, body))
	case r.URL.Path == "/hook":
		b.told = append(b.told, got.Events...)
	case got.Data.Number < 0:
		_, _ = io.WriteString(w, `{"error":{"code":"negative","message":"No."}}`)
	default:
		_, _ = fmt.Fprintf(w, `{"data":{"user":%q,"double":%d}}`, got.User, 2*got.Data.Number)
	}
}

func (b *backend) wait(t *testing.T, want told) {
	t.Helper()
	await(t, fmt.Sprintf("the backend to be told %+v", want), func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return slices.ContainsFunc(b.told, func(got told) bool {
			return got.Type == want.Type && got.Room == want.Room && got.User == want.User && got.Conn == want.Conn &&
				got.Message.ID == want.Message.ID && string(got.Message.Data) == string(want.Message.Data)
		})
	})
}

// v1Cluster is the cluster of this file's scenarios.
type v1Cluster struct {
	cluster
	backend *backend
}

func rooms(t *testing.T, bin binary) {
	c := &v1Cluster{cluster{t: t, redis: startedRedis(t)}, newBackend(t)}
	for range 3 {
		// However slow the machine is, Redis is well here.
		c.nodes = append(c.nodes, start(t, bin.command(context.Background(),
			[]string{ // secrets are being changed, and the old ones still in use everywhere else
				"BARRAGE_AUTH_SECRET=the next secret of the tests; which is as long," + v1Secret,
				"BARRAGE_WEBHOOK_SECRET=the next secret of the webhooks," + hookSecret,
			},
			"serve", "--listen=127.0.0.1:0", "--admin=127.0.0.1:0", "--shards=2", c.redis.url(), "--redis-timeout=20s", "--compression", "--ack-timeout=200ms",
			"--webhook-url="+c.backend.URL+"/hook", "--request-routes=sums*="+c.backend.URL+"/sums", "--request-timeout=20s")))
	}
	for _, n := range c.nodes {
		n.waitReady()
	}
	c.talk()
	c.comeBack()
	c.direct()
	c.names()
	c.roomNames()
	c.certain()
	c.keys()
	c.compressed()
	c.request()
	c.presence()
	c.broadcast()
	c.sentAway()
	c.backend.mu.Lock()
	defer c.backend.mu.Unlock()
	if len(c.backend.bad) > 0 {
		t.Errorf("the backend got %q", c.backend.bad)
	}
}

// do sends a request to a node's API and returns the answer.
func (c *child) do(method, path, key, body string) (h http.Header, answer v1Fields) {
	c.t.Helper()
	r, err := http.NewRequest(method, "http://"+c.admin+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if r.Header.Set("Content-Type", "text/plain"); strings.HasPrefix(body, "{") {
		r.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	w, err := c.http.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer w.Body.Close()
	text, err := io.ReadAll(w.Body)
	if err == nil {
		err = json.Unmarshal(text, &struct {
			*v1Fields
			ID    *string // a publish's
			Users any     // a list here
		}{&answer, &answer.MessageID, nil})
	}
	if err != nil || w.StatusCode != http.StatusOK {
		c.t.Fatalf("%s %s: %d %s, %v", method, path, w.StatusCode, text, err)
	}
	return w.Header, answer
}

// talk: acknowledged publishes, one's own messages, raw viewers, plain PUBLISH.
func (c *v1Cluster) talk() {
	t := c.t
	ann, bob := c.nodes[0].member("ann"), c.nodes[1].member("bob")
	raw := c.nodes[2].join("salon&token=" + v1Token(t, "rae"))
	first := ann.enter("salon")
	if first.Offset != 0 || first.Epoch == "" || first.Resumed || first.Gap != nil {
		t.Errorf("first to join: %+v", first)
	}
	bob.enter("salon")
	all := func(text string, by *member, user, position string) {
		t.Helper()
		raw.want(frame.Text, text)
		for _, m := range []*member{ann, bob} {
			got := m.wantTexts("salon", text)
			if got.position() != position || got.Sender.User != user || by != nil && (got.Sender.Conn == m.welcome.Conn) != (m == by) {
				t.Errorf("%s got %+v, want it at %s by %s", m.welcome.User, got, position, user)
			}
		}
	}
	reply := ann.say("salon", "hi <b>")
	if reply.position() != first.Epoch+"/1" || reply.MessageID == "" || reply.LocalOnly || reply.Replayed {
		t.Errorf("ann's publish: %+v", reply)
	}
	all("hi <b>", ann, "ann", reply.position())
	answer := bob.say("salon", "hello")
	all("hello", bob, "bob", answer.position())
	raw.mustSend(frame.Text, "raw")
	all("raw", nil, "rae", first.Epoch+"/3")
	c.redis.say("salon", "plain")
	all("plain", nil, "", "/0")
	c.nodes[2].do("POST", "/v1/rooms/salon/messages", "", "backend")
	all("backend", nil, "", first.Epoch+"/4")
	ann.ask(`"cmd":"publish","room":"salon","kind":"move","data":{"to": "e4"}`)
	raw.want(frame.Text, `{"to":"e4"}`)
	for _, m := range []*member{ann, bob} {
		if got := m.push("message", "salon"); got.Kind != "move" || string(got.Data) != `{"to":"e4"}` {
			t.Errorf("%+v", got)
		}
	}
	_, kept := c.nodes[2].do("GET", "/v1/rooms/salon/messages?after=0", "", "")
	for _, page := range []v1Fields{kept, bob.ask(`"cmd":"history","room":"salon"`)} {
		if len(page.Messages) != 5 || page.position() != first.Epoch+"/5" || page.Gap != nil || page.More {
			t.Errorf("history: %+v", page)
		}
	}
	ann.ask(`"cmd":"publish","room":"salon","echo":false,"data":"not to me"`)
	bob.wantTexts("salon", "not to me")
	raw.want(frame.Text, "not to me")
	bob.ask(`"cmd":"publish","room":"salon","data":"to all"`)
	all("to all", bob, "bob", fmt.Sprint(first.Epoch, "/7"))
	ann.ask(`"cmd":"leave","room":"salon"`)
	c.backend.wait(t, told{Type: "connect", User: "ann", Conn: ann.welcome.Conn})
	c.backend.wait(t, told{Type: "join", User: "ann", Conn: ann.welcome.Conn, Room: "salon"})
	c.backend.wait(t, told{Type: "leave", User: "ann", Conn: ann.welcome.Conn, Room: "salon"})
	said := told{Type: "publish", User: "ann", Conn: ann.welcome.Conn, Room: "salon"}
	said.Message.ID, said.Message.Data = reply.MessageID, json.RawMessage(`"hi <b>"`)
	c.backend.wait(t, said)
}

// comeBack: cut off on one node, a viewer goes on behind its last message on
// another.
func (c *v1Cluster) comeBack() {
	t := c.t
	ann, bob := c.nodes[0].member("ann"), c.nodes[1].member("bob")
	ann.enter("tunnel")
	bob.enter("tunnel")
	ann.say("tunnel", "before")
	last := bob.wantTexts("tunnel", "before")
	_ = bob.conn.Close()
	for i := range 3 {
		ann.say("tunnel", fmt.Sprint("missed ", i))
	}
	bob = c.nodes[2].member("bob")
	back := bob.ask(`"cmd":"join","room":"tunnel",` + since(last))
	if !back.Resumed || back.Gap != nil || len(back.Messages) != 3 || back.position() != fmt.Sprintf("%s/%d", last.Epoch, 4) {
		t.Errorf("back: %+v", back)
	}
	for i, m := range back.Messages {
		if m.text() != fmt.Sprint("missed ", i) || m.Offset != uint64(i)+2 || m.Sender.User != "ann" {
			t.Errorf("missed: %+v", m)
		}
	}
	ann.say("tunnel", "after")
	bob.wantTexts("tunnel", "after")
	bob.wantNoMore("tunnel")
	gone := bob.ask(`"cmd":"join","room":"elsewhere","since":{"epoch":"long-gone","offset":7}`)
	if gone.Resumed || gone.Gap == nil || gone.Gap.Reason != "epoch" || gone.Gap.From != 8 {
		t.Errorf("with the position of a lost history: %+v", gone)
	}
}

// direct: messages to a user who is away wait, and come once and in order.
func (c *v1Cluster) direct() {
	t := c.t
	ann := c.nodes[0].member("ann")
	write := func(text string) (online bool) {
		t.Helper()
		r := ann.ask(`"cmd":"publish","to":"carl","data":"` + text + `"`)
		if r.Online == nil {
			t.Fatalf("no word whether carl is there: %+v", r)
		}
		return *r.Online
	}
	if write("one") || write("two") {
		t.Error("carl is online before he came")
	}
	carl := c.nodes[1].member("carl")
	waited := carl.push("joined", "user:carl")
	if !waited.Resumed || len(waited.Messages) != 2 || waited.Messages[0].text() != "one" || waited.Messages[1].text() != "two" {
		t.Errorf("waited for carl: %+v", waited)
	}
	await(t, "carl to be seen from another node", func() bool {
		_, body := c.nodes[0].mustGet("/v1/users/carl")
		return strings.Contains(body, `"online":true`)
	})
	if !write("three") {
		t.Error("carl is not online")
	}
	last := carl.wantTexts("user:carl", "three")
	carl.wantNoMore("user:carl")
	carl.ask(fmt.Sprintf(`"cmd":"ack","epoch":%q,"offset":%d`, last.Epoch, last.Offset-1))
	again := c.nodes[2].member("carl").push("joined", "user:carl")
	if len(again.Messages) != 1 || again.Messages[0].text() != "three" {
		t.Errorf("not acknowledged: %+v", again)
	}
	c.nodes[2].member("eve").wantError(`"cmd":"join","room":"user:carl"`, "forbidden")
}

// certain: what must be acknowledged is repeated on all nodes where its user is,
// and what has expired is nowhere.
func (c *v1Cluster) certain() {
	t := c.t
	ann, dora, elsewhere := c.nodes[0].member("ann"), c.nodes[1].member("dora"), c.nodes[2].member("dora")
	sent := ann.ask(`"cmd":"publish","to":"dora","data":"sure","qos":1,"ttl":600000`)
	for _, m := range []*member{dora, elsewhere} {
		m.push("joined", "user:dora")
		for range 2 {
			if got := m.push("message", "user:dora"); !got.Repeat || got.Expires == 0 || got.text() != "sure" || got.position() != sent.position() {
				t.Errorf("repeated: %+v", got)
			}
		}
	}
	dora.ask(fmt.Sprintf(`"cmd":"ack","epoch":%q,"offset":%d`, sent.Epoch, sent.Offset))
	c.nodes[1].do("POST", "/v1/users/eve/messages?ttl=1ms&qos=1", "", "too late")
	eve := c.nodes[2].member("eve")
	eve.await("the message to expire", `"cmd":"history","room":"user:eve"`, func(o v1Object) bool {
		return o.OK != nil && len(o.OK.Messages) == 0 && o.OK.Offset == 1
	})
}

// keys: a publish that is repeated, on whichever node, is there once.
func (c *v1Cluster) keys() {
	t := c.t
	ann, elsewhere := c.nodes[0].member("ann"), c.nodes[2].member("ann")
	ann.enter("once")
	_, first := c.nodes[0].do("POST", "/v1/rooms/once/messages", "key-1", "by backend")
	h, second := c.nodes[1].do("POST", "/v1/rooms/once/messages", "key-1", "by backend")
	if second.MessageID != first.MessageID || second.position() != first.position() || h.Get("Idempotent-Replayed") != "true" {
		t.Errorf("%+v, and again %+v, %v", first, second, h)
	}
	const publish = `"cmd":"publish","room":"once","data":"by ann","key":"key-1"` // another publisher's key
	mine, again := ann.ask(publish), elsewhere.ask(publish)
	if mine.Replayed || !again.Replayed || mine.MessageID != again.MessageID || mine.position() != again.position() {
		t.Errorf("%+v, and again %+v", mine, again)
	}
	ann.wantTexts("once", "by backend", "by ann")
	ann.wantNoMore("once")
}

// compressed: what is compressed on the wire comes out as it went in.
func (c *v1Cluster) compressed() {
	t := c.t
	packed, plain := c.nodes[0].memberWith("ann", true), c.nodes[1].member("bob")
	packed.enter("thin")
	plain.enter("thin")
	long := strings.Repeat("all the same, ", 1000)
	before := packed.read.n
	c.nodes[2].do("POST", "/v1/rooms/thin/messages", "", long)
	packed.wantTexts("thin", long)
	plain.wantTexts("thin", long)
	if n := packed.read.n - before; n > len(long)/4 {
		t.Errorf("%d bytes for a message of %d", n, len(long))
	}
	command := fmt.Sprintf(`{"cmd":"publish","room":"thin","data":%q}`, long)
	if _, err := packed.conn.Write(frame.AppendMaskedDeflated(nil, frame.Text, [4]byte{1, 2, 3, 4}, []byte(command))); err != nil {
		t.Fatal(err)
	}
	plain.wantTexts("thin", long)
	plain.say("thin", "short")
	packed.wantTexts("thin", long, "short")
}

// request: a backend answers the connection that asks.
func (c *v1Cluster) request() {
	ann := c.nodes[0].member("ann")
	if got := ann.ask(`"cmd":"request","method":"sums.double","data":{"number":21}`); string(got.Data) != `{"user":"ann","double":42}` {
		c.t.Errorf("answer %s", got.Data)
	}
	ann.wantError(`"cmd":"request","method":"sums.double","data":{"number":-1}`, "negative")
	ann.wantError(`"cmd":"request","method":"dance"`, "unknown_method")
}

// presence: which users are in a room is known on all nodes, users once however many
// connections they have.
func (c *v1Cluster) presence() {
	t := c.t
	ann, bob, again := c.nodes[0].member("ann"), c.nodes[1].member("bob"), c.nodes[2].member("bob")
	ghost := c.nodes[1].member("ghost") // never counted
	ghost.ask(`"cmd":"join","room":"table","hidden":true`)
	ann.ask(`"cmd":"join","room":"table","presence":true`)
	bob.enter("table")
	for p := (v1Fields{}); p.Join == nil || p.Join.User != "bob"; { // her own coming may be told, too
		p = ann.push("presence", "table")
	}
	again.enter("table")
	var seen v1Fields
	bob.await("two users with three connections", `"cmd":"presence","room":"table"`, func(o v1Object) bool {
		if o.OK != nil {
			seen = *o.OK
		}
		return seen.Users == 2 && seen.Connections == 3
	})
	slices.SortFunc(seen.List, func(a, b v1User) int { return strings.Compare(a.User, b.User) })
	if !seen.Complete || !slices.Equal(seen.List, []v1User{{User: "ann"}, {User: "bob"}}) {
		t.Errorf("present: %+v", seen)
	}
	for _, n := range c.nodes {
		await(t, "the same from every node's API", func() bool {
			_, body := n.mustGet("/v1/rooms/table/members")
			return strings.Contains(body, `"total":2,"connections":3`) && strings.Contains(body, `"ann"`) && strings.Contains(body, `"bob"`)
		})
	}
	// What he says of himself on one node those on others are told, and lists there have it.
	bob.ask(`"cmd":"presence_update","room":"table","status":"busy"`)
	for p := (v1Fields{}); p.Update == nil || *p.Update != (v1User{"bob", "busy"}); {
		p = ann.push("presence", "table")
	}
	for _, n := range c.nodes {
		await(t, "his status from every node's API", func() bool {
			_, body := n.mustGet("/v1/rooms/table/members")
			return strings.Contains(body, `{"user":"bob","status":"busy"}`)
		})
	}
	_ = bob.conn.Close()
	_ = again.conn.Close()
	left := ann.push("presence", "table")
	for left.Leave == nil {
		left = ann.push("presence", "table")
	}
	if left.Leave.User != "bob" || left.Users != 1 || left.Connections != 1 {
		t.Errorf("after bob has gone: %+v", left)
	}
	ann.await("the counts to follow", `"cmd":"ping","room":"table"`, func(o v1Object) bool {
		return o.OK != nil && o.OK.Users == 1 && o.OK.Connections == 1
	})
}

// broadcast: rooms that only other nodes have members in are found, too.
func (c *v1Cluster) broadcast() {
	t := c.t
	one, two := c.nodes[1].member("one"), c.nodes[2].member("two")
	one.enter("hall:1")
	two.enter("hall:2")
	await(t, "both rooms to be found", func() bool { // with the key each gets it once
		_, answer := c.nodes[0].do("POST", "/v1/broadcast?pattern=*all:*", "curtain", "curtain up")
		return answer.Rooms == 2.0
	})
	for room, m := range map[string]*member{"hall:1": one, "hall:2": two} {
		m.wantTexts(room, "curtain up")
		m.wantNoMore(room)
	}
}

// sentAway: an operator's word to any node counts on all.
func (c *v1Cluster) sentAway() {
	t := c.t
	bob := c.nodes[1].member("bob")
	bob.enter("table")
	c.nodes[2].do("POST", "/v1/rooms/table/kick", "", `{"user":"bob","reason":"spam","for":"1m"}`)
	if got := bob.push("left", "table"); got.Reason != "spam" {
		t.Errorf("left: %+v", got)
	}
	bob.wantError(`"cmd":"join","room":"table"`, "banned")
	bob.enter("salon")
	elsewhere := c.nodes[0].member("bob")
	elsewhere.await("the ban to be known on the first node", `"cmd":"join","room":"table"`, func(o v1Object) bool {
		return o.Error != nil && o.Error.Code == "banned"
	})
	c.nodes[0].do("POST", "/v1/users/bob/disconnect", "", `{"reason":"enough","for":"1m"}`)
	for _, m := range []*member{bob, elsewhere} {
		if bye := m.push("bye", ""); bye.Code != 4200 || bye.Reconnect || bye.Reason != "enough" {
			t.Errorf("bye: %+v", bye)
		}
		if o, ok := m.object(); ok || m.closed != 4200 {
			t.Errorf("closed with %d, %+v", m.closed, o)
		}
	}
	for at, count := range []int{0, 1} { // by a word to another node, and to its own
		eve := c.nodes[1].member("eve")
		_, answer := c.nodes[at].do("POST", "/v1/connections/"+eve.welcome.Conn+"/disconnect", "", `{"reason":"enough"}`)
		if answer.Connections != count {
			t.Errorf("%d connections of node %d sent away, want %d", answer.Connections, at, count)
		}
		if bye := eve.push("bye", ""); bye.Code != 4200 || bye.Reason != "enough" {
			t.Errorf("bye: %+v", bye)
		}
	}
	_, resp, err := dialV1(t, c.nodes[1].ws, "?token="+v1Token(t, "bob"), false)
	if err != nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("bob comes again: %+v, %v", resp, err)
	}
}
