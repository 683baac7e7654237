// Upgrades that wait: for the verdict on their token, or for the broker.

package edge

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"barrage/internal/refusal"
	"barrage/netpoll"
)

const (
	brokerWait = 2 * time.Second // how long an upgrade waits for the broker
	maxEarly   = 4 << 10         // bytes kept of what comes behind a request that waits
)

// wantAll asks the broker for the messages of all rooms, and reports whether
// they are coming already.
func (s *shard) wantAll(rooms []string) (ready bool) {
	ready = true
	for _, r := range rooms {
		ready = s.srv.want(r) && ready
	}
	return ready
}

// hold keeps an upgrade for later. Nothing is read from it meanwhile.
func (s *shard) hold(id netpoll.ID, w *waiter, longest time.Duration) error {
	if len(w.rest) > maxEarly {
		return refusal.New(http.StatusBadRequest, "too_early", "more than "+strconv.Itoa(maxEarly)+" bytes came before the upgrade was answered")
	}
	w.response = slices.Clone(w.response)
	w.rest = slices.Clone(w.rest)
	s.waiting[id] = w
	s.sessions.at(id).state = stateWaiting
	s.loop.Pause(id)
	s.loop.SetDeadline(id, longest)
	s.srv.waiters.Add(1)
	return nil
}

// roomReady admits those who waited for this room last.
func (s *shard) roomReady(room string) {
	for _, id := range slices.Clone(s.waits[room]) {
		if s.wantAll(s.waiting[id].rooms) {
			s.loop.Guard(id, s.admit)
		}
	}
	s.joinsReady(room)
}

// admit lets a waiting connection in, with the broker's messages or without.
func (s *shard) admit(id netpoll.ID) {
	w := s.waiting[id]
	s.forgetWaiter(id)
	s.loop.Resume(id)
	if err := s.mayEnter(w); err != nil { // sent out while it waited
		s.refuse(id, closeRefused, err)
		return
	}
	s.open(id, w)
	s.wantAll(w.rooms) // a long wait may have outlasted the broker's interest
}

func (s *shard) forgetWaiter(id netpoll.ID) {
	w := s.waiting[id]
	delete(s.waiting, id)
	s.srv.waiters.Add(-1)
	for _, r := range w.rooms {
		ids := s.waits[r]
		for i := range ids {
			if ids[i] == id {
				ids[i] = ids[len(ids)-1]
				ids = ids[:len(ids)-1]
				break
			}
		}
		if len(ids) == 0 {
			delete(s.waits, r)
		} else {
			s.waits[r] = ids
		}
	}
}
