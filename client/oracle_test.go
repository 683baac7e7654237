package client

// This file is what must be true of a room's events, whatever happened.

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"barrage/edge/edgetest"
	"barrage/internal/broker"
)

// ear listens to a room: each message comes once and in order, and those that are missing
// are in a gap that was told.
type ear struct {
	nap    atomic.Int64 // takes nothing for so long, next
	mu     sync.Mutex
	from   Position // where the room was joined first
	at     Position
	texts  []string
	heard  map[string]bool // by id
	epochs map[string]bool
	gaps   []Gap
	faults []string
	over   error
}

// listen hears all of a room until it is over.
func listen(t *testing.T, r *Room) *ear {
	e := &ear{heard: map[string]bool{}, epochs: map[string]bool{}}
	done := make(chan struct{})
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		defer close(done)
		for {
			event, err := r.Next(ctx)
			e.take(r, event, err)
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { stop(); <-done })
	return e
}

func (e *ear) take(r *Room, event Event, err error) {
	time.Sleep(time.Duration(e.nap.Swap(0)))
	e.mu.Lock()
	defer e.mu.Unlock()
	switch v := event.(type) {
	case nil:
		e.over = err
	case Joined:
		if e.from.Epoch == "" {
			r.client.wait(func() { e.from = r.stream.at })
		}
	case Gap:
		e.gaps = append(e.gaps, v)
	case Message:
		e.texts = append(e.texts, v.Text())
		if e.heard[v.ID] {
			e.faults = append(e.faults, fmt.Sprintf("%s twice", v.Text()))
		}
		e.heard[v.ID] = true
		e.place(Position{v.Epoch, v.Offset})
	}
}

func (e *ear) place(p Position) {
	if p.Offset == 0 {
		return
	}
	if p.Epoch == e.at.Epoch && p.Offset <= e.at.Offset {
		e.faults = append(e.faults, fmt.Sprintf("%v behind %v", p, e.at))
	}
	if old := e.at.Epoch; old != "" && p.Epoch != old && !slices.ContainsFunc(e.gaps, func(g Gap) bool { return g.Epoch == old && g.To == 0 }) {
		e.faults = append(e.faults, fmt.Sprintf("%v behind %v, and no gap", p, e.at))
	}
	e.at = p
	e.epochs[p.Epoch] = true
}

// begins is the epoch in which it has begun to listen; empty: not yet, as far as it knows.
func (e *ear) begins() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.from.Epoch
}

// known leaves out what was said in histories of which it may know nothing: those of servers
// that came and went while it was away.
func (e *ear) known(all []Published) []Published {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(all), func(p Published) bool { return p.Epoch != e.from.Epoch && !e.epochs[p.Epoch] })
}

// await waits until a text was heard.
func (e *ear) await(t *testing.T, text string) {
	t.Helper()
	edgetest.WaitFor(t, fmt.Sprintf("%q to be heard", text), func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return slices.Contains(e.texts, text)
	})
}

// verdict is what is wrong, when all of these were published since the room was joined.
func (e *ear) verdict(all []Published) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	faults := slices.Clone(e.faults)
	for _, m := range all {
		lost := m.Offset > 0 && !e.heard[m.MessageID] && (m.Epoch != e.from.Epoch || m.Offset > e.from.Offset)
		if lost && !slices.ContainsFunc(e.gaps, func(g Gap) bool {
			return g.Epoch == m.Epoch && g.From <= m.Offset && (g.To == 0 || m.Offset <= g.To)
		}) {
			faults = append(faults, fmt.Sprintf("%s/%d lost", m.Epoch, m.Offset))
		}
	}
	return strings.Join(faults[:min(5, len(faults))], ", ")
}

// submit publishes, and returns when the message waits to be published, so that the next one
// is behind it.
func submit(ctx context.Context, t *testing.T, c *Client, room string, data any, o PublishOptions) <-chan outcome {
	t.Helper()
	same, err := publishCommand(room, data, o)
	edgetest.Must(t, err)
	result := make(chan outcome, 1)
	go func() {
		ok, err := c.Publish(ctx, room, data, o)
		result <- outcome{ok, err}
	}()
	edgetest.WaitFor(t, "the message to wait", func() bool {
		waits := len(result) > 0
		c.wait(func() {
			for _, e := range c.outbox.entries {
				waits = waits || e.command.Room == same.Room && string(e.command.Data) == string(same.Data)
			}
		})
		return waits
	})
	return result
}

// publishNow has another one say something.
func publishNow(t *testing.T, s *edgetest.Server, room, text string) Published {
	t.Helper()
	r, err := s.Publish(context.Background(), &broker.Publication{Room: room, Format: broker.Text, Payload: []byte(text)})
	edgetest.Must(t, err)
	return Published{MessageID: r.ID, Epoch: r.Position.Epoch, Offset: r.Position.Offset, LocalOnly: r.LocalOnly}
}
