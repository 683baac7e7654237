// Package metrics turns the counters of a node's parts into Prometheus metrics: each is
// named and explained where it is told. Labels are reasons and statuses from fixed lists:
// never a room, a user or an address.
package metrics

import (
	"maps"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"barrage/edge"
	"barrage/edge/auth"
	"barrage/edge/events"
	"barrage/edge/hooks"
	"barrage/edge/requests"
	"barrage/fanout"
	"barrage/internal/lines"
	"barrage/netpoll"
	"barrage/redisbridge"
	"barrage/redisbridge/queues"
)

// Collector reads the counters when it is scraped. All of it but Server may be nil.
type Collector struct {
	Server  *edge.Server
	Bridge  *redisbridge.Bridge
	Tokens  *auth.Verifier
	Emitter *events.Emitter
	Caller  *events.Caller
	Queues  *queues.Set
	Hooks   *hooks.Hooks
	Log     *lines.Writer
}

// Describe makes this an unchecked collector: reasons appear as they occur.
func (c *Collector) Describe(chan<- *prometheus.Desc) {}

// Collect reads all counters at about one moment.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	s := c.Server.Stats()
	gauge(ch, "connections", "WebSocket connections.", s.Connections)
	gauge(ch, "connections_max", "WebSocket connections that are let in.", s.MaxConnections)
	gauge(ch, "rooms", "Rooms with members here.", s.Rooms)
	gauge(ch, "unfinished_bytes", "Memory of messages and requests that have begun and not ended.", s.Unfinished)
	counter(ch, "messages_received_total", "Messages from sockets.", s.Received)
	counter(ch, "messages_published_total", "Messages accepted from sockets and the API.", s.Published)
	counter(ch, "messages_repeated_total", "Messages pushed again to a connection, as its user had not acknowledged them.", s.Repeated)
	counters(ch, "direct_messages_total", "Messages from this node for one connection, or one device of a user, by what became of them.", "result", s.Direct)
	gauge(ch, "direct_nodes", "Other nodes that answer for their connections and devices.", s.DirectPeers)
	counter(ch, "batches_total", "Frames of several messages that were made, each once for all it went to.", s.Batches)
	counter(ch, "messages_batched_total", "Messages in such frames.", s.Batched)
	counter(ch, "pings_sent_total", "Pings sent to connections.", s.Pings)
	counter(ch, "messages_sampled_total", "Of those, messages that only their senders see, since hot rooms have left them out (target_rate).", s.Sampled)
	counters(ch, "messages_refused_total", "Messages that were not published: over the connection's rate, the server too far behind, a mailbox full; or not delivered: expired.", "reason", s.Refused)
	counters(ch, "handshakes_total", "Requests answered on the public listener, by HTTP status; 101 is an upgrade.", "result", s.Handshakes)
	counters(ch, "connections_closed_total", "WebSocket connections that ended.", "reason", s.Closed)
	counters(ch, "sockets_closed_total", "Sockets that ended without having been WebSocket connections.", "reason", s.ClosedEarly)
	gauge(ch, "traces", "Traces of single connections that hold on this node.", s.Traces)
	counter(ch, "trace_lines_lost_total", "Lines of traces that found no room on their way to whoever asked.", s.TraceLinesLost)
	collectLoops(ch, s.Loops)
	collectFanout(ch, s.Fanout)
	collectRooms(ch, &s)
	if c.Bridge != nil {
		collectRedis(ch, c.Bridge.Stats())
	}
	if v := c.Tokens; v != nil {
		good, failed := v.Readings()
		counters(ch, "key_set_reads_total", "Readings of the key set of the tokens' issuer.", "result", map[string]uint64{"good": good, "failed": failed})
	}
	if c.Caller != nil {
		collectRequests(ch, c.Caller.Stats())
	}
	collectWorkers(ch, &s.Requests)
	if c.Hooks != nil {
		collectHooks(ch, c.Hooks.Stats())
	}
	if c.Emitter != nil {
		collectEvents(ch, c.Emitter.Stats())
	}
	if c.Queues != nil {
		q := c.Queues.Stats()
		counter(ch, "queue_entries_taken_total", "Entries of Redis lists and streams that this node has dealt with.", q.Taken)
		counters(ch, "queue_entries_total", "What became of them.", "result", q.Results)
		counter(ch, "queue_retries_total", "Publishes of entries that failed and were tried again.", q.Retries)
		gauge(ch, "queue_entries_waiting", "Entries in the lists and streams that this node holds.", q.Waiting)
	}
	if c.Log != nil {
		d := c.Log.Dropped()
		counters(ch, "log_lines_dropped_total", "Lines of the log that were not written; full: nobody reads them; failed: the write failed.", "reason",
			map[string]uint64{"full": d.Full, "failed": d.Failed})
	}
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("barrage_"+name, help, labels, nil)
}

