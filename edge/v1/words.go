// The words of barrage.v1, for other protocols that use them.

package v1

import (
	"cmp"
	"fmt"
	"net/http"
	"time"

	"github.com/valyala/bytebufferpool"

	"barrage/edge/auth"
	"barrage/edge/conn"
	"barrage/edge/delivery"
	"barrage/edge/node"
	"barrage/edge/publish"
	"barrage/internal/bounds"
	"barrage/internal/broker"
	"barrage/internal/refusal"
)

// Codec writes what a room says as pushes.
func Codec() delivery.Codec { return codec{} }

// Unread is how many bytes a connection may be owed that gets messages of so many.
func Unread(maxMessage int) int { return bounds.UnreadAnswers + 2*maxEscape*maxMessage }

// Welcome is the push of that name with what a backend has to say to people, and nothing of
// the connection.
func Welcome(buf *bytebufferpool.ByteBuffer, message string) []byte {
	return appendJSON(buf, &struct {
		Push    string `json:"push"`
		Message string `json:"message"`
	}{"welcome", message})
}

// Given is the push of a message that is for one client alone.
func Given(buf *bytebufferpool.ByteBuffer, l *conn.Loop, c *conn.Client, m *broker.Message) []byte {
	return appendJSON(buf, givenTo(l, c, m))
}

// Joined is the push of that name, without messages: buf is empty, and what is returned is
// in it. since tells that the page is of what a client missed.
func Joined(buf *bytebufferpool.ByteBuffer, room string, page *broker.Page, since bool, users, connections int) []byte {
	return appendJSON(buf, &joinReply{
		Push: "joined", Room: room, Epoch: page.Head.Epoch, Offset: page.Head.Offset,
		Resumed: since && page.Gap == nil, Gap: gapOf(page.Gap), Users: users, Connections: connections,
	})
}

// Slow is the push that tells a slow client what it does not get.
func Slow(buf *bytebufferpool.ByteBuffer, room string, lost delivery.Skips) []byte {
	return appendJSON(buf, slowGap(room, lost))
}

// Left is the push that tells a client that it was taken out of a room.
func Left(buf *bytebufferpool.ByteBuffer, room, reason string) []byte {
	return appendJSON(buf, &leftPush{Push: "left", Room: room, Reason: reason})
}

// Bye is the last push.
func Bye(buf *bytebufferpool.ByteBuffer, code uint16, reason string, wait time.Duration) []byte {
	return appendJSON(buf, bye(code, reason, wait))
}

// Publication reads the object of a publish, without its cmd, by a user who is not in a
// room. key is what it has without a key of its own, and room where it goes if it names
// nothing.
func Publication(n *node.Node, object []byte, room, key, user string, rights auth.Rights) (*broker.Publication, error) {
	var cmd command
	if err := decode(false, object, &cmd); err != nil {
		return nil, err
	}
	cmd.Key = cmp.Or(cmd.Key, key)
	if !cmd.names() {
		cmd.Room = room
	}
	if !cmd.names() {
		return nil, badCommand("a publish needs room or to")
	}
	to, err := cmd.named()
	if err != nil {
		return nil, err
	}
	m, err := cmd.publication(n, to, user, rights)
	if err != nil {
		return nil, err
	}
	return m, CheckSize(n, m)
}

// CheckSize refuses a message that clients may not publish for its length.
func CheckSize(n *node.Node, m *broker.Publication) error {
	if len(m.Payload) <= n.MaxPublish {
		return nil
	}
	n.Publisher.Refused.Add(publish.TooBig)
	return refusal.New(http.StatusRequestEntityTooLarge, "too_big", fmt.Sprintf("a message may have %d bytes (max_publish_bytes)", n.MaxPublish))
}

// Published is what a reply to publish has, of a message for one device alone or another.
func Published(got *broker.Receipt, single bool) []byte {
	json, _ := toJSON(published(got, single)) // of texts and numbers
	return json
}
