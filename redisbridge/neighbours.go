package redisbridge

// Who else is on this Redis: nodes say now and then how they are set up, on a channel that
// all deployments share, and tell operators of what does not go together. Redis' channels
// know no databases.

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// forgottenAfter is when a neighbour that says nothing any more is gone.
	forgottenAfter = 3 * inspectEvery
	maxNeighbours  = 1000
	maxHello       = 64 << 10
)

// A neighbour is what a node says of itself.
type neighbour struct {
	Node     string `json:"node"`
	Prefix   string `json:"prefix"`
	Database int    `json:"database"`
	History  string `json:"history"` // Config.History
}

// neighbours are those that do not go together with this node.
type neighbours struct {
	longer atomic.Pointer[[]string] // prefixes of others that begin with ours; nil: none

	mu    sync.Mutex // guards what follows
	heard map[string]wrong
}

// wrong is what a neighbour has that is not right.
type wrong struct {
	text   string
	longer string // see neighbours.longer
	at     time.Duration
}

// wrongWith tells what does not go together with us; the zero value: nothing.
func (n *neighbour) wrongWith(us *neighbour) wrong {
	switch {
	case n.Prefix == us.Prefix && n.Database != us.Database:
		return wrong{text: fmt.Sprintf("a node on database %d of this redis has our redis_prefix, %q: databases share their channels; give each deployment a prefix of its own", n.Database, n.Prefix)}
	case n.Prefix == us.Prefix && n.History != us.History:
		return wrong{text: fmt.Sprintf("another node keeps other histories than this one, %.500s instead of %.500s: each message is kept by the setting of the node that it comes from", n.History, us.History)}
	case n.Prefix != us.Prefix && strings.HasPrefix(n.Prefix, us.Prefix):
		return wrong{text: fmt.Sprintf("another deployment on this redis has redis_prefix %q, which begins with ours, %q: what programs publish to it is not taken for ours", n.Prefix, us.Prefix), longer: n.Prefix}
	}
	return wrong{}
}

// note takes what a neighbour said, and returns what is new and to be said.
func (l *neighbours) note(n, us *neighbour, now time.Duration) (news string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := n.wrongWith(us)
	w.at = now
	before := l.heard[n.Node]
	maps.DeleteFunc(l.heard, func(_ string, w wrong) bool { return now-w.at > forgottenAfter })
	if w.text == "" {
		delete(l.heard, n.Node)
	} else if before.text != "" || len(l.heard) < maxNeighbours {
		if l.heard == nil {
			l.heard = make(map[string]wrong)
		}
		if !slices.Contains(l.textsLocked(now), w.text) {
			news = w.text
		}
		l.heard[n.Node] = w
	}
	l.lookLocked()
	return news
}

func (l *neighbours) lookLocked() {
	var longer []string
	for _, w := range l.heard {
		if w.longer != "" && !slices.Contains(longer, w.longer) {
			longer = append(longer, w.longer)
		}
	}
	l.longer.Store(nil)
	if longer != nil {
		l.longer.Store(&longer)
	}
}

func (l *neighbours) textsLocked(now time.Duration) (list []string) {
	for _, w := range l.heard {
		if now-w.at <= forgottenAfter && !slices.Contains(list, w.text) {
			list = append(list, w.text)
		}
	}
	slices.Sort(list)
	return list
}

func (l *neighbours) texts(now time.Duration) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.textsLocked(now)
}

// others tells whether a channel of our prefix is that of another deployment, whose prefix
// is longer.
func (l *neighbours) others(channel string) bool {
	longer := l.longer.Load()
	return longer != nil && slices.ContainsFunc(*longer, func(prefix string) bool { return strings.HasPrefix(channel, prefix) })
}

// us is what this node says of itself.
func (b *Bridge) us() *neighbour {
	return &neighbour{Node: b.instance, Prefix: b.cfg.Prefix, Database: b.address.opt.DB, History: b.cfg.History}
}

// sayHello is called by the inspector.
func (b *Bridge) sayHello() {
	text, err := json.Marshal(b.us())
	if err != nil {
		return // not of texts and a number
	}
	ctx, cancel := context.WithTimeout(b.ctx, b.cfg.Timeout)
	defer cancel()
	_ = b.client.probe(ctx, b.helloChannel, text) // the prober tells
}

// heardHello is called by the reader.
func (b *Bridge) heardHello(payload string) {
	var n neighbour
	if len(payload) > maxHello || json.Unmarshal([]byte(payload), &n) != nil {
		b.count.foreign.Add(1)
		return
	}
	if n.Node == b.instance {
		return
	}
	if news := b.neighbours.note(&n, b.us(), b.now()); news != "" {
		b.log.Warn(news)
		signal(b.greet) // they are to know, too
	}
}
