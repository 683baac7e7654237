// What a broker's test gives the suite, and the list of what is tested.

package brokertest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"barrage/internal/broker"
)

// Retention says what a room keeps at present, to any goroutine.
type Retention = func(room string) broker.Retention

// Factory starts n nodes over one new and empty store, keeping histories by
// retention, which changes what it says, and sampling rooms by Target. It returns when they are up or coming up,
// and has t's cleanup close them.
type Factory func(t *testing.T, retention Retention, n int) *Cluster

// Cluster is nodes that share a store.
type Cluster struct {
	Nodes []*Node
	// Advance moves the clock that ages messages. nil: it is the real one.
	Advance func(time.Duration)

	set *settings // what rooms keep
}

// Node is one broker and its receiver.
type Node struct {
	broker.Broker
	Receiver *Receiver // what the broker was given as its receiver
	// Close ends the broker. When it has returned, the receiver is not called
	// any more. A second call does nothing.
	Close func() error

	index int // in Cluster.Nodes
}

func (n *Node) String() string { return fmt.Sprint("node ", n.index) }

const (
	// briefAge is how long rooms named brief:… keep their messages.
	briefAge = 400 * time.Millisecond
	// smallBytes is what rooms named small:… keep at most.
	smallBytes = 64 << 10
	// keepAll is more messages than most tests publish in a room.
	keepAll = 10_000
)

// settings are rules, and what was set for single rooms. Any goroutine.
type settings struct {
	rules broker.Rules

	mu    sync.Mutex // guards rooms
	rooms map[string]broker.Retention
}

func (s *settings) of(room string) broker.Retention {
	s.mu.Lock()
	defer s.mu.Unlock()
	if keep, ok := s.rooms[room]; ok {
		return keep
	}
	return s.rules.For(room)
}

// keep has a room keep something else from now on, on all nodes.
func (c *Cluster) keep(room string, messages int, age time.Duration) {
	c.set.mu.Lock()
	defer c.set.mu.Unlock()
	c.set.rooms[room] = broker.Retention{Messages: messages, Age: age}
}

// rules are those of all clusters that the suite starts.
func rules() broker.Rules {
	return broker.Rules{
		{Pattern: "off:*"},
		{Pattern: "small:*", Retention: broker.Retention{Messages: keepAll, Age: time.Hour, Bytes: smallBytes}},
		{Pattern: "user:small", Retention: broker.Retention{Messages: keepAll, Age: time.Hour, Bytes: smallBytes}},
		{Pattern: "user:box*", Retention: broker.Retention{Messages: boxMessages, Age: time.Hour}},
		{Pattern: "few:*", Retention: broker.Retention{Messages: 5, Age: time.Hour}},
		{Pattern: "brief:*", Retention: broker.Retention{Messages: keepAll, Age: briefAge}},
		{Pattern: "*", Retention: broker.Retention{Messages: keepAll, Age: time.Hour}},
	}
}

// Run tests that clusters of so many nodes keep to package broker's interface.
// Each test has a cluster of its own.
func Run(t *testing.T, nodes int, start Factory) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, *Cluster)
		// newEpochs: the members may be told that an epoch has ended.
		newEpochs bool
	}{
		{name: "order", run: flood{rooms: []string{"order-a", "few:order-b"}, each: 40}.test},
		{name: "order under load", run: flood{rooms: []string{"load", "off:load", "few:load"}, each: 60, tries: 2, slow: 50 * time.Microsecond}.test},
		{name: "content", run: testContent},
		{name: "copies", run: testCopies},
		{name: "key repeated", run: testKeyRepeated},
		{name: "key at once", run: testKeyAtOnce},
		{name: "key scope", run: testKeyScope},
		{name: "key without history", run: testKeyWithoutHistory},
		{name: "positions", run: testPositions},
		{name: "empty room", run: testEmptyRoom},
		{name: "paging", run: testPaging},
		{name: "bytes", run: testBytes},
		{name: "no history", run: testNoHistory},
		{name: "forget", run: testForget},
		{name: "retention changed", run: testRetention},
		{name: "retention in bytes", run: testRetainedBytes},
		{name: "mailbox against a model", run: testMailboxModel},
		{name: "mailbox in bytes", run: testMailboxBytes},
		{name: "mailbox by HTTP", run: testMailboxByHTTP},
		{name: "mailbox pages", run: testMailboxPages},
		{name: "mailbox and event loops", run: testMailboxTry},
		{name: "history begun late", run: testBegunLate},
		{name: "age", run: testAge, newEpochs: true},
		{name: "age of a busy room", run: testAgeBusy, newEpochs: true},
		{name: "clear", run: testClear, newEpochs: true},
		{name: "clear at a position", run: testClearAt, newEpochs: true},
		{name: "clear while publishing", run: testClearMidstream, newEpochs: true},
		{name: "acknowledge", run: testAcknowledge, newEpochs: true},
		{name: "acknowledge at once", run: testAcknowledgeAtOnce},
		{name: "resume", run: testResume},
		{name: "want", run: testWant},
		{name: "want while publishing", run: testWantMidstream},
		{name: "try publish", run: flood{rooms: []string{"try"}, each: 100, tries: 1}.test},
		{name: "hot room", run: testHot},
		{name: "hot room and keys", run: testHotKey},
		{name: "close", run: testClose},
		{name: "close while publishing", run: testCloseMidstream},
	} {
		t.Run(test.name, func(t *testing.T) {
			set := &settings{rules: rules(), rooms: make(map[string]broker.Retention)}
			c := start(t, set.of, nodes)
			c.set = set
			if len(c.Nodes) != nodes {
				t.Fatalf("the factory started %d nodes, want %d", len(c.Nodes), nodes)
			}
			for i, n := range c.Nodes {
				n.index = i
				eventually(t, fmt.Sprintf("%v is up", n), func() bool { return n.Err() == nil })
			}
			test.run(t, c)
			for _, n := range c.Nodes {
				n.check(t, test.newEpochs)
			}
		})
	}
}
