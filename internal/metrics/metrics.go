// Package metrics turns the counters of a node's parts into Prometheus metrics. Labels
// are reasons and statuses from fixed lists: never a room, a user or an address.
package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"barrage/edge"
	"barrage/edge/auth"
	"barrage/edge/events"
	"barrage/fanout"
	"barrage/netpoll"
	"barrage/redisbridge"
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("barrage_"+name, help, labels, nil)
}

var (
	descConnections    = desc("connections", "WebSocket connections.")
	descMaxConnections = desc("connections_max", "WebSocket connections that are let in.")
	descSockets        = desc("sockets", "Open sockets of the public listener, before, during and after their time as WebSocket connections.")
	descAccepted       = desc("connections_accepted_total", "Connections accepted, whatever became of them.")
	descAcceptErrors   = desc("accept_errors_total", "Failed accepts; emfile pauses the listener until descriptors are free.", "reason")
	descHandshakes     = desc("handshakes_total", "Requests answered on the public listener, by HTTP status; 101 is an upgrade.", "result")
	descClosed         = desc("connections_closed_total", "WebSocket connections that ended.", "reason")
	descClosedEarly    = desc("sockets_closed_total", "Sockets that ended without having been WebSocket connections.", "reason")
	descRooms          = desc("rooms", "Rooms with members here.")
	descMemberships    = desc("memberships", "Memberships of rooms: connections times their rooms.")
	descReceived       = desc("messages_received_total", "Messages from sockets.")
	descRefused        = desc("messages_refused_total", "Messages that were not published: over the connection's rate, or the server too far behind; or not delivered: expired.", "reason")
	descPublished      = desc("messages_published_total", "Messages accepted from sockets and the API.")
	descRepeated       = desc("messages_repeated_total", "Messages pushed again to a connection, as its user had not acknowledged them.")
	descOffered        = desc("messages_offered_total", "Messages times members to send them to: delivered + skipped + pending.")
	descDelivered      = desc("messages_delivered_total", "Messages handed to members' sockets.")
	descSkipped        = desc("messages_skipped_total", "Messages that members were not sent; replayed: they had them from the history.", "reason")
	descPending        = desc("messages_pending", "Messages in room logs, times the members that have still to get them.")
	descSends          = desc("sends_total", "System calls that delivered messages.")
	descLogBytes       = desc("log_bytes", "Memory of all room logs.")
	descBroadcast      = desc("broadcast_duration_seconds", "Time of a pass over all members of a room in a shard, from its first message to its last send.")
	descBatches        = desc("batches_total", "Frames of several messages that were made, each once for all it went to.")
	descBatched        = desc("messages_batched_total", "Messages in such frames.")
	descPings          = desc("pings_sent_total", "Pings sent into silent rooms.")
	descWakeups        = desc("epoll_wakeups_total", "Wake-ups of the event loops for work other than sockets.")
	descEvents         = desc("epoll_events_total", "Events on connections.")
	descStale          = desc("epoll_stale_events_total", "Events fetched for a connection that was closed before they were looked at.")
	descPanics         = desc("panics_total", "Events that panicked; each cost one connection.")
	descReceivedBytes  = desc("received_bytes_total", "Bytes read from sockets.")

	descClients       = desc("clients", "Connections that speak barrage.v1 or have an identity.")
	descTokens        = desc("tokens_total", "Tokens checked.", "result")
	descKeySetReads   = desc("key_set_reads_total", "Readings of the key set of the tokens' issuer.", "result")
	descPendingAcks   = desc("clients_unacknowledged", "Clients that were given direct messages to acknowledge, and have not acknowledged all.")
	descPresenceUsers = desc("presence_users", "Users in rooms here; one in two rooms counts twice.")
	descPresenceDown  = desc("presence_store_down", "1 while the presence of other nodes cannot be had.")
	descHistories     = desc("history_rooms", "Rooms with a history in memory.")
	descHistoryBytes  = desc("history_bytes", "Memory of the histories in memory.")
	descHistoryLost   = desc("histories_dropped_total", "Histories in memory that were given up before their time, for lack of room.")
	descReplays       = desc("publish_replays_total", "Publishes with a key seen before, answered with the first one's receipt.")

	descEventResults  = desc("events_total", "Events for backends, by what became of them.", "result")
	descRequests      = desc("requests_total", "Requests of clients to backends, by what became of them.", "result")
	descEventRetries  = desc("event_batches_retried_total", "Batches of events that were sent to backends again, as they had not been taken.")
	descEventsWaiting = desc("events_waiting", "Events that backends have still to be told.")

	descRedisUp         = desc("redis_probe_success", "1 while messages published to Redis come back, else 0.")
	descRedisRTT        = desc("redis_probe_seconds", "Time a probe last took through Redis and back.")
	descRedisReceived   = desc("redis_messages_received_total", "Messages that came from Redis.")
	descRedisPublished  = desc("redis_messages_published_total", "Messages published to Redis.")
	descRedisErrors     = desc("redis_publish_errors_total", "Failed publishes to Redis.")
	descRedisLocal      = desc("redis_local_only_total", "Messages delivered to local members only, because of an outage.")
	descRedisDropped    = desc("redis_messages_dropped_total", "Messages that were not passed on.", "reason")
	descRedisReconnects = desc("redis_reconnects_total", "New subscription connections after the first.")
	descRedisCaughtUp   = desc("redis_messages_caught_up_total", "Messages that were read from a history, after the connection was lost.")
	descRedisGaps       = desc("redis_gaps_total", "Times that members of a room were told of messages that could not be had.")
	descRedisDiverged   = desc("redis_histories_diverged_total", "Histories that began anew because Redis had lost a part of them.")
	descRedisReads      = desc("redis_read_errors_total", "Histories that could not be read and are tried again.")
	descRedisCatching   = desc("redis_rooms_catching_up", "Rooms whose history is to be read before they go on.")
	descRedisChannels   = desc("redis_subscriptions", "Rooms subscribed.")
	descRedisQueue      = desc("redis_publish_queue", "Messages from sockets that have still to be published to Redis.")
	descRedisBytes      = desc("redis_received_bytes_total", "Payloads of the messages that came from Redis.")
	descRedisLinks      = desc("redis_shard_links_total", "Connections for sharded pub/sub, over all time.")
)