func gauge[T int | int64 | uint64 | float64](ch chan<- prometheus.Metric, name, help string, v T) {
	ch <- prometheus.MustNewConstMetric(desc(name, help), prometheus.GaugeValue, float64(v))
}

func counter[T int64 | uint64](ch chan<- prometheus.Metric, name, help string, v T) {
	ch <- prometheus.MustNewConstMetric(desc(name, help), prometheus.CounterValue, float64(v))
}

// counters are those of a metric with a label.
func counters[T int64 | uint64](ch chan<- prometheus.Metric, name, help, label string, values map[string]T) {
	for value, n := range values {
		ch <- prometheus.MustNewConstMetric(desc(name, help, label), prometheus.CounterValue, float64(n), value)
	}
}

func collectLoops(ch chan<- prometheus.Metric, loops []netpoll.Stats) {
	var t netpoll.Stats
	for _, l := range loops {
		t.Conns += l.Conns
		t.Accepted += l.Accepted
		t.AcceptErrors += l.AcceptErrors
		t.AcceptNoFile += l.AcceptNoFile
		t.Wakeups += l.Wakeups
		t.Events += l.Events
		t.StaleEvents += l.StaleEvents
		t.Panics += l.Panics
		t.BytesReceived += l.BytesReceived
		t.Queued += l.Queued
	}
	gauge(ch, "sockets", "Open sockets of the public listener, before, during and after their time as WebSocket connections.", t.Conns)
	counter(ch, "connections_accepted_total", "Connections accepted, whatever became of them.", t.Accepted)
	counters(ch, "accept_errors_total", "Failed accepts; emfile pauses the listener until descriptors are free.", "reason",
		map[string]int64{"emfile": t.AcceptNoFile, "other": t.AcceptErrors})
	counter(ch, "epoll_wakeups_total", "Wake-ups of the event loops for work other than sockets.", t.Wakeups)
	counter(ch, "epoll_events_total", "Events on connections.", t.Events)
	counter(ch, "epoll_stale_events_total", "Events fetched for a connection that was closed before they were looked at.", t.StaleEvents)
	counter(ch, "panics_total", "Events that panicked; each cost one connection.", t.Panics)
	counter(ch, "received_bytes_total", "Bytes read from sockets.", t.BytesReceived)
	gauge(ch, "unread_bytes", "Memory of what clients have not read of their answers.", t.Queued)
}

func collectFanout(ch chan<- prometheus.Metric, shards []fanout.Stats) {
	var t fanout.Stats
	for _, s := range shards {
		t.Offered += s.Offered
		t.Delivered += s.Delivered
		t.Sends += s.Sends
		t.Pending += s.Pending
		t.Members += s.Members
		t.LogBytes += s.LogBytes
		for i := range t.Skipped {
			t.Skipped[i] += s.Skipped[i]
		}
		for i := range t.Latency.Counts {
			t.Latency.Counts[i] += s.Latency.Counts[i]
		}
		t.Latency.Sum += s.Latency.Sum
	}
	gauge(ch, "memberships", "Memberships of rooms: connections times their rooms.", t.Members)
	gauge(ch, "messages_pending", "Messages in room logs, times the members that have still to get them.", t.Pending)
	gauge(ch, "log_bytes", "Memory of all room logs.", t.LogBytes)
	counter(ch, "messages_offered_total", "Messages times members to send them to: delivered + skipped + pending.", t.Offered)
	counter(ch, "messages_delivered_total", "Messages handed to members' sockets.", t.Delivered)
	counter(ch, "sends_total", "System calls that delivered messages.", t.Sends)
	skipped := make(map[string]uint64)
	for _, r := range fanout.SkipReasons() {
		skipped[r.String()] = t.Skipped[r]
	}
	counters(ch, "messages_skipped_total", "Messages that members were not sent; replayed: they had them from the history.", "reason", skipped)
	ch <- histogram(desc("broadcast_duration_seconds", "Time of a pass over all members of a room in a shard, from its first message to its last send."), &t.Latency)
}

