package client

// This file is a model: random things that a user does and that happen to them, against real
// servers over a hostile network, and what must be true of it whatever they were. One seed
// (CLIENT_SEED) is one run, as far as the timing of sockets lets it be.

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"barrage/edge/edgetest"
)

func TestModel(t *testing.T) {
	t.Parallel()
	seeds, rounds := []uint64{1, 2, 3, 4}, 25
	if os.Getenv("CLIENT_FULL") != "" {
		rounds = 2500
	}
	if text := os.Getenv("CLIENT_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		edgetest.Must(t, err)
		seeds = []uint64{seed}
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprintf("CLIENT_SEED=%d", seed), func(t *testing.T) {
			t.Parallel()
			m := newModel(t, seed)
			for done := 0; done < rounds && !t.Failed(); done += 25 {
				m.rage(25)
				m.settle()
			}
			t.Logf("%d connections, %d published, %d heard, %d gaps", m.proxy.count, m.published, m.heard, m.gaps)
		})
	}
}

// stay is a time in a room.
type stay struct {
	room *Room
	ear  *ear
	due  []Published // by others, from when it was joined
}

type own struct {
	room   string
	result <-chan outcome
}

type model struct {
	*testing.T
	rand   *rand.Rand
	server *edgetest.Server
	proxy  *proxy
	client *Client
	serial int
	stays  map[string]*stay
	own    []own
	late   map[*stay]int // what was said last before it was left, by its number

	published, heard, gaps int
}

func newModel(t *testing.T, seed uint64) *model {
	m := &model{T: t, rand: rand.New(rand.NewPCG(seed, 0)), stays: map[string]*stay{}, late: map[*stay]int{}}
	m.server = edgetest.Start(t, nil)
	m.proxy = newProxy(t, m.server.Addr().String())
	m.client = begin(t, m.proxy.address(), Options{Heartbeat: 500 * time.Millisecond, Queue: 1000, Buffer: 16})
	return m
}

// rage does random things, until there were so many connections more.
func (m *model) rage(connections int) {
	for range connections {
		for range m.rand.IntN(8) {
			m.act([]string{"x", "y", "z"}[m.rand.IntN(3)])
		}
		before := m.proxy.connections()
		m.harm()
		edgetest.WaitFor(m.T, "another connection", func() bool { return m.proxy.connections() > before })
	}
}

func (m *model) act(name string) {
	s := m.stays[name]
	m.serial++
	text := fmt.Sprint(m.serial)
	switch what := m.rand.Float64(); {
	case what < 0.25 && s == nil:
		r := join(m.T, m.client, name, JoinOptions{})
		m.stays[name] = &stay{room: r, ear: listen(m.T, r)}
	case what < 0.25:
		if join(m.T, m.client, name, JoinOptions{}) != s.room {
			m.Errorf("room %s is another one", name)
		}
	case what < 0.32 && s != nil:
		m.leave(name)
	case what < 0.4 && s != nil:
		s.ear.nap.Store(int64(m.rand.IntN(20)) * int64(time.Millisecond))
	case what < 0.65:
		m.own = append(m.own, own{name, submit(m.Context(), m.T, m.client, name, m.serial, PublishOptions{})})
	default:
		m.say(name, text)
	}
}

// say has another one say something.
func (m *model) say(name, text string) {
	m.published++
	said := publishNow(m.T, m.server, name, text)
	if s := m.stays[name]; s != nil {
		s.due = append(s.due, said)
	}
}

func (m *model) leave(name string) {
	s := m.stays[name]
	delete(m.stays, name)
	edgetest.Must(m.T, s.room.Leave(patient(m.T)))
	m.late[s] = m.serial
}

func (m *model) harm() {
	if m.rand.IntN(2) == 0 {
		m.proxy.next([]fate{{down: 1 + m.rand.IntN(2000)}, {up: 1 + m.rand.IntN(1000)}}[m.rand.IntN(2)])
	}
	switch what := m.rand.IntN(20); {
	case what == 0 && m.open():
		m.proxy.silence()
	case what == 1:
		m.restart()
	default:
		m.proxy.cut()
	}
}

// open: a try that goes silent is waited for long.
func (m *model) open() (yes bool) {
	m.client.wait(func() { yes = m.client.link.ready })
	return yes
}

// restart has a server that knows nothing be in the place of the one that there was.
func (m *model) restart() {
	m.server = edgetest.Start(m.T, nil)
	m.proxy.redirect(m.server.Addr().String())
	m.proxy.cut()
	for _, s := range m.stays {
		if s.ear.begins() == "" { // it may never have been in the old one's room
			s.due = nil
		}
	}
}

// settle lets all come to rest, and holds it against what was said.
func (m *model) settle() {
	m.proxy.next()
	own := m.answers()
	for name, s := range m.stays {
		m.serial++
		text := fmt.Sprint("last ", m.serial)
		edgetest.WaitFor(m.T, "the room to be joined", func() (yes bool) {
			m.client.wait(func() { yes = s.room.state == joined })
			return yes
		})
		m.say(name, text)
		s.ear.await(m.T, text)
		if fault := s.ear.verdict(s.ear.known(append(s.due, own[name]...))); fault != "" {
			m.Errorf("room %s: %s", name, fault)
		}
		s.due = nil
		s.ear.mu.Lock()
		m.heard += len(s.ear.texts)
		m.gaps += len(s.ear.gaps)
		s.ear.mu.Unlock()
		edgetest.WaitMembers(m.T, m.server, name, 1)
	}
	for s, last := range m.late {
		for _, text := range s.ear.texts {
			if n, err := strconv.Atoi(text); err == nil && n > last {
				m.Errorf("room %s: heard %d, but was left at %d", s.room.Name(), n, last)
			}
		}
	}
	clear(m.late)
	for name := range m.stays {
		m.leave(name)
		edgetest.WaitMembers(m.T, m.server, name, 0)
	}
}

// answers waits for what became of own messages; those of a room have its order.
func (m *model) answers() map[string][]Published {
	all := map[string][]Published{}
	for _, o := range m.own {
		r := <-o.result
		if r.err != nil {
			m.Errorf("room %s: an own message: %v", o.room, r.err)
			continue
		}
		m.published++
		if before := all[o.room]; len(before) > 0 && !r.Replayed {
			if last := before[len(before)-1]; last.Epoch == r.Epoch && last.Offset >= r.Offset {
				m.Errorf("room %s: own message at %d behind %d", o.room, r.Offset, last.Offset)
			}
		}
		all[o.room] = append(all[o.room], r.Published)
	}
	m.own = nil
	return all
}
