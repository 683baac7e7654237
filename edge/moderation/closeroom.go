// Closing rooms: everybody leaves, backends get what was said, and it is forgotten.

package moderation

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"barrage/edge/events"
	"barrage/edge/publish"
	"barrage/internal/broker"
	"barrage/internal/refusal"
)

const (
	closeTime  = 30 * time.Second // bounds it all, so that the HTTP API can still answer
	closePage  = 100              // messages read at once
	closeBytes = 8 << 20          // likewise

	// CloseRounds is how often, while a room is closed, something may be published.
	CloseRounds = 10
)

// CloseRoom takes everybody out of a room, on all nodes, tells backends what was
// said in it, and forgets it. After an error everybody may be out and backends may
// have been told, but nothing is forgotten that they are not told.
func (m *Moderation) CloseRoom(ctx context.Context, room, reason string) error {
	room, err := broker.RoomName(room)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, closeTime)
	defer cancel()
	if err := m.give(ctx, &order{Room: room, Reason: reason, Everybody: true}); err != nil {
		return err
	}
	if !m.cfg.Events.Wants(events.RoomClosed, room) {
		return m.Clear(ctx, room)
	}
	t := &transcript{events: m.cfg.Events, room: room, reason: reason}
	err = m.handOver(ctx, t)
	t.send(err == nil)
	return err
}

// Clear forgets a room's history.
func (m *Moderation) Clear(ctx context.Context, room string) error {
	if err := m.broker.Clear(ctx, room); err != nil {
		return publish.Refuse(err)
	}
	return nil
}

// handOver hands over a history and forgets it, if nothing was published in between;
// else it goes on with that.
func (m *Moderation) handOver(ctx context.Context, t *transcript) error {
	for range CloseRounds {
		if err := m.readOn(ctx, t); err != nil {
			return err
		}
		cleared, err := m.broker.ClearAt(ctx, t.room, t.end)
		switch {
		case err != nil:
			return publish.Refuse(err)
		case cleared:
			return nil
		}
	}
	return refusal.New(http.StatusConflict, "busy", "more and more is published in the room: its history is still there")
}

// readOn adds to the transcript what is behind its end, up to what is the newest
// message when it begins.
func (m *Moderation) readOn(ctx context.Context, t *transcript) error {
	for newest := uint64(0); ; {
		page, err := m.broker.History(ctx, t.room, broker.Query{After: &t.end, Limit: closePage, Bytes: closeBytes})
		if err != nil {
			return publish.Refuse(err)
		}
		if page.Gap != nil && page.Gap.Reason == broker.GapEpoch {
			t.end = broker.Position{} // another history, to be read from its beginning
			return nil
		}
		if err := t.add(ctx, page.Messages); err != nil {
			return err
		}
		newest = cmp.Or(newest, page.Head.Offset)
		if !page.More {
			t.end = page.Head
			return nil
		}
		if len(page.Messages) == 0 {
			return nil // another program has changed the store
		}
		last := page.Messages[len(page.Messages)-1]
		if t.end = (broker.Position{Epoch: last.Epoch, Offset: last.Offset}); t.end.Offset >= newest {
			return nil
		}
	}
}

// transcript is what backends are told of a room that is being closed. Its newest part
// waits, in a place of its own, until it is known whether it is the last.
type transcript struct {
	events       *events.Emitter
	room, reason string

	end   broker.Position // of the messages that were added
	parts int
	part  *events.Event // the one that waits; nil: none
	put   func()        // sends it
}

// add adds messages; at first also none.
func (t *transcript) add(ctx context.Context, messages []*broker.Message) error {
	parts := t.events.Cut(messages)
	if t.parts == 0 && len(parts) == 0 {
		parts = append(parts, nil)
	}
	for _, p := range parts {
		t.send(false)
		part := &events.Event{Type: events.RoomClosed, Room: t.room, Reason: t.reason, Part: t.parts + 1, Transcript: p}
		put, err := t.events.Reserve(ctx, part)
		if err != nil {
			return refuseEvent(err)
		}
		t.part, t.put = part, put
		t.parts++
	}
	return nil
}

// send has the part that waits sent.
func (t *transcript) send(last bool) {
	if t.part == nil {
		return
	}
	t.part.Last = last
	t.put()
	t.part, t.put = nil, nil
}

// refuseEvent is an emitter's error as a refusal.
func refuseEvent(err error) error {
	if errors.Is(err, events.ErrClosed) {
		return refusal.Retry(http.StatusServiceUnavailable, "unavailable", "the server is stopping: the room's history is still there", time.Second)
	}
	return refusal.Retry(http.StatusServiceUnavailable, "overloaded", "too much waits to be told to backends: the room's history is still there", time.Second)
}
