// What plain connections say is what WebSockets of barrage.v1 say.

package tcp_test

import (
	"testing"

	"barrage/edge/edgetest"
	"barrage/edge/tcp"
	"barrage/frame"
)

// TestRooms: plain connections and WebSockets share rooms.
func TestRooms(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f tcp.Framing, address int) {
		s := start(t, f, nil)
		one, two := join(t, s, address, "a"), join(t, s, address, "a")
		raw := edgetest.Join(t, s, "/ws?room=a")
		edgetest.WaitMembers(t, s, "a", 3)
		one.send(`{"id":2,"cmd":"publish","room":"a","data":{"text":"a\nb"}}`)
		one.wantAll(`{"push":"message","room":"a"`, `{"id":2,"ok":`)
		two.want(`{"push":"message","room":"a"`)
		raw.Want(frame.Text, `{"text":"a\nb"}`)
		raw.Send(frame.Text, "hello")
		one.want(`{"push":"message","room":"a"`)
		two.want(`{"push":"message","room":"a"`)
		edgetest.Balanced(t, s)
	})
}
