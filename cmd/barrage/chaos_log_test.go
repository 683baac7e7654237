package main

// What came of TestChaos: the one sequence that all viewers must have seen, and the
// verdict.

import (
	"fmt"
	"sync"
	"time"
)

// chaosMessage is a message and its place. The payload is its number.
type chaosMessage struct {
	epoch  string
	offset uint64
	number uint64 // publisher*1e9 + 1, 2, 3 …
}

type chaosPlace struct {
	epoch  string
	offset uint64
}

// chaosLog is what everybody agrees on. Any goroutine.
type chaosLog struct {
	mu     sync.RWMutex // guards what follows
	at     map[chaosPlace]uint64
	where  map[uint64]chaosPlace // of the acknowledged ones, as the answer said
	newest chaosMessage
	wrong  []string
	gaps   []string
}

const maxComplaints = 20

func newChaosLog() *chaosLog {
	return &chaosLog{at: make(map[chaosPlace]uint64), where: make(map[uint64]chaosPlace)}
}

func (l *chaosLog) complain(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.wrong) < maxComplaints {
		l.wrong = append(l.wrong, fmt.Sprintf(format, args...))
	}
}

func (l *chaosLog) gap(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gaps = append(l.gaps, fmt.Sprintf(format, args...))
}

// seen notes what somebody got at a place, or was told to be there.
func (l *chaosLog) seen(who string, m chaosMessage) {
	p := chaosPlace{m.epoch, m.offset}
	l.mu.RLock()
	number, known := l.at[p]
	l.mu.RUnlock()
	if !known {
		l.mu.Lock()
		if number, known = l.at[p]; !known {
			l.at[p], number = m.number, m.number
		}
		l.mu.Unlock()
	}
	if number != m.number {
		l.complain("%s: message %d at %v, where others have %d", who, m.number, p, number)
	}
}

// acknowledged notes the answer to a publisher.
func (l *chaosLog) acknowledged(m chaosMessage) {
	l.seen("the answer", m)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.where[m.number] = chaosPlace{m.epoch, m.offset}
	if m.epoch != l.newest.epoch || m.offset > l.newest.offset {
		l.newest = m
	}
}

func (l *chaosLog) last() *chaosMessage {
	l.mu.RLock()
	defer l.mu.RUnlock()
	m := l.newest
	return &m
}

// judge compares.
func (c *chaos) judge(took time.Duration) {
	t, l := c.t, c.log
	var longest time.Duration
	late := 0
	for _, v := range c.viewers {
		longest = max(longest, v.longest)
		if !v.has(c.target.Load()) {
			late++
			l.complain("viewer %d has ended at %s/%d", v.name, v.epoch, v.offset)
		}
	}
	times := make(map[uint64]int)
	lost, twice := 0, 0
	for _, number := range l.at {
		if times[number]++; times[number] == 2 {
			twice++
		}
	}
	for number, p := range l.where {
		if l.at[p] != number {
			lost++
		}
	}
	t.Logf("%d viewers, %v: %d messages acknowledged, %d of them over sockets, with %d repetitions (%d found it done, %d of these over sockets); %d deliveries; %d resumes, the longest took %v; %d gaps announced, %d long absences filled, %d told to be slow; lost %d, twice %d, viewers not complete %d, other complaints %d",
		len(c.viewers), took.Round(time.Second), len(l.where), c.counts.spoken.Load(), c.counts.retries.Load(), c.counts.replayed.Load(), c.counts.spokenBefore.Load(), c.counts.deliveries.Load(),
		c.counts.resumes.Load(), longest.Round(time.Millisecond), len(l.gaps), c.counts.refills.Load(), c.counts.slow.Load(), lost, twice, late, len(l.wrong))
	if lost+twice+late > 0 {
		t.Errorf("lost %d, twice %d, incomplete %d", lost, twice, late)
	}
	c.order()
	for _, text := range append(l.wrong, l.gaps[:min(len(l.gaps), maxComplaints)]...) {
		t.Error(text)
	}
}

// order: each publisher's messages are in the order in which it got through with
// them, and those of an epoch without a hole.
func (c *chaos) order() {
	epochs := make(map[string]uint64) // how long
	for p := range c.log.at {
		epochs[p.epoch] = max(epochs[p.epoch], p.offset)
	}
	for epoch, length := range epochs {
		next := make(map[uint64]uint64)
		for offset := uint64(1); offset <= length; offset++ {
			number, ok := c.log.at[chaosPlace{epoch, offset}]
			if !ok {
				c.t.Errorf("nobody has seen %s/%d", epoch, offset)
				continue
			}
			if by := number / 1e9; number <= next[by] {
				c.t.Errorf("message %d at %s/%d comes behind %d", number, epoch, offset, next[by])
			} else {
				next[by] = number
			}
		}
	}
}
