package queues

// The queues of a node: construction, start, end, counters.

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"barrage/internal/broker"
	"barrage/internal/quietlog"
	"barrage/internal/random"
)

// defaultLease is how long a queue is without a holder after its last one died.
const defaultLease = 10 * time.Second

// Publisher is what entries are given to.
type Publisher interface {
	Publish(ctx context.Context, p *broker.Publication) (broker.Receipt, error)
}

// Config is what New needs.
type Config struct {
	Queues []Queue
	// Client is for commands that answer at once, Blocking for those that wait. Close
	// closes Blocking.
	Client, Blocking redis.UniversalClient
	Publisher        Publisher
	// Members is how many are in a room, on all nodes; for queues that drop.
	Members    func(ctx context.Context, room string) (int, error)
	MaxMessage int           // bytes of a payload
	Rate       int           // entries a second of each queue, at most
	Timeout    time.Duration // of a command, and of a publish
	Lease      time.Duration // default 10s, or 5 Timeouts
	Logger     *slog.Logger
}

// Set is the queues of a node. It runs from Start to Close.
type Set struct {
	cfg    Config
	me     string // holds the leases
	log    *quietlog.Log
	count  counters
	queues []*queue
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	runs   sync.WaitGroup
	once   sync.Once // of Close
}

// New checks the queues. Nothing is asked of Redis before Start.
func New(cfg Config) (*Set, error) {
	if cfg.Client == nil || cfg.Blocking == nil || cfg.Publisher == nil || cfg.Rate < 1 || cfg.MaxMessage < 1 || cfg.Timeout <= 0 {
		return nil, errors.New("queues: Client, Blocking, Publisher, Rate, MaxMessage and Timeout must be set")
	}
	cfg.Lease = cmp.Or(cfg.Lease, max(defaultLease, 5*cfg.Timeout))
	cfg.Logger = cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler)).With("component", "queues")
	s := &Set{cfg: cfg, me: random.Name(), log: quietlog.New(cfg.Logger)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	for _, q := range cfg.Queues {
		if err := q.check(); err != nil {
			return nil, fmt.Errorf("queues: %q: %w", q.Key, err)
		}
		if q.Drop && cfg.Members == nil {
			return nil, errors.New("queues: Members must be set for queues that drop")
		}
		s.queues = append(s.queues, newQueue(s, q))
	}
	return s, nil
}

// Start begins to publish.
func (s *Set) Start() {
	for _, q := range s.queues {
		s.runs.Go(q.run) // ends with s.ctx
	}
}

// Close takes nothing more, waits for what is being published, and gives the queues to other
// nodes. Closing again is harmless.
func (s *Set) Close() {
	s.once.Do(func() {
		s.cancel()
		_ = s.cfg.Blocking.Close() // ends what waits; it has nothing to lose
	})
	s.runs.Wait()
}

// Queue is a list or a stream, and the room that it feeds.
type Queue struct {
	Key    string
	Room   string
	Stream bool
	Drop   bool // entries are dropped while nobody is in the room
	Dead   bool // of a list: entries that cannot be published are kept in KEY:dead
	All    bool // of a stream: a group that is made begins with the oldest entry, not with what comes
}

// Parse reads a queue's options: ROOM, and words behind it.
func Parse(key, value string, stream bool) (Queue, error) {
	words := strings.Fields(value)
	q := Queue{Key: key, Stream: stream}
	if len(words) > 0 {
		q.Room, words = words[0], words[1:]
	}
	for _, w := range words {
		switch {
		case w == "drop":
			q.Drop = true
		case w == "dead" && !stream:
			q.Dead = true
		case w == "0" && stream:
			q.All = true
		case w == "$" && stream:
			q.All = false
		case stream:
			return q, fmt.Errorf("option %q: want drop, 0 or $", w)
		default:
			return q, fmt.Errorf("option %q: want drop or dead", w)
		}
	}
	return q, q.check()
}

// check brings the room's name into its normal form, and refuses rooms that are none, and
// keys whose hash tag (see [slotTag]) cannot be put into other keys.
func (q *Queue) check() error {
	if q.Key == "" || strings.HasPrefix(q.Key, "barrage:") {
		return errors.New(`the key must not be empty, nor begin with "barrage:"`)
	}
	if strings.ContainsAny(slotTag(q.Key), "{}") {
		return errors.New("the key has braces that are no hash tag")
	}
	room, err := broker.RoomName(q.Room)
	if err != nil {
		return fmt.Errorf("room %q: %w", q.Room, err)
	}
	q.Room = room
	return nil
}

// slotTag is the part of a key that Redis Cluster goes by.
func slotTag(key string) string {
	if _, rest, ok := strings.Cut(key, "{"); ok {
		if tag, _, ok := strings.Cut(rest, "}"); ok && tag != "" {
			return tag
		}
	}
	return key
}

// beside is a key of ours that is where the queue's is.
func (q *Queue) beside(what string) string {
	return "barrage:queue:{" + slotTag(q.Key) + "}:" + what + ":" + q.Key
}

// result is what became of an entry.
type result uint8

const (
	published result = iota
	repeated         // published before, by a holder that died or by its own key
	nobody           // dropped, as nobody is in the room
	tooLarge
	malformed
	refused // by the publisher, for good
	gone    // deleted from the stream before it was published

	numResults
)

var resultNames = [numResults]string{"published", "repeated", "nobody", "too_large", "malformed", "refused", "gone"}

type counters struct {
	taken, retries atomic.Uint64
	results        [numResults]atomic.Uint64
}

// Stats are counted since Start.
type Stats struct {
	Taken   uint64            // entries, those that a dead holder had taken again
	Results map[string]uint64 // what became of them
	Retries uint64            // publishes that failed and were tried again
	Waiting int64             // entries in the queues that this node holds, a few seconds ago
}

// Stats may be called from any goroutine.
func (s *Set) Stats() Stats {
	st := Stats{Taken: s.count.taken.Load(), Retries: s.count.retries.Load(), Results: make(map[string]uint64, numResults)}
	for r := range numResults {
		st.Results[resultNames[r]] = s.count.results[r].Load()
	}
	for _, q := range s.queues {
		st.Waiting += q.waiting.Load()
	}
	return st
}
