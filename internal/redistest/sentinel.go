package redistest

// A master, and three sentinels that put its replica in its place.

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// For how many milliseconds a server may be silent until sentinels take it for dead.
const (
	sentinelCalm  = 60_000
	sentinelHasty = 500
)

// Sentinels are three over one master, which they call main.
type Sentinels struct {
	All []*Server
	t   testing.TB
}

// Watch starts sentinels over the master at a port of loopback, which has one replica. conf is
// further settings of each; it may be nil. It takes seconds to elect a master: short tests are
// skipped.
func Watch(t testing.TB, master string, conf func(*Server) string) *Sentinels {
	t.Helper()
	if testing.Short() {
		t.Skip("takes seconds to elect a master")
	}
	set := &Sentinels{t: t}
	for range 3 {
		s := New(t)
		text := fmt.Sprintf("port %s\nbind 127.0.0.1\ndir %s\nloglevel warning\n"+
			"sentinel monitor main 127.0.0.1 %s 2\nsentinel down-after-milliseconds main %d\nsentinel failover-timeout main 3000\n",
			s.Port(), s.Dir, master, sentinelCalm)
		if conf != nil {
			text += conf(s)
		}
		path := filepath.Join(s.Dir, "sentinel.conf")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s.Run(path, "--sentinel")
		set.All = append(set.All, s)
	}
	for _, s := range set.All {
		s.eventually("the sentinels to know each other and the replica", func() bool {
			m, err := s.Do(context.Background(), "SENTINEL", "CKQUORUM", "main").Text()
			r, _ := s.Do(context.Background(), "SENTINEL", "REPLICAS", "main").Slice()
			o, _ := s.Do(context.Background(), "SENTINEL", "SENTINELS", "main").Slice()
			return err == nil && m != "" && len(r) == 1 && len(o) == 2
		})
	}
	return set
}

// URL is theirs, for Barrage.
func (set *Sentinels) URL() string {
	var hosts []string
	for _, s := range set.All {
		hosts = append(hosts, s.Addr)
	}
	return "redis+sentinel://" + strings.Join(hosts, ",") + "/main"
}

// Failover waits until a sentinel names the server at a port as the master. On a busy machine
// any server may seem dead to hasty sentinels, so that they are hasty no longer. The first may
// be dead.
func (set *Sentinels) Failover(port string) {
	set.t.Helper()
	alarm := func(milliseconds int) {
		for _, s := range set.All[1:] {
			if err := s.Do(context.Background(), "SENTINEL", "SET", "main", "down-after-milliseconds", milliseconds).Err(); err != nil {
				set.t.Fatal(err)
			}
		}
	}
	alarm(sentinelHasty)
	defer alarm(sentinelCalm)
	set.All[1].eventually("the replica to be the master", func() bool {
		pair, err := set.All[1].Do(context.Background(), "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main").StringSlice()
		return err == nil && len(pair) == 2 && pair[1] == port
	})
}

// Follow starts a replica of a server, and returns when it has what that has.
func Follow(t testing.TB, master *Server, options ...string) *Server {
	t.Helper()
	replica := Start(t, append([]string{"--replicaof", "127.0.0.1", master.Port(), "--repl-diskless-sync-delay", "0"}, options...)...)
	replica.eventually("the replica to follow", func() bool { return master.Copied(1) })
	return replica
}

// Copied tells whether so many replicas have all that was written.
func (s *Server) Copied(replicas int64) bool {
	n, err := s.Do(context.Background(), "WAIT", replicas, 10).Int64()
	return err == nil && n >= replicas
}
