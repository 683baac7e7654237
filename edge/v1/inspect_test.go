// What operators and backends learn about single connections.

package v1_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"barrage/edge"
	"barrage/edge/edgetest"
	"barrage/edge/events"
	"barrage/frame"
)

// TestHasConn: each connection is known by its ID on its node, and by nothing else.
func TestHasConn(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) { withAuth(t, c) })
	has := func(id string) bool {
		t.Helper()
		ok, err := s.HasConn(context.Background(), id)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	var ids []string
	var viewers []*viewer
	for range 10 { // on both shards
		c := joinSilent(t, s, "/ws?token="+testToken(t, "ann", nil))
		id, _ := c.object()["conn"].(string)
		ids, viewers = append(ids, id), append(viewers, c)
	}
	for _, id := range ids {
		if !has(id) {
			t.Errorf("%s is not known", id)
		}
		for _, other := range []string{strings.ToUpper(id), id + "0", " " + id, strings.Replace(id, "-", "-0", 1), strings.TrimPrefix(id, s.Config.Node+"-"), "other" + id} {
			if has(other) {
				t.Errorf("%q is taken for %s", other, id)
			}
		}
	}
	for _, id := range []string{"", "-", s.Config.Node, s.Config.Node + "-", s.Config.Node + "-zzzzzzzzzzzzzzzzzzzz", s.Config.Node + "-zzz"} {
		if has(id) {
			t.Errorf("%q is known", id)
		}
	}
	_ = viewers[0].Conn.Close()
	edgetest.WaitFor(t, "the one that is gone to be forgotten", func() bool { return !has(ids[0]) })
	if !has(ids[1]) {
		t.Error("another one is gone, too")
	}
}

// addresses is a sink that keeps where events say that clients come from.
type addresses struct {
	mu  sync.Mutex // guards got
	got []string   // "type user remote"
}

func (a *addresses) Send(_ context.Context, batch []events.Record) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, x := range batch {
		var e struct{ Type, User, Remote string }
		if err := json.Unmarshal(x.JSON, &e); err != nil {
			return err
		}
		a.got = append(a.got, e.Type+" "+e.User+" "+e.Remote)
	}
	return nil
}

func (a *addresses) Close() {}

// TestConnectTellsTheAddress: backends are told once where a connection comes from,
// whichever way it says who it is.
func TestConnectTellsTheAddress(t *testing.T) {
	t.Parallel()
	sink := new(addresses)
	e, err := events.New(events.Config{Sink: sink, Linger: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close(context.Background()) })
	s := edgetest.Start(t, func(c *edge.Config) { withAuth(t, c); c.Events = e })
	raw := join(t, s, "/ws?room=a&token="+testToken(t, "raw", nil))
	early := joinJSON(t, s, "/ws?token="+testToken(t, "early", nil))
	late := joinJSON(t, s, "/ws")
	okOf(t, late.ask(`{"id":1,"cmd":"auth","token":"`+testToken(t, "late", nil)+`"}`))
	var want []string
	for user, c := range map[string]*viewer{"raw": raw, "early": early, "late": late} {
		want = append(want, "connect "+user+" "+c.Conn.LocalAddr().String(), "disconnect "+user+" ")
		c.Send(frame.Close, "\x03\xe8")
	}
	want = append(want, "join raw ", "leave raw ")
	edgetest.WaitFor(t, "all to go", func() bool { return s.Stats().Connections == 0 })
	if err := e.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	slices.Sort(sink.got)
	if !slices.Equal(sink.got, want) {
		t.Errorf("told\n%q, want\n%q", sink.got, want)
	}
}
