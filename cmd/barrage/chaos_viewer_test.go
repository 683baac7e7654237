package main

// A viewer of TestChaos: it drops its connection now and then, comes back to any
// node, and checks each message against the one before.

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

const (
	chaosStay = 8 * time.Second // on average
	chaosWait = 10 * time.Second

	// chaosBlink is how long a viewer looks away. It leaves the machine to the
	// servers, and what is dropped with a connection is then many messages.
	chaosBlink = 100 * time.Millisecond
)

var (
	errChaosLeave = errors.New("time to go")
	errChaosDone  = errors.New("has everything")
)

// chaosViewer is one, used by its goroutine, and after that by the test.
type chaosViewer struct {
	c    *chaos
	name int
	rng  *rand.Rand

	epoch   string // its position
	offset  uint64
	longest time.Duration // from wishing to be back to being back

	chaosConn
	until time.Time // when it is dropped
}

// run ends when the viewer has the last message, or the deadline has passed.
// here is called when it has joined for the first time.
func (v *chaosViewer) run(here func()) {
	for since := time.Now(); time.Now().UnixNano() < v.c.deadline.Load(); {
		first := v.epoch == ""
		err := v.join()
		if err == nil {
			if first {
				here()
			} else {
				v.longest = max(v.longest, time.Since(since))
				v.c.counts.resumes.Add(1)
			}
			err = v.watch()
			since = time.Now()
		}
		v.drop()
		if errors.Is(err, errChaosDone) {
			return
		}
		time.Sleep(time.Duration(v.rng.IntN(1000)) * time.Millisecond)
		if errors.Is(err, errChaosLeave) {
			since = time.Now() // it was away because it wanted to be
		}
	}
	if v.epoch == "" {
		here()
	}
}

// join connects to some node and goes on behind the last message.
func (v *chaosViewer) join() (err error) {
	v.until = time.Now().Add(chaosWait)
	if err := v.connect(v.c.addrs[v.rng.IntN(len(v.c.addrs))].ws, v.until); err != nil {
		return err
	}
	since := ""
	if v.epoch != "" {
		since = fmt.Sprintf(`,"since":{"epoch":%q,"offset":%d}`, v.epoch, v.offset)
	}
	reply, err := v.ask(`"cmd":"join","room":"` + chaosRoom + `"` + since)
	if err != nil {
		return err
	}
	defer func() { v.until = time.Now().Add(time.Duration(v.rng.ExpFloat64() * float64(chaosStay))) }()
	switch {
	case v.epoch == "":
		if reply.Offset != 0 {
			v.c.log.complain("viewer %d: the first join is at %d", v.name, reply.Offset)
		}
		v.epoch, v.offset = reply.Epoch, reply.Offset
		return nil
	case reply.Gap != nil && reply.Gap.Reason == "large":
		v.c.counts.refills.Add(1)
		err = v.refill(reply.Gap.To)
	case reply.Gap != nil:
		v.c.log.gap("viewer %d at %s/%d: %+v", v.name, v.epoch, v.offset, *reply.Gap)
		v.epoch, v.offset = reply.Epoch, reply.Offset-uint64(len(reply.Messages))
	case !reply.Resumed:
		v.c.log.complain("viewer %d at %s/%d: neither resumed nor a gap: %+v", v.name, v.epoch, v.offset, reply)
	}
	for _, m := range reply.Messages {
		v.got(m.Epoch, m.Offset, m.text())
	}
	if err == nil && (reply.Epoch != v.epoch || reply.Offset != v.offset) {
		v.c.log.complain("viewer %d is at %s/%d, and the reply to its join says %s/%d", v.name, v.epoch, v.offset, reply.Epoch, reply.Offset)
	}
	return err
}

// refill reads what was too much for the reply to the join.
func (v *chaosViewer) refill(to uint64) error {
	v.until = time.Now().Add(chaosWait)
	for v.offset < to {
		page, err := v.ask(fmt.Sprintf(`"cmd":"history","room":%q,"limit":1000,"since":{"epoch":%q,"offset":%d}`, chaosRoom, v.epoch, v.offset))
		if err != nil {
			return err
		}
		if page.Gap != nil || len(page.Messages) == 0 {
			return fmt.Errorf("history: %+v", page)
		}
		for _, m := range page.Messages {
			if m.Offset <= to {
				v.got(m.Epoch, m.Offset, m.text())
			}
		}
	}
	return nil
}

// watch looks at messages until it is time to go.
func (v *chaosViewer) watch() error {
	for {
		m := v.c.target.Load()
		switch now := time.Now(); {
		case v.has(m):
			return errChaosDone
		case m == nil && now.After(v.until) || now.UnixNano() > v.c.deadline.Load():
			return errChaosLeave // but in the end nobody goes: what is missing must come by itself
		}
		if len(v.queue) == 0 {
			time.Sleep(chaosBlink)
			if err := v.read(time.Now().Add(time.Second)); err != nil && !isTimeout(err) {
				return err
			}
		}
		queue := v.queue
		v.queue = nil
		for i := range queue {
			switch o := &queue[i]; o.Push {
			case "message":
				v.got(o.Epoch, o.Offset, o.text())
			case "gap":
				// What a slow viewer is not sent it can still fetch.
				if o.Reason != "slow" {
					v.c.log.gap("viewer %d at %s/%d is told: %+v", v.name, v.epoch, v.offset, o.v1Fields)
				}
				v.c.counts.slow.Add(1)
				return errors.New("gap")
			case "bye", "left":
				return errors.New(o.Push)
			}
		}
	}
}

// has tells whether the viewer has got as far as the last message.
func (v *chaosViewer) has(last *chaosMessage) bool {
	return last != nil && v.epoch == last.epoch && v.offset >= last.offset
}

// got is one message, in its place.
func (v *chaosViewer) got(epoch string, offset uint64, text string) {
	v.c.counts.deliveries.Add(1)
	number, err := strconv.ParseUint(text, 10, 64)
	if err != nil || epoch != v.epoch || offset != v.offset+1 {
		v.c.log.complain("viewer %d at %s/%d got %s/%d: %q, %v", v.name, v.epoch, v.offset, epoch, offset, text, err)
	}
	v.epoch, v.offset = epoch, offset
	v.c.log.seen("a viewer", chaosMessage{epoch, offset, number})
}

// ask sends a command and returns the reply. Pushes that come before it stay in
// the queue.
func (v *chaosViewer) ask(command string) (*v1Fields, error) {
	if err := v.send(`{"id":1,`+command+`}`, v.until); err != nil {
		return nil, err
	}
	for seen := len(v.queue); ; {
		for ; seen < len(v.queue); seen++ {
			switch o := v.queue[seen]; {
			case o.Error != nil:
				return nil, errors.New(o.Error.Code)
			case o.OK != nil:
				v.queue = append(v.queue[:seen:seen], v.queue[seen+1:]...)
				return o.OK, nil
			}
		}
		if err := v.read(v.until); err != nil {
			return nil, err
		}
	}
}
