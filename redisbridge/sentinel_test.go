package redisbridge

// A real set of sentinels.

import (
	"context"
	"testing"

	"barrage/internal/broker/brokertest"
	"barrage/internal/redistest"
)

type sentinels struct {
	*redistest.Sentinels
	master, replica *server
	list            []*server
}

// startSentinels runs a master, a replica and three sentinels over them, with
// certificates for TLS or without.
func startSentinels(t *testing.T, data, own *certificates) *sentinels {
	t.Helper()
	set := &sentinels{master: startSecure(t, data)}
	set.replica = startSecure(t, data, "--replicaof", "127.0.0.1", set.master.peerPort(), "--repl-diskless-sync-delay", "0")
	eventually(t, "the replica follows", func() bool {
		return set.replica.Info(context.Background(), "replication").Val() != "" && set.master.Copied(1)
	})
	set.Sentinels = redistest.Watch(t, set.master.peerPort(), func(s *redistest.Server) string {
		one := &server{Server: s, t: t}
		set.list = append(set.list, one)
		if own == nil {
			return ""
		}
		one.secure = redistest.FreePort(t)
		return own.conf(one.secure)
	})
	return set
}

func (set *sentinels) failover() { set.Failover(set.replica.peerPort()) }

func TestSentinel(t *testing.T) {
	t.Parallel()
	set := startSentinels(t, nil, nil)
	t.Run("conformance", func(t *testing.T) {
		brokertest.Run(t, 2, func(t *testing.T, retention brokertest.Retention, n int) *brokertest.Cluster {
			if err := set.master.FlushAll(context.Background()).Err(); err != nil {
				t.Fatal(err)
			}
			cfg := calmConfig(set.URL())
			cfg.Retention, cfg.Target = retention, brokertest.Target
			return startNodes(t, cfg, n)
		})
	})
	t.Run("master killed", func(t *testing.T) {
		set.list[0].Kill() // one sentinel less, and the first that is asked
		st := startStorm(t, kept(steadyConfig(set.URL()), plenty), 3, true)
		st.flow()
		set.master.Kill()
		set.failover()
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
	st := startStorm(t, kept(steadyConfig(set.URL()), plenty), 2, true)
	st.flow()
	set.master.Freeze()
	set.failover()
	st.flow()
	set.master.Thaw()
	st.flow()
	st.masterLost()
	st.flow()
	st.finish(maybeGaps)
}
