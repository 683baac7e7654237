//go:build !race

// Nodes and the store that they share against a naive model, all in one goroutine.

package presence

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestClusterModel lets users come and go on three nodes that lose the store,
// stop and start again. Once all is well for a while, the client that heard all
// nodes knows who is there, and every node's counts are right.
func TestClusterModel(t *testing.T) {
	setChecks(t, 60) // it has found nothing in 4000
	rapid.Check(t, func(rt *rapid.T) {
		m := newClusterModel(t)
		node := func(t *rapid.T) *modelNode { return m.nodes[rapid.IntRange(0, len(m.nodes)-1).Draw(t, "node")] }
		who := func(t *rapid.T) *User { return user(rapid.IntRange(0, 4).Draw(t, "user")) }
		rt.Repeat(map[string]func(*rapid.T){
			"join":  func(t *rapid.T) { node(t).join(who(t)) },
			"leave": func(t *rapid.T) { node(t).leave(who(t)) },
			"time":  func(t *rapid.T) { m.run(t, time.Duration(rapid.IntRange(1, 12).Draw(t, "ticks"))*500*time.Millisecond) },
			"fail":  func(t *rapid.T) { m.w.store.fail(true, node(t).name) },
			"mend":  func(t *rapid.T) { m.w.store.fail(false, node(t).name) },
			"long":  func(t *rapid.T) { m.run(t, 25*time.Second) },
			"empty": func(t *rapid.T) {
				// Who was on a dead node is known to the store alone.
				m.mend()
				m.run(t, 25*time.Second)
				m.w.store.empty()
			},
			"kill": func(t *rapid.T) {
				// What it has not told the store dies with it.
				m.mend()
				m.run(t, 12*time.Second)
				m.replace(node(t))
			},
			"settle": func(t *rapid.T) {
				m.mend()
				m.run(t, 40*time.Second)
				m.check(t)
			},
		})
	})
}

type clusterModel struct {
	t      *testing.T
	w      *swarm
	nodes  []*modelNode
	cfg    Config
	client map[string]bool
	kills  int
}

type modelNode struct {
	*syncer
	name  string
	conns map[string]int
}

// newClusterModel has an anonymous member on each node, since events of a room
// without members have nobody to hear them.
func newClusterModel(t *testing.T) *clusterModel {
	m := &clusterModel{t: t, w: newSwarm(t, Config{}), client: make(map[string]bool)}
	for i := range 3 {
		n := &modelNode{name: fmt.Sprint("n", i)}
		m.nodes = append(m.nodes, n)
		m.begin(n)
	}
	return m
}

func (m *clusterModel) begin(n *modelNode) {
	cfg := m.cfg
	cfg.Now, cfg.Store = m.w.clock.now, m.w.store.node(n.name)
	n.syncer, n.conns = newSyncer(newRegistry(m.t, cfg)), make(map[string]int)
	n.Join("r", nil)
}

// replace kills a node and starts another in its place. Its name in the store is
// new, as a store's implementation must see to.
func (m *clusterModel) replace(n *modelNode) {
	m.kills++
	n.name = fmt.Sprint(n.name[:2], ".", m.kills)
	m.begin(n)
}

func (m *clusterModel) mend() {
	for _, n := range m.nodes {
		m.w.store.fail(false, n.name)
	}
}

func (n *modelNode) join(u *User) {
	n.conns[u.ID]++
	n.Join("r", u)
}

func (n *modelNode) leave(u *User) {
	if n.conns[u.ID] == 0 {
		return
	}
	if n.conns[u.ID]--; n.conns[u.ID] == 0 {
		delete(n.conns, u.ID)
	}
	n.Leave("r", u.ID)
}

func (m *clusterModel) run(t *rapid.T, d time.Duration) {
	for ; d > 0; d -= 500 * time.Millisecond {
		for _, n := range m.nodes {
			n.pass(m.t.Context())
			for _, c := range n.Due(m.w.clock.now()) {
				switch c.Kind {
				case Join:
					m.client[c.User.ID] = true
				case Leave:
					delete(m.client, c.User.ID)
				default:
					m.fetch(t, n, c)
				}
			}
		}
		m.w.clock.add(500 * time.Millisecond)
	}
}

// fetch is what a client does that is told to.
func (m *clusterModel) fetch(t *rapid.T, n *modelNode, c Change) {
	l, err := n.Cluster(m.t.Context(), "r", -1)
	if err != nil || !c.Exact || !l.Complete {
		t.Fatalf("%+v in a small room: %+v, %v", c, l, err)
	}
	clear(m.client)
	for _, e := range l.Users {
		m.client[e.User.ID] = true
	}
}

func (m *clusterModel) check(t *rapid.T) {
	present, conns := make(map[string]bool), len(m.nodes)
	for _, n := range m.nodes {
		for id, c := range n.conns {
			present[id] = true
			conns += c
		}
	}
	if !maps.Equal(m.client, present) {
		t.Fatalf("the client believes in %v, there are %v", m.client, present)
	}
	for _, n := range m.nodes {
		if u, c := n.Count("r"); u != len(present) || c != conns {
			t.Fatalf("%s counts %d users, %d connections, want %d, %d", n.name, u, c, len(present), conns)
		}
		l, err := n.Cluster(m.t.Context(), "r", -1)
		got := ids(l.Users)
		slices.Sort(got)
		if err != nil || !slices.Equal(got, slices.Sorted(maps.Keys(present))) {
			t.Fatalf("%s lists %v, %v, want %v", n.name, got, err, present)
		}
	}
}
