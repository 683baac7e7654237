package redisbridge

// A real set of sentinels.

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"barrage/internal/broker/brokertest"
	"barrage/internal/redistest"
)

// For how many milliseconds a server may be silent until sentinels take it for dead.
const (
	sentinelCalm  = 60_000
	sentinelHasty = 500
)

type sentinels struct {
	master, replica *server
	list            []*server
}

// startSentinels runs a master, a replica and three sentinels over them, with
// certificates for TLS or without.
func startSentinels(t *testing.T, data, own *certificates) *sentinels {
	t.Helper()
	if testing.Short() {
		t.Skip("takes seconds to elect a master")
	}
	set := &sentinels{master: startSecure(t, data)}
	set.replica = startSecure(t, data, "--replicaof", "127.0.0.1", set.master.peerPort(), "--repl-diskless-sync-delay", "0")
	eventually(t, "the replica follows", func() bool {
		return set.replica.Info(context.Background(), "replication").Val() != "" &&
			set.master.Do(context.Background(), "WAIT", "1", "10").Val() == int64(1)
	})
	for range 3 {
		s := &server{Server: redistest.New(t), t: t}
		conf := fmt.Sprintf("port %s\nbind 127.0.0.1\ndir %s\nloglevel warning\n"+
			"sentinel monitor main 127.0.0.1 %s 2\nsentinel down-after-milliseconds main %d\nsentinel failover-timeout main 3000\n",
			s.Port(), s.Dir, set.master.peerPort(), sentinelCalm)
		if own != nil {
			s.secure = redistest.FreePort(t)
			conf += own.conf(s.secure)
		}
		path := filepath.Join(s.Dir, "sentinel.conf")
		if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
			t.Fatal(err)
		}
		s.Run(path, "--sentinel")
		set.list = append(set.list, s)
	}
	for _, s := range set.list {
		eventually(t, "the sentinels know each other and the replica", func() bool {
			m, err := s.Do(context.Background(), "SENTINEL", "CKQUORUM", "main").Text()
			r, _ := s.Do(context.Background(), "SENTINEL", "REPLICAS", "main").Slice()
			o, _ := s.Do(context.Background(), "SENTINEL", "SENTINELS", "main").Slice()
			return err == nil && m != "" && len(r) == 1 && len(o) == 2
		})
	}
	return set
}

func (set *sentinels) url() string {
	return fmt.Sprintf("redis+sentinel://%s,%s,%s/main", set.list[0].Addr, set.list[1].Addr, set.list[2].Addr)
}

// failover waits until a sentinel names the replica. On a busy machine any server may
// seem dead to hasty sentinels, so that they are hasty no longer. The first may be dead.
func (set *sentinels) failover(t *testing.T) {
	t.Helper()
	alarm := func(milliseconds int) {
		for _, s := range set.list[1:] {
			if err := s.Do(context.Background(), "SENTINEL", "SET", "main", "down-after-milliseconds", milliseconds).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	alarm(sentinelHasty)
	defer alarm(sentinelCalm)
	eventually(t, "the replica is the master", func() bool {
		pair, err := set.list[1].Do(context.Background(), "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main").StringSlice()
		return err == nil && len(pair) == 2 && pair[1] == set.replica.peerPort()
	})
}

func TestSentinel(t *testing.T) {
	t.Parallel()
	set := startSentinels(t, nil, nil)
	t.Run("conformance", func(t *testing.T) {
		brokertest.Run(t, 2, func(t *testing.T, retention brokertest.Retention, n int) *brokertest.Cluster {
			if err := set.master.FlushAll(context.Background()).Err(); err != nil {
				t.Fatal(err)
			}
			cfg := calmConfig(set.url())
			cfg.Retention = retention
			return startNodes(t, cfg, n)
		})
	})
	t.Run("master killed", func(t *testing.T) {
		set.list[0].Kill() // one sentinel less, and the first that is asked
		st := startStorm(t, kept(steadyConfig(set.url()), plenty), 3, true)
		st.flow()
		set.master.Kill()
		set.failover(t)
		st.masterLost()
		st.flow()
		st.finish(maybeGaps)
	})
}

// The master freezes: its connections stay open, and when it thaws it is a
// replica.
func TestSentinelMasterFrozen(t *testing.T) {
	t.Parallel()
	set := startSentinels(t, nil, nil)
	st := startStorm(t, kept(steadyConfig(set.url()), plenty), 2, true)
	st.flow()
	set.master.Freeze()
	set.failover(t)
	st.flow()
	set.master.Thaw()
	st.flow()
	st.masterLost()
	st.flow()
	st.finish(maybeGaps)
}