// Collector reads the counters when it is scraped. All of it but Server may be nil.
type Collector struct {
	Server  *edge.Server
	Bridge  *redisbridge.Bridge
	Tokens  *auth.Verifier
	Emitter *events.Emitter
	Caller  *events.Caller
}

// Describe makes this an unchecked collector: reasons appear as they occur.
func (c *Collector) Describe(chan<- *prometheus.Desc) {}

// Collect reads all counters at about one moment.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	s := c.Server.Stats()
	gauge(ch, descConnections, float64(s.Connections))
	gauge(ch, descMaxConnections, float64(s.MaxConnections))
	gauge(ch, descRooms, float64(s.Rooms))
	counter(ch, descReceived, s.Received)
	counter(ch, descPublished, s.Published)
	counter(ch, descRepeated, s.Repeated)
	counter(ch, descBatches, s.Batches)
	counter(ch, descBatched, s.Batched)
	counter(ch, descPings, s.Pings)
	byLabel(ch, descRefused, s.Refused)
	byLabel(ch, descHandshakes, s.Handshakes)
	byLabel(ch, descClosed, s.Closed)
	byLabel(ch, descClosedEarly, s.ClosedEarly)
	collectLoops(ch, s.Loops)
	collectFanout(ch, s.Fanout)
	collectRooms(ch, &s)
	if c.Bridge != nil {
		collectRedis(ch, c.Bridge.Stats())
	}
	if v := c.Tokens; v != nil {
		good, failed := v.Readings()
		counter(ch, descKeySetReads, good, "good")
		counter(ch, descKeySetReads, failed, "failed")
	}
	if c.Caller != nil {
		collectRequests(ch, c.Caller.Stats())
	}
	if c.Emitter != nil {
		collectEvents(ch, c.Emitter.Stats())
	}
}

func gauge(ch chan<- prometheus.Metric, d *prometheus.Desc, v float64) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
}

