package client

// This file is the messages of one room in order, each once.
//
// What arrives (messages, and gaps between them) goes through one line. A gap that the
// server's history, or the program, may fill stops the line until it is filled; what comes
// meanwhile waits behind it. The position moves with each message that was put, never ahead
// of one: what is dropped from the line when the connection breaks comes again after the
// next join.

import (
	"context"
	"encoding/json"
	"time"
)

const (
	pageSize = 500
	pageTime = 10 * time.Second
)

// step is one of its fields.
type step struct {
	message *Message
	gap     *Gap
	head    Position // nothing is missing up to it
}

// stream belongs to run.
type stream struct {
	room *Room
	at   Position // the last that was put; no epoch: none yet
	line []step
	fill *Gap   // what is being fetched, less what was put already; nil: nothing
	busy bool   // pump is at work
	gone string // the epoch that was told to be
}

func (s *stream) add(next step) {
	if s.room.state != joined {
		s.drop(next)
		return
	}
	s.line = append(s.line, next)
	if s.fill != nil && len(s.line) > s.room.client.opt.Buffer {
		rest := *s.fill
		s.fill = nil
		s.tell(rest)
	}
	s.pump()
}

func (s *stream) pump() {
	if s.busy {
		return
	}
	s.busy = true
	for s.fill == nil && len(s.line) > 0 {
		next := s.line[0]
		s.line = s.line[1:]
		switch {
		case next.gap != nil:
			s.gap(*next.gap)
		case next.message != nil:
			s.deliver(*next.message)
		default:
			s.reach(next.head)
		}
	}
	s.busy = false
}

// stop drops what waits.
func (s *stream) stop() {
	s.fill = nil
	line := s.line
	s.line = nil
	for _, next := range line {
		s.drop(next)
	}
}

// drop takes note of what no later join brings.
func (s *stream) drop(next step) {
	if next.message != nil && next.message.Offset == 0 {
		s.room.missed++
	}
}

// down is the end of the connection: what the history has will come again, the rest is put
// now.
func (s *stream) down() {
	s.fill = nil
	line := s.line
	s.line = nil
	for _, next := range line {
		if next.message != nil && next.message.Offset == 0 {
			s.deliver(*next.message)
		}
	}
}

func (s *stream) reach(p Position) {
	if p.Epoch != s.at.Epoch || p.Offset > s.at.Offset {
		s.at = p
		s.room.reached(p)
	}
}

func (s *stream) deliver(m Message) {
	m.Room = s.room.name
	before := s.at
	if m.Offset > 0 {
		if m.Epoch == s.at.Epoch && m.Offset <= s.at.Offset {
			return
		}
		s.at = Position{m.Epoch, m.Offset}
	}
	if s.room.state != joined || !s.room.put(m, len(m.Data)+len(m.Bytes)) {
		s.at = before
		s.drop(step{message: &m})
	}
}

func (s *stream) gap(g Gap) {
	g.Room = s.room.name
	if g.Epoch == "" && g.To > 0 {
		g.Epoch = s.at.Epoch
	}
	if g.To > 0 && g.Epoch == s.at.Epoch {
		if g.To <= s.at.Offset {
			return
		}
		g.From = max(g.From, s.at.Offset+1)
	}
	// A join is told of it, and then all in the room, when something is said there again.
	if g.Reason == "epoch" && g.Epoch == s.gone {
		return
	}
	fillable := g.Epoch != "" && g.From > 0 && g.To > 0 && (g.Reason == "large" || g.Reason == "slow" || g.Reason == "overloaded")
	if !fillable && s.room.options.Load == nil {
		s.tell(g)
		return
	}
	f := &g
	s.fill = f
	if fillable {
		s.fetch(f)
	} else {
		s.load(f, g, func() { s.filled(f) })
	}
}

// filled is the end of a fill, if it is still the one.
func (s *stream) filled(f *Gap) {
	if s.fill == f {
		s.fill = nil
	}
}

// tell tells of a gap, and goes on behind it.
func (s *stream) tell(g Gap) {
	before := *s
	s.pass(g)
	if s.room.state != joined || !s.room.put(g, 0) {
		s.at, s.gone = before.at, before.gone
	}
}

// pass moves the position behind a gap in its epoch.
func (s *stream) pass(g Gap) {
	if g.Reason == "epoch" {
		s.gone = g.Epoch
	}
	if g.To > 0 && (s.at.Epoch == "" || s.at.Epoch == g.Epoch) && g.To > s.at.Offset {
		s.at = Position{g.Epoch, g.To}
	}
}

// fetch brings one page of what is missing.
func (s *stream) fetch(f *Gap) {
	cmd := command{Cmd: "history", Room: s.room.name, Since: &Position{f.Epoch, f.From - 1}, Limit: pageSize}
	s.room.client.send(cmd, pageTime, here, func(ok json.RawMessage, err *Error) {
		if s.fill != f {
			return
		}
		var p page
		if err != nil || json.Unmarshal(ok, &p) != nil {
			s.fill = nil
			s.tell(*f)
		} else {
			s.fetched(f, &p)
		}
		s.pump()
	})
}

func (s *stream) fetched(f *Gap, p *page) {
	if p.Gap != nil {
		g := *p.Gap
		g.Room, p.Gap = s.room.name, nil
		s.load(f, g, func() { s.fetched(f, p) })
		return
	}
	for _, m := range p.Messages {
		m.Past = true
		s.deliver(m)
	}
	switch n := len(p.Messages); {
	case s.fill != f: // there was no place
	case p.More && n > 0 && p.Messages[n-1].Epoch == f.Epoch && p.Messages[n-1].Offset < f.To:
		f.From = p.Messages[n-1].Offset + 1
		s.fetch(f)
	default:
		s.fill = nil
		if s.at.Epoch == f.Epoch {
			s.reach(Position{f.Epoch, f.To})
		}
	}
}

// load asks the program for what is missing, while f is filled, and then goes on.
func (s *stream) load(f *Gap, g Gap, then func()) {
	c := s.room.client
	if s.room.options.Load == nil {
		s.tell(g)
		then()
		return
	}
	c.wg.Go(func() {
		ctx, cancel := context.WithTimeout(c.ctx, pageTime)
		defer cancel()
		found, err := s.room.options.Load(ctx, g)
		c.post(func() {
			if s.fill != f {
				return
			}
			if err != nil || found == nil {
				s.tell(g)
			} else {
				s.loaded(g, found)
			}
			if s.fill == f {
				then()
			}
			s.pump()
		})
	})
}

func (s *stream) loaded(g Gap, found []Message) {
	for _, m := range found {
		m.Past = true
		if m.Epoch != s.at.Epoch { // it is no place in this history
			m.Room = s.room.name
			if s.room.state != joined || !s.room.put(m, len(m.Data)+len(m.Bytes)) {
				return
			}
			continue
		}
		s.deliver(m)
	}
	if s.room.state == joined {
		s.pass(g)
	}
}
