// Pages of histories: read and written as JSON off the loops, once for all who asked
// for the same.

package v1

import (
	"runtime"
	"sync"

	"barrage/edge/conn"
	"barrage/edge/history"
	"barrage/edge/node"
	"barrage/internal/bounds"
	"barrage/internal/broker"
)

// page is a part of a history, and its messages as replies have them. It is immutable.
type page struct {
	broker.Page
	json messages
}

// yieldBytes is after how much JSON a processor is offered to the loops.
const yieldBytes = 16 << 10

func render(p broker.Page) (*page, int, error) {
	out := &page{Page: p, json: make(messages, len(p.Messages))}
	bytes, since := 0, 0
	for i, m := range p.Messages {
		j, ok := toJSON(messageOf(broker.Sanitize(m)))
		if !ok {
			return nil, bytes, errNotJSON
		}
		out.json[i] = j
		bytes += len(j)
		if since += len(j); since >= yieldBytes {
			since = 0
			runtime.Gosched()
		}
	}
	return out, bytes, nil
}

// readers makes the reader that all loops of a node share, once its broker is there.
func readers(n *node.Node) func() *history.Reader[*page] {
	return sync.OnceValue(func() *history.Reader[*page] { return history.NewReader(n.Broker, n.Pool, n.Epochs, render) })
}

// fetch reads from a room's history and has answer called on the loop, if the client is
// still there. An epoch is begun only if the client may.
func (p *protocol) fetch(c *client, a history.Ask, answer func(*page, error)) error {
	a.Query.Bytes, a.Payer = bounds.PageBytes, p.loop.Payer(&c.Client)
	ok := false
	then := func(page *page, err error) { p.loop.Post(&c.Client, func() { answer(page, err) }) }
	if a.Query.Begin {
		ok = p.pages.Begin(p.loop.PayerName(c.ID, c.User()), p.node.Loops.Now(), a, then)
	} else {
		ok = p.pages.Get(a, then)
	}
	if !ok {
		return overloaded("too many histories are being read")
	}
	return nil
}

// answered charges a connection for the bytes of an answer.
func (p *protocol) answered(id conn.ID, bytes int) {
	if bytes < smallReply {
		return
	}
	tat := p.answers.Get(id)
	answerRate.Charge(&tat, p.node.Loops.Now(), bytes)
	p.answers.Put(id, tat)
}

// mayAsk refuses what has a large answer to a connection whose answers of late were more
// than its share.
func (p *protocol) mayAsk(c *client) error {
	tat := p.answers.Get(c.ID)
	if wait := answerRate.Wait(tat, p.node.Loops.Now(), 1); wait > 0 {
		return tooManyBytes(wait)
	}
	return nil
}

// forgetAnswers forgets some of those that have been paid for.
func (p *protocol) forgetAnswers() {
	var paid []conn.ID
	n, now := 0, p.node.Loops.Now()
	for id, tat := range p.answers.All() {
		if tat <= now {
			paid = append(paid, id)
		}
		if n++; n == 100 {
			break // the next tick looks at others: the order is another each time
		}
	}
	for _, id := range paid {
		p.answers.Delete(id)
	}
}