func histogram(d *prometheus.Desc, h *fanout.Histogram) prometheus.Metric {
	buckets, n := make(map[float64]uint64), uint64(0)
	for i, bound := range fanout.LatencyBounds() {
		n += h.Counts[i]
		buckets[bound.Seconds()] = n
	}
	n += h.Counts[len(h.Counts)-1]
	return prometheus.MustNewConstHistogram(d, n, h.Sum.Seconds(), buckets)
}

func collectRedis(ch chan<- prometheus.Metric, s redisbridge.Stats) {
	gauge(ch, "redis_probe_success", "1 while Redis takes writes and messages published come back, else 0.", oneIf(s.Probe))
	gauge(ch, "redis_probe_seconds", "Time a probe last took through Redis and back.", s.ProbeRTT.Round(time.Microsecond).Seconds())
	gauge(ch, "redis_subscriptions", "Rooms subscribed.", s.Subscriptions)
	gauge(ch, "redis_publish_queue", "Messages from sockets that have still to be published to Redis.", s.Queued)
	counter(ch, "redis_received_bytes_total", "Payloads of the messages that came from Redis.", s.ReceivedBytes)
	counter(ch, "redis_shard_links_total", "Connections for sharded pub/sub, over all time.", s.ShardLinks)
	counter(ch, "redis_evicted_keys_total", "Keys that Redis has evicted for want of memory, since this node began to look.", s.EvictedKeys)
	counter(ch, "redis_messages_received_total", "Messages that came from Redis.", s.Received)
	counter(ch, "redis_messages_published_total", "Messages published to Redis.", s.Published)
	counter(ch, "redis_publish_errors_total", "Failed publishes to Redis.", s.PublishErrors)
	counter(ch, "redis_local_only_total", "Messages delivered to local members only, because of an outage.", s.LocalOnly)
	counter(ch, "redis_reconnects_total", "New subscription connections after the first.", s.Reconnects)
	counter(ch, "redis_messages_caught_up_total", "Messages that were read from a history, after the connection was lost.", s.CaughtUp)
	counter(ch, "redis_gaps_total", "Times that members of a room were told of messages that could not be had.", s.Gaps)
	counter(ch, "redis_histories_diverged_total", "Histories that began anew because Redis had lost a part of them.", s.Diverged)
	counter(ch, "redis_read_errors_total", "Histories that could not be read and are tried again.", s.ReadErrors)
	gauge(ch, "redis_rooms_catching_up", "Rooms whose history is to be read before they go on.", s.CatchingUp)
	counters(ch, "redis_messages_dropped_total", "Messages that were not passed on.", "reason", map[string]uint64{
		"foreign": s.Foreign, "duplicate": s.Suppressed, "repeated": s.Duplicates, "queue_full": s.QueueFull, "refused": s.Refused,
	})
}

// collectRooms is what rooms remember, and the users in them.
func collectRooms(ch chan<- prometheus.Metric, s *edge.Stats) {
	gauge(ch, "clients", "Connections that speak barrage.v1 or have an identity.", s.Clients)
	gauge(ch, "clients_unacknowledged", "Clients that were given direct messages to acknowledge, and have not acknowledged all.", s.PendingAcks)
	counters(ch, "tokens_total", "Tokens checked.", "result", s.Tokens)
	gauge(ch, "presence_users", "Users in rooms here; one in two rooms counts twice.", s.Presence.Users)
	gauge(ch, "presence_store_down", "1 while the presence of other nodes cannot be had.", oneIf(s.Presence.StoreDown))
	if m := s.Memory; m != nil {
		gauge(ch, "history_rooms", "Rooms with a history in memory.", m.Rooms)
		gauge(ch, "history_bytes", "Memory of the histories in memory.", m.Bytes)
		counter(ch, "histories_dropped_total", "Histories in memory that were given up or cut before their time, for lack of room.", m.EvictedTotal)
		counter(ch, "publish_replays_total", "Publishes with a key seen before, answered with the first one's receipt.", m.ReplaysTotal)
	}
}