func counter[T int64 | uint64](ch chan<- prometheus.Metric, d *prometheus.Desc, v T, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
}

func byLabel(ch chan<- prometheus.Metric, d *prometheus.Desc, m map[string]uint64) {
	for label, v := range m {
		counter(ch, d, v, label)
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
	}
	gauge(ch, descSockets, float64(t.Conns))
	counter(ch, descAccepted, t.Accepted)
	counter(ch, descAcceptErrors, t.AcceptNoFile, "emfile")
	counter(ch, descAcceptErrors, t.AcceptErrors, "other")
	counter(ch, descWakeups, t.Wakeups)
	counter(ch, descEvents, t.Events)
	counter(ch, descStale, t.StaleEvents)
	counter(ch, descPanics, t.Panics)
	counter(ch, descReceivedBytes, t.BytesReceived)
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
	gauge(ch, descMemberships, float64(t.Members))
	gauge(ch, descPending, float64(t.Pending))
	gauge(ch, descLogBytes, float64(t.LogBytes))
	counter(ch, descOffered, t.Offered)
	counter(ch, descDelivered, t.Delivered)
	counter(ch, descSends, t.Sends)
	for _, r := range fanout.SkipReasons() {
		counter(ch, descSkipped, t.Skipped[r], r.String())
	}
	ch <- histogram(descBroadcast, &t.Latency)
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
	gauge(ch, descRedisUp, oneIf(s.Probe))
	gauge(ch, descRedisRTT, s.ProbeRTT.Round(time.Microsecond).Seconds())
	gauge(ch, descRedisChannels, float64(s.Subscriptions))
	gauge(ch, descRedisQueue, float64(s.Queued))
	counter(ch, descRedisBytes, s.ReceivedBytes)
	counter(ch, descRedisLinks, s.ShardLinks)
	counter(ch, descRedisReceived, s.Received)
	counter(ch, descRedisPublished, s.Published)
	counter(ch, descRedisErrors, s.PublishErrors)
	counter(ch, descRedisLocal, s.LocalOnly)
	counter(ch, descRedisReconnects, s.Reconnects)
	counter(ch, descRedisCaughtUp, s.CaughtUp)
	counter(ch, descRedisGaps, s.Gaps)
	counter(ch, descRedisDiverged, s.Diverged)
	counter(ch, descRedisReads, s.ReadErrors)
	gauge(ch, descRedisCatching, float64(s.CatchingUp))
	counter(ch, descRedisDropped, s.Foreign, "foreign")
	counter(ch, descRedisDropped, s.Suppressed, "duplicate")
	counter(ch, descRedisDropped, s.Duplicates, "repeated")
	counter(ch, descRedisDropped, s.QueueFull, "queue_full")
	counter(ch, descRedisDropped, s.Refused, "refused")
}

// collectRooms is what rooms remember, and the users in them.
func collectRooms(ch chan<- prometheus.Metric, s *edge.Stats) {
	gauge(ch, descClients, float64(s.Clients))
	gauge(ch, descPendingAcks, float64(s.PendingAcks))
	byLabel(ch, descTokens, s.Tokens)
	gauge(ch, descPresenceUsers, float64(s.Presence.Users))
	gauge(ch, descPresenceDown, oneIf(s.Presence.StoreDown))
	if m := s.Memory; m != nil {
		gauge(ch, descHistories, float64(m.Rooms))
		gauge(ch, descHistoryBytes, float64(m.Bytes))
		counter(ch, descHistoryLost, m.EvictedTotal)
		counter(ch, descReplays, m.ReplaysTotal)
	}
}

func oneIf(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

func collectEvents(ch chan<- prometheus.Metric, s events.Stats) {
	counter(ch, descEventResults, s.Delivered, "delivered")
	for r, n := range s.Dropped {
		counter(ch, descEventResults, n, events.DropReason(r).String())
	}
	counter(ch, descEventRetries, s.Retried)
	gauge(ch, descEventsWaiting, float64(s.Queued))
}

func collectRequests(ch chan<- prometheus.Metric, s events.CallerStats) {
	counter(ch, descRequests, s.Answered, "answered")
	byLabel(ch, descRequests, s.Failed)
}
