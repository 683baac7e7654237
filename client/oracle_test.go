package client

// This file is what must be true of a room's events, whatever happened.

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"barrage/edge/edgetest"
)

// ear listens to a room: each message comes once and in order, and those that are missing
// are in a gap that was told.
type ear struct {
	mu     sync.Mutex
	from   Position // where the room was joined first
	at     Position
	texts  []string
	heard  map[string]bool // by id
	gaps   []Gap
	faults []string
	over   error
}

// listen hears all of a room until it is over.
func listen(t *testing.T, r *Room) *ear {
	e := &ear{heard: map[string]bool{}}
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
	e.mu.Lock()
	defer e.mu.Unlock()
	switch v := event.(type) {
	case nil:
		e.over = err
	case Joined:
		if e.from.Epoch == "" {
			e.from = r.Position()
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
