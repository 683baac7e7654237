// Orders that last: what a node knows that was not there when they were given.

package v1_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"barrage/edge"
	"barrage/edge/conn"
	"barrage/edge/edgetest"
	"barrage/edge/moderation"
	"barrage/edge/moderation/replica"
	"barrage/internal/bounds"
	"barrage/internal/broker"
	"barrage/internal/refusal"
)

// sharedOrders is a replica.Store that can be away.
type sharedOrders struct {
	mu      sync.Mutex // guards what follows
	entries map[string]replica.Entry
	version uint64
	err     error
}

func (o *sharedOrders) fail(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.err = err
}

func (o *sharedOrders) Put(_ context.Context, e replica.Entry) (replica.Change, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return replica.Change{}, o.err
	}
	if o.entries == nil {
		o.entries = make(map[string]replica.Entry)
	}
	if o.entries[e.Name] = e; e.Value == "" {
		delete(o.entries, e.Name)
	}
	o.version++
	return replica.Change{Previous: o.version - 1, Version: o.version}, nil
}

func (o *sharedOrders) Fill(context.Context, []replica.Entry) error { return nil }

func (o *sharedOrders) Load(context.Context) (list []replica.Entry, version uint64, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, e := range o.entries {
		list = append(list, e)
	}
	return list, o.version, o.err
}

func (o *sharedOrders) Version(context.Context) (uint64, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.version, o.err
}

// startOrdered starts a node that has only the orders in common with others.
func startOrdered(t *testing.T, o *sharedOrders) *edgetest.Server {
	return edgetest.Start(t, func(c *edge.Config) { withAuth(t, c); c.Orders = o })
}

// A node that starts later obeys from its first connection on.
func TestOrdersOutliveTheirNode(t *testing.T) {
	t.Parallel()
	ctx, o := context.Background(), &sharedOrders{}
	first := startOrdered(t, o)
	edgetest.Must(t, first.Moderation.Kick(ctx, "a", "ann", "spam", time.Hour))
	edgetest.Must(t, first.Moderation.DisconnectUser(ctx, "bob", "worse", false, time.Hour))
	edgetest.Must(t, first.Moderation.DisconnectUser(ctx, "eve", "only now", false, 0))
	_, err := first.Moderation.BanAddress(ctx, "127.0.0.9", "flood", time.Hour)
	edgetest.Must(t, err)
	edgetest.Must(t, first.Moderation.SetRoomSettings(ctx, "a", broker.RoomSettings{Muted: true}))
	edgetest.Must(t, first.Moderation.SetRoomSettings(ctx, "r", broker.RoomSettings{History: &broker.Retention{Messages: 3, Age: time.Hour}}))
	edgetest.Must(t, first.Moderation.SetRoomSettings(ctx, "gone", broker.RoomSettings{Quiet: true}))
	edgetest.Must(t, first.Moderation.SetRoomSettings(ctx, "gone", broker.RoomSettings{}))

	second := startOrdered(t, o)
	ann := joinJSON(t, second, "/ws?token="+testToken(t, "ann", nil))
	if v := ann.ask(`{"id":1,"cmd":"join","room":"a"}`); code(v) != "banned" {
		t.Errorf("ann joins a: %v", v)
	}
	okOf(t, ann.ask(`{"id":2,"cmd":"join","room":"b"}`))
	if _, resp := shake(t, second, edgetest.UpgradeRequest("/ws?room=b&token="+testToken(t, "bob", nil))); resp.StatusCode != 403 {
		t.Errorf("bob comes in: %d", resp.StatusCode)
	}
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}, Timeout: edgetest.Patience}
	banned, err := d.Dial("tcp", second.Addr().String())
	edgetest.Must(t, err)
	defer func() { _ = banned.Close() }()
	if _, resp := edgetest.ShakeOn(t, banned.(*net.TCPConn), edgetest.UpgradeRequest("/ws?room=b")); resp.StatusCode != 403 {
		t.Errorf("a banned address: %d", resp.StatusCode)
	}
	eve := joinJSON(t, second, "/ws?room=a&token="+testToken(t, "eve", nil))
	if v := eve.ask(`{"id":1,"cmd":"publish","room":"a","data":1}`); code(v) != "muted" {
		t.Errorf("eve speaks: %v", v)
	}
	for i := range 10 {
		edgetest.PublishTo(t, second, "r", fmt.Sprint(i))
	}
	page, err := second.History(ctx, "r", broker.Query{})
	if err != nil || len(page.Messages) != 3 || string(page.Messages[0].Payload) != "7" {
		t.Errorf("%d messages are kept, %v", len(page.Messages), err)
	}
	if all := second.Moderation.AllRoomSettings(); len(all) != 2 {
		t.Errorf("settings %+v", all)
	}
	bans := second.Moderation.Bans()
	names := make([]string, len(bans))
	for i, b := range bans {
		names[i] = fmt.Sprintf("%s %s %s %v", b.User, b.Room, b.Reason, time.Until(b.Until) > 59*time.Minute)
	}
	if want := []string{"ann a spam true", "bob  worse true", "  flood true"}; !slices.Equal(names, want) {
		t.Errorf("bans %q, want %q", names, want)
	}
}

