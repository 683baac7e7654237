package main

// What was published and what came of it: the publishers of TestChaos, the one
// sequence that all viewers must have seen, and the verdict.

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
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

// publish is one publisher. It goes on with the next message when the one before is
// acknowledged, and makes up for the time that this took.
func (c *chaos) publish(i int) {
	client := &http.Client{Timeout: 3 * time.Second}
	defer client.CloseIdleConnections()
	begin := time.Now()
	for n := 0; ; n++ {
		due := begin.Add(time.Duration(n) * chaosPublishers * time.Second / chaosRate)
		time.Sleep(time.Until(due)) // the schedule is the load; no verdict depends on it
		if due.UnixNano() > c.stop.Load() {
			return
		}
		number := uint64(i)*1e9 + uint64(n) + 1
		for try := 0; !c.post(client, number); try++ {
			if try > 1000 {
				c.log.complain("publisher %d: message %d is not taken", i, number)
				return
			}
			c.counts.retries.Add(1)
			time.Sleep(time.Duration(rand.IntN(100)) * time.Millisecond) // not all at once
		}
		c.acked.Add(1)
	}
}

// post tries to publish on some node, and tells whether it was acknowledged.
func (c *chaos) post(client *http.Client, number uint64) bool {
	addr := c.addrs[rand.IntN(len(c.addrs))].admin
	text := strconv.FormatUint(number, 10)
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://"+addr+"/v1/rooms/"+chaosRoom+"/messages", strings.NewReader(text))
	if err != nil {
		return false
	}
	r.Header.Set("Idempotency-Key", text)
	w, err := client.Do(r)
	if err != nil {
		return false
	}
	defer w.Body.Close()
	body, err := io.ReadAll(w.Body)
	var answer struct {
		Epoch     string
		Offset    uint64
		LocalOnly bool `json:"local_only"`
	}
	if err != nil || w.StatusCode != http.StatusOK {
		return false
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.LocalOnly || answer.Offset == 0 {
		c.log.complain("message %d: the answer %s", number, body)
		return false
	}
	if w.Header.Get("Idempotent-Replayed") != "" {
		c.counts.replayed.Add(1)
	}
	c.log.acknowledged(chaosMessage{answer.Epoch, answer.Offset, number})
	return true
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
	t.Logf("%d viewers, %v: %d messages acknowledged, with %d repetitions (%d found it done); %d deliveries; %d resumes, the longest took %v; %d gaps announced, %d long absences filled, %d told to be slow; lost %d, twice %d, viewers not complete %d, other complaints %d",
		len(c.viewers), took.Round(time.Second), len(l.where), c.counts.retries.Load(), c.counts.replayed.Load(), c.counts.deliveries.Load(),
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
