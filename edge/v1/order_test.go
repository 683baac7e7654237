// The order in which commands are carried out that are sent together.

package v1_test

import (
	"testing"

	"barrage/edge/edgetest"
	"barrage/frame"
)

// A publish does not wait for the join before it: the room begins behind it.
func TestPublishBehindJoin(t *testing.T) {
	t.Parallel()
	s, b := edgetest.StartLate(t, nil)
	c := joinJSON(t, s, "/ws")
	c.Send(frame.Text, `{"id":1,"cmd":"join","room":"a"}`)
	c.Send(frame.Text, `{"id":2,"cmd":"publish","room":"a","data":"one"}`)
	if v := c.object(); v["id"] != 2.0 || okOf(t, v)["offset"] != 1.0 {
		t.Errorf("first came %v", v)
	}
	b.Ready("a")
	if ok := okOf(t, c.answer(1)); ok["offset"] != 1.0 || ok["messages"] != nil {
		t.Errorf("joined: %v", ok)
	}
	edgetest.PublishTo(t, s, "a", "two")
	if v := c.push("message"); v["data"] != "two" {
		t.Errorf("pushed %v", v)
	}
}