// Who is kept out may be let in again, by any node.
func TestLift(t *testing.T) {
	t.Parallel()
	ctx, o := context.Background(), &sharedOrders{}
	first, second := startOrdered(t, o), startOrdered(t, o)
	edgetest.Must(t, first.Moderation.Kick(ctx, "a", "ann", "", time.Hour))
	edgetest.Must(t, first.Moderation.DisconnectUser(ctx, "ann", "", false, time.Hour))
	edgetest.Must(t, second.Moderation.Lift(ctx, "ann", "a"))
	if bans := second.Moderation.Bans(); len(bans) != 1 || bans[0].Room != "" {
		t.Errorf("%+v are left", bans)
	}
	edgetest.Must(t, second.Moderation.Lift(ctx, "ann", ""))
	edgetest.Must(t, first.Moderation.Sync(ctx))
	if bans := first.Moderation.Bans(); len(bans) != 0 {
		t.Errorf("%+v are left", bans)
	}
	okOf(t, joinJSON(t, first, "/ws?token="+testToken(t, "ann", nil)).ask(`{"id":1,"cmd":"join","room":"a"}`))
	for _, x := range []struct{ user, room, code string }{
		{"ann", "a", "not_banned"}, {"ann", "", "not_banned"}, {"", "", "bad_user"}, {"user:ann", "", "bad_user"}, {"ann", "*", "bad_room"},
	} {
		var refusal *refusal.Error
		if err := first.Moderation.Lift(ctx, x.user, x.room); !errors.As(err, &refusal) || refusal.Code() != x.code {
			t.Errorf("%q from %q: %v, want %s", x.user, x.room, err, x.code)
		}
	}
}

// An order that a node missed is obeyed when it learns of it, once.
func TestMissedOrders(t *testing.T) {
	t.Parallel()
	ctx, o := context.Background(), &sharedOrders{}
	first, second := startOrdered(t, o), startOrdered(t, o)
	ann := joinJSON(t, second, "/ws?room=a&token="+testToken(t, "ann", nil))
	raw := join(t, second, "/ws?room=b&token="+testToken(t, "bob", nil))
	edgetest.WaitMembers(t, second, "a", 1)
	edgetest.WaitMembers(t, second, "b", 1)
	edgetest.Must(t, first.Moderation.Kick(ctx, "a", "ann", "spam", time.Hour))
	edgetest.Must(t, first.Moderation.DisconnectUser(ctx, "bob", "", false, time.Hour))
	edgetest.Must(t, second.Moderation.Sync(ctx))
	if v := ann.push("left"); v["reason"] != "spam" {
		t.Errorf("%v", v)
	}
	raw.WantClose(conn.CodeKicked)
	edgetest.Must(t, second.Moderation.Sync(ctx))
	okOf(t, ann.ask(`{"id":1,"cmd":"ping"}`))
}

// Without the store a node starts, says so, and refuses what it could not keep.
func TestOrdersWithoutTheirStore(t *testing.T) {
	t.Parallel()
	ctx, o := context.Background(), &sharedOrders{}
	o.fail(broker.ErrUnavailable)
	s := startOrdered(t, o)
	if why := s.NotReady(); len(why) != 1 || !strings.Contains(why[0], "settings of rooms") {
		t.Errorf("unready: %q", why)
	}
	ann := joinJSON(t, s, "/ws?room=a&token="+testToken(t, "ann", nil))
	okOf(t, ann.ask(`{"id":1,"cmd":"ping"}`))
	for what, err := range map[string]error{
		"kick": s.Moderation.Kick(ctx, "a", "ann", "", time.Hour), "mute": s.Moderation.SetRoomSettings(ctx, "a", broker.RoomSettings{Muted: true}), "lift": s.Moderation.Lift(ctx, "ann", "a"),
	} {
		var refusal *refusal.Error
		if !errors.As(err, &refusal) || refusal.Code() != "unavailable" {
			t.Errorf("%s: %v", what, err)
		}
	}
	edgetest.Must(t, s.Moderation.Kick(ctx, "a", "ann", "now", 0))
	ann.push("left")
	o.fail(nil)
	edgetest.Must(t, s.Moderation.Sync(ctx))
	if why := s.NotReady(); len(why) != 0 {
		t.Errorf("unready: %q", why)
	}
}

