// What users' other connections are told of what one of them writes to somebody.

package mailbox

import (
	"barrage/edge/publish"
	"barrage/internal/broker"
)

// Own gives a copy of what a user wrote to those of the user's clients here that want it. It
// is called by the broker.
func (o *Office) Own(m *broker.Message) {
	user, _ := broker.UserOf(m.Room)
	of, to, device := publish.OpenOwn(m)
	if of == nil || of.Expired() {
		return
	}
	of = broker.Sanitize(of)
	for _, c := range o.cfg.Users.Of(user) {
		o.cfg.Post(c, func() { o.boxes[c.Loop()].host.Own(c, of, to, device) })
	}
}