func oneIf(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

func collectEvents(ch chan<- prometheus.Metric, s events.Stats) {
	results := map[string]uint64{"delivered": s.Delivered}
	for r, n := range s.Dropped {
		results[events.DropReason(r).String()] = n
	}
	counters(ch, "events_total", "Events for backends, by what became of them.", "result", results)
	counter(ch, "event_batches_retried_total", "Batches of events that were sent to backends again, as they had not been taken.", s.Retried)
	gauge(ch, "events_waiting", "Events that backends have still to be told.", s.Queued)
	gauge(ch, "events_waiting_bytes", "Memory of those that wait, without those being sent.", s.Bytes)
}

func collectRequests(ch chan<- prometheus.Metric, s events.CallerStats) {
	results := maps.Clone(s.Failed)
	results["answered"] = s.Answered
	counters(ch, "requests_total", "Requests of clients to backends, by what became of them.", "result", results)
	counter(ch, "requests_repeated_total", "Requests sent to backends once more, as the connection ended before a byte of the answer.", s.Repeated)
}

// collectWorkers is what connections were asked that answer requests.
func collectWorkers(ch chan<- prometheus.Metric, s *requests.Stats) {
	counters(ch, "worker_requests_total", "Requests asked here that no configured backend was for, by what became of them.", "result", s.Results)
	counter(ch, "worker_requests_redelivered_total", "Requests given to another worker, as one died with them.", s.Redelivered)
	counters(ch, "worker_answers_dropped_total", "Answers of workers that went to nobody; late: nobody waited any more; unasked: the worker was not asked.", "reason", s.Dropped)
	gauge(ch, "workers", "Connections here that serve methods, or did.", s.Workers)
	gauge(ch, "worker_methods", "Patterns of methods that they serve.", s.Methods)
	gauge(ch, "worker_methods_known", "Patterns that are served on any node, or were until lately.", s.Known)
	counters(ch, "workers_turned_away_total", "Connections that wanted to serve methods, by what there was no place for: workers or methods.", "reason", s.TurnedAway)
	gauge(ch, "worker_requests", "Requests that they have to answer, given up ones included.", s.UnderWay)
	gauge(ch, "worker_requests_waiting", "Requests that wait for one of them.", s.Waiting)
	gauge(ch, "worker_request_bytes", "Memory of requests that are asked or served here.", s.Bytes)
}

// collectHooks is who was asked before connections came, joined and published.
func collectHooks(ch chan<- prometheus.Metric, kinds map[string]hooks.Stats) {
	questions, requests := desc("hooks_total", "Questions to backends before something happens, by what became of them.", "hook", "result"), make(map[string]uint64)
	took := desc("hook_duration_seconds", "Time that backends took to answer.", "hook")
	resting, repeated, bytes := desc("hooks_resting", "URLs that are not asked at present, as they failed several times in a row.", "hook"), uint64(0), 0
	for hook, s := range kinds {
		for result, n := range s.Results {
			ch <- prometheus.MustNewConstMetric(questions, prometheus.CounterValue, float64(n), hook, result)
		}
		ch <- prometheus.MustNewConstMetric(resting, prometheus.GaugeValue, float64(s.Resting), hook)
		buckets, n := make(map[float64]uint64), uint64(0)
		for i, bound := range hooks.Bounds {
			n += s.Took[i]
			buckets[bound.Seconds()] = n
		}
		ch <- prometheus.MustNewConstHistogram(took, n+s.Took[len(hooks.Bounds)], s.TookSum.Seconds(), buckets, hook)
		requests[hook] = s.Requests
		repeated, bytes = repeated+s.Repeated, s.Waiting
	}
	counters(ch, "hook_requests_total", "HTTP requests that questions were asked by: equal ones at a time are one.", "hook", requests)
	counter(ch, "hook_requests_repeated_total", "Of them, those made once more, as the connection ended before a byte of the answer.", repeated)
	gauge(ch, "hook_waiting_bytes", "Memory of questions under way, and of messages that wait behind them.", bytes)
}