// What a room remembers changes while people are in it.
func TestRetentionAtRunTime(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := edgetest.Start(t, func(c *edge.Config) { c.History = broker.Rules{{Pattern: "*"}} })
	early := joinJSON(t, s, "/ws?room=a")
	edgetest.WaitMembers(t, s, "a", 1)
	edgetest.PublishTo(t, s, "a", "forgotten")
	edgetest.Must(t, s.Moderation.SetRoomSettings(ctx, "a", broker.RoomSettings{History: &broker.Retention{Messages: 3, Age: time.Hour}}))
	for i := range 10 {
		edgetest.PublishTo(t, s, "a", fmt.Sprint(i))
	}
	for i := 0; i < 11; i++ {
		if v := early.push("message"); i > 0 && v["offset"] != float64(i) {
			t.Fatalf("message %d is %v", i, v)
		}
	}
	late := joinJSON(t, s, "/ws")
	ok := okOf(t, late.ask(`{"id":1,"cmd":"join","room":"a","history":10}`))
	if list := ok["messages"].([]any); len(list) != 3 || ok["offset"] != float64(10) {
		t.Errorf("joined with %v", ok)
	}
	edgetest.Must(t, s.Moderation.SetRoomSettings(ctx, "a", broker.RoomSettings{History: &broker.Retention{}}))
	edgetest.PublishTo(t, s, "a", "in no history")
	if v := late.push("message"); v["offset"] != nil {
		t.Errorf("%v", v)
	}
	if v := okOf(t, joinJSON(t, s, "/ws").ask(`{"id":1,"cmd":"join","room":"a","history":10}`)); v["offset"] != nil && v["offset"] != float64(0) {
		t.Errorf("joined with %v", v)
	}
	var refusal *refusal.Error
	for _, r := range []broker.Retention{{Messages: -1}, {Messages: broker.MaxRetained + 1, Age: time.Hour}, {Messages: 1, Age: broker.MaxRetentionAge + 1}, {Messages: 1, Age: 1}} {
		if err := s.Moderation.SetRoomSettings(ctx, "a", broker.RoomSettings{History: &r}); !errors.As(err, &refusal) || refusal.Code() != "invalid_history" {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

// TestBansAreBounded by what a node remembers, expired ones apart.
func TestBansAreBounded(t *testing.T) {
	t.Parallel()
	o := &sharedOrders{}
	s := startOrdered(t, o)
	for i := range bounds.Bans {
		_, err := o.Put(context.Background(), ban(fmt.Sprint(i), "", `{}`))
		edgetest.Must(t, err)
	}
	edgetest.Must(t, s.Moderation.Sync(context.Background()))
	var refusal *refusal.Error
	if err := s.Moderation.DisconnectUser(context.Background(), "ann", "", false, time.Minute); !errors.As(err, &refusal) || refusal.Code() != "too_many_bans" {
		t.Errorf("%v", err)
	}
	edgetest.Must(t, s.Moderation.DisconnectUser(context.Background(), "ann", "", false, 0))
	edgetest.Must(t, s.Moderation.Lift(context.Background(), "7", ""))
	edgetest.Must(t, s.Moderation.DisconnectUser(context.Background(), "ann", "", false, time.Minute))
}

// ban is the entry of somebody who is kept out for an hour.
func ban(user, room, order string) replica.Entry {
	return replica.Entry{Name: "ban " + user + " " + room, Value: order, Until: time.Now().Add(time.Hour)}
}

// What a node learns of at once it obeys at once, not going through its connections for
// each.
func TestManyMissedOrders(t *testing.T) {
	t.Parallel()
	const users, bans = 20, 5000
	ctx, o := context.Background(), &sharedOrders{}
	s := edgetest.Start(t, func(c *edge.Config) { withAuth(t, c); c.Orders, c.Shards = o, 1 })
	var conns []*viewer
	for i := range users {
		conns = append(conns, joinAs(t, s, fmt.Sprint("u", i)))
		if i%2 == 0 {
			okOf(t, conns[i].ask(`{"id":1,"cmd":"join","room":"a"}`))
		}
	}
	for i := range bans {
		room := ""
		if i%2 == 0 {
			room = "a"
		}
		user := fmt.Sprint("u", i)
		_, err := o.Put(ctx, ban(user, room, fmt.Sprintf(`{"user":%q,"room":%q,"reason":"spam","until":3600000}`, user, room)))
		edgetest.Must(t, err)
	}
	goOn := make(chan struct{})
	s.Node.Loops.All()[0].Do(func() { <-goOn })
	edgetest.Must(t, s.Moderation.Sync(ctx))
	close(goOn)
	for i, c := range conns {
		if i%2 == 0 {
			c.push("left")
		} else {
			c.push("bye")
			c.WantClose(conn.CodeKicked)
		}
	}
}

// However short the time for which somebody is kept out, they are sent out.
func TestKeptOutBriefly(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) { withAuth(t, c) })
	ann := joinJSON(t, s, "/ws?room=a&token="+testToken(t, "ann", nil))
	ann.push("joined")
	edgetest.Must(t, s.Moderation.Kick(context.Background(), "a", "ann", "", time.Microsecond))
	ann.push("left")
}

// What a newer node orders is not understood, and does nobody harm.
func TestOrdersOfNewerNodes(t *testing.T) {
	t.Parallel()
	ctx, o := context.Background(), &sharedOrders{}
	s := startOrdered(t, o)
	ann := joinJSON(t, s, "/ws?room=a&token="+testToken(t, "ann", nil))
	edgetest.WaitMembers(t, s, "a", 1)
	for name, value := range map[string]string{"ban  ": "{}", "freeze a": `{"room":"a"}`, "ban ann b": `{"user":"ann","room":"a"}`, "settings a": "{}", "ban ann a": "no order"} {
		_, err := o.Put(ctx, replica.Entry{Name: name, Value: value})
		edgetest.Must(t, err)
	}
	edgetest.Must(t, s.Moderation.Sync(ctx))
	s.Delivery.Deliver(&broker.Message{Room: moderation.ControlRoom, Kind: moderation.KindControl, Format: broker.JSON, Payload: []byte(`{"thaw":1}`)})
	okOf(t, ann.ask(`{"id":1,"cmd":"leave","room":"a"}`))
	if bans := s.Moderation.Bans(); len(bans) != 0 {
		t.Errorf("%+v", bans)
	}
}

// Who was still waiting to be let in when the order came does not get in.
func TestKeptOutWhileWaiting(t *testing.T) {
	t.Parallel()
	s, b := edgetest.StartLate(t, func(c *edge.Config) { withAuth(t, c) })
	for room, order := range map[string]func() error{
		"a": func() error { return s.Moderation.DisconnectUser(context.Background(), "ann", "", false, time.Hour) },
		"b": func() error { return s.Moderation.Kick(context.Background(), "b", "bob", "", time.Hour) },
	} {
		user := map[string]string{"a": "ann", "b": "bob"}[room]
		socket := edgetest.DialTCP(t, s)
		_, err := io.WriteString(socket, edgetest.UpgradeRequest("/ws?room="+room+"&token="+testToken(t, user, nil)))
		edgetest.Must(t, err)
		edgetest.WaitFor(t, "the upgrade to wait", func() bool {
			return onLoops(t, s, func(l *conn.Loop) int { return s.Node.Waits[l.Index()].Len() }) == 1
		})
		edgetest.Must(t, order())
		b.Ready(room)
		if _, resp := edgetest.ShakeOn(t, socket, ""); resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s: status %d", user, resp.StatusCode)
		}
		if s.Delivery.Members(room) != 0 {
			t.Errorf("%s is in", user)
		}
	}
}

// Who comes back to a room that remembers nothing any more is not told that they
// missed nothing.
func TestBackInARoomThatForgets(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := edgetest.Start(t, nil)
	epoch := epochOf(t, s, "a")
	edgetest.Must(t, s.Moderation.SetRoomSettings(ctx, "a", broker.RoomSettings{History: &broker.Retention{}}))
	edgetest.PublishTo(t, s, "a", "missed")
	v := okOf(t, joinJSON(t, s, "/ws").ask(fmt.Sprintf(`{"id":1,"cmd":"join","room":"a","since":{"epoch":%q,"offset":1}}`, epoch)))
	gap, _ := v["gap"].(map[string]any)
	if v["resumed"] != nil || gap["reason"] != broker.GapEpoch || gap["from"] != 2.0 {
		t.Errorf("joined with %v", v)
	}
}
