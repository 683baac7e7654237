package bounds_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"barrage/internal/bounds"
	"barrage/internal/broker"
	"barrage/internal/config"
	"barrage/internal/doctable"
	"barrage/internal/settings"
)

const root = "../.."

// row is one of the table: what may be taken of something, and what happens to who wants
// more. A cell that is empty has no bound of its own.
type row struct {
	what, unit           string
	conn, payer, process string
	then, metric         string
	settings             []string // those that are the bound, or a part of it
}

// half is the share of those who may take as much as they leave free.
const half = "half of what is free"

func rows() []row {
	return []row{
		{what: "connections", payer: set("max_connections_per_ip"), process: set("max_connections"),
			then: "429 of an address, 503 of all", metric: `handshakes_total{result}`, settings: []string{"max_connections", "max_connections_per_ip"}},
		{what: "connections not yet accepted", unit: "of a shard", process: set("backlog"), then: "the kernel drops them", settings: []string{"backlog"}},
		{what: "requests and messages that have begun", unit: "bytes", conn: set("max_message_bytes"), process: set("unfinished_bytes"),
			then: "the largest are closed, with 1013 or 503", metric: `connections_closed_total{reason="too_much_unfinished"}`, settings: []string{"max_message_bytes", "unfinished_bytes"}},
		{what: "tiny and empty fragments", unit: "of a message", conn: n(bounds.Fragments), then: "closed with 1008", metric: `connections_closed_total{reason="policy"}`},
		{what: "checks of tokens", unit: "at a time", payer: half, process: n(bounds.TokenChecks) + ", and " + n(bounds.Waiting) + " wait",
			then: "503, in `auth` `overloaded`", metric: `tokens_total{result}`},
		{what: "tokens of keys not yet read", process: n(bounds.KeyWaiters), then: "503, `unavailable`", metric: `key_set_reads_total{result}`},
		{what: "refusals told in words", unit: "a minute", payer: n(bounds.ToldPerMinute), process: n(bounds.CountedAddresses) + " addresses",
			then: "an HTTP status", metric: `handshakes_total{result}`},
		{what: "rooms joined", conn: set("max_rooms_per_connection"), then: "`too_many_rooms`", settings: []string{"max_rooms_per_connection"}},
		{what: "messages published", unit: "a second", conn: set("publish_rate") + ", " + set("publish_burst") + " at once",
			then: "`rate_limited`, raw: dropped", metric: `messages_refused_total{reason="rate"}`, settings: []string{"publish_rate", "publish_burst"}},
		{what: "bytes published", unit: "bytes a second", conn: set("publish_bytes"), then: "as above", metric: `messages_refused_total{reason="rate"}`, settings: []string{"publish_bytes"}},
		{what: "a message published", unit: "bytes", conn: set("max_publish_bytes"), then: "`too_big`, raw: dropped", metric: `messages_refused_total{reason="too_big"}`, settings: []string{"max_publish_bytes"}},
		{what: "comments of a hot room", unit: "a second", payer: "a fair share, of " + n(bounds.Speakers) + " senders", process: "of each room " + set("target_rate"),
			then: "only their senders see them", metric: `messages_sampled_total`, settings: []string{"target_rate"}},
		{what: "commands", unit: "pings a second", conn: n(bounds.CommandsPerSecond) + ", " + n(bounds.CommandBurst) + " at once, and one for each " + size(bounds.PricedBytes),
			then: fmt.Sprintf("`rate_limited`; %d bursts over: closed with 1008", bounds.FloodFactor), metric: `connections_closed_total{reason="flood"}`},
		{what: "pings and pongs of WebSocket, empty messages without", unit: "a second", conn: n(bounds.ControlFramesPerSecond), then: "closed with 1008", metric: `connections_closed_total{reason="flood"}`},
		{what: "requests to backends", unit: "under way", conn: n(bounds.Requests), payer: half + ", of a route's", process: n(bounds.RequestSlots),
			then: "`overloaded`", metric: `requests_total{result}`},
		{what: "requests to workers", unit: "bytes", conn: n(bounds.Requests) + " requests", payer: half + ", of a pattern's", process: size(bounds.RequestBytes),
			then: "`overloaded`", metric: `worker_requests_total{result="overloaded"}`},
		{what: "requests that wait for a worker", unit: "of a pattern", conn: half + " at the address, or of a user's there", payer: half, process: n(bounds.RequestsWaiting),
			then: "`overloaded`; after `request_timeout` `timeout`", metric: `worker_requests_waiting`},
		{what: "requests under way at a worker", conn: "its `limit`, " + n(bounds.WorkerRequests) + " at most", then: "others get them, or they wait", metric: `worker_requests`},
		{what: "given up requests that their worker has not answered", unit: "of its `limit`", conn: "each for " + settings.Format(bounds.GivenUp), then: "others get the next"},
		{what: "requests whose workers died with them", conn: n(bounds.Redeliveries) + " times to another, if their asker allows it", then: "`backend_error`", metric: `worker_requests_redelivered_total`},
		{what: "requests that no worker was given before it went", conn: n(bounds.RequestMoves) + " times to others", then: "`unavailable`", metric: `worker_requests_total{result="unavailable"}`},
		{what: "workers", payer: half, process: n(bounds.Workers), then: "`overloaded`", metric: `workers_turned_away_total{reason="workers"}`},
		{what: "methods that workers serve", unit: "patterns", conn: n(bounds.WorkerMethods), payer: half + ", of those that nobody served before", process: n(bounds.WorkerPatterns),
			then: "`overloaded`", metric: `workers_turned_away_total{reason="methods"}`},
		{what: "methods that nobody serves any more", unit: "patterns", process: n(bounds.MethodsKnown) + ", each for " + settings.Format(bounds.MethodLinger),
			then: "the oldest is `unknown_method` again", metric: `worker_methods_known`},
		{what: "questions of hooks, and messages behind them", unit: "bytes", conn: n(bounds.HookMessages) + " messages", payer: half + ", of a URL's", process: size(bounds.HookBytes) + ", and " + n(bounds.Waiting) + " for each URL",
			then: "`overloaded`, raw: dropped", metric: `hook_waiting_bytes`},
		{what: "requests of hooks", unit: "under way", payer: "equal turns", process: set("hook_concurrency") + " to a URL", then: "they wait, as long as for an answer",
			metric: `hook_requests_total{hook}`, settings: []string{"hook_concurrency"}},
		{what: "a login", unit: "bytes", conn: size(bounds.LoginBytes), then: "`too_big`", metric: `hooks_total{hook,result="guessed"}`},
		{what: "wrong logins of a connection", conn: set("connect_tries"), then: "closed with 4202", metric: `connections_closed_total{reason="wrong_logins"}`, settings: []string{"connect_tries"}},
		{what: "wrong logins", unit: "a minute", payer: n(bounds.UserLogins) + " of a user, " + n(bounds.AddressLogins) + " from an address, and those under way",
			then: "`rate_limited`", metric: `hooks_total{hook,result="guessed"}`},
		{what: "answers remembered for `last`", unit: "for " + settings.Format(bounds.LastTime), payer: half, process: n(bounds.LastAnswers), then: "not remembered"},
		{what: "work of the store", unit: "tasks", conn: half + " at the address", payer: half, process: n(bounds.AnswerTasks) + " at a time, and " + n(bounds.Waiting) + " wait",
			then: "`overloaded`; after " + settings.Format(bounds.Patience) + " `unavailable`"},
		{what: "answers", unit: "bytes a second", conn: size(bounds.ConnAnswerRate) + ", " + size(bounds.ConnAnswerBurst) + " at once", payer: "equal turns", process: size(bounds.AnswerRate),
			then: "`rate_limited` of a connection, a wait of all"},
		{what: "answers that wait for that rate", unit: "bytes", conn: "equal turns, small ones first", process: size(bounds.AnswersWaiting), then: "large ones: `overloaded`"},
		{what: "one answer", unit: "bytes of messages", conn: size(bounds.PageBytes), then: "the rest is asked for again, in joins it is a gap"},
		{what: "answers not read", unit: "bytes", conn: size(bounds.ReplyQueue) + ", large ones " + size(bounds.UnreadAnswers), process: set("unread_bytes"),
			then: "nothing more is read of the connection; past the bound of all the largest is closed", metric: `unread_bytes`, settings: []string{"unread_bytes"}},
		{what: "what rooms say, not taken", unit: "bytes of a room", process: set("room_log_bytes") + ", all " + set("log_bytes"),
			then: "members skip", metric: `messages_skipped_total{reason="slow"}`, settings: []string{"room_log_bytes", "log_bytes"}},
		{what: "what the kernel holds for a viewer", unit: "bytes", conn: size(bounds.UnsentBytes), then: "it waits in the room's log", settings: []string{"send_buffer_bytes"}},
		{what: "rooms whose viewers are remembered, in Redis", unit: "in 10m", payer: n(bounds.ViewerRooms) + " that nobody else is in", process: n(bounds.RatePayers) + " payers",
			then: "a user is no different viewer of further ones"},
		{what: "users of whom it is remembered when they were here", process: n(bounds.LastSeen) + ", in Redis " + n(bounds.LastSeenInRedis), then: "the longest gone are forgotten"},
		{what: "a device's name", unit: "bytes", conn: n(broker.MaxDevice), then: "`bad_device`"},
		{what: "messages for one connection or device, and copies of a user's for their other connections", unit: "bytes not read", conn: size(bounds.ReplyQueue), process: "half of " + set("unread_bytes"),
			then: "further ones are not given: `delivered_to` says so", metric: `direct_messages_total{result}`},
		{what: "messages for one connection or device that nodes have not answered", unit: "for " + settings.Format(bounds.DirectWait), payer: half, process: n(bounds.Directs),
			then: "`overloaded`", metric: `direct_messages_total{result="overloaded"}`},
		{what: "a status in a room", unit: "bytes", conn: n(bounds.StatusBytes) + ", and " + n(bounds.StatusDataBytes) + " of data", then: "`bad_command`"},
		{what: "changes of a status that are told", conn: "one in " + settings.Format(bounds.StatusInterval) + " in a room", then: "the last of them is told"},
		{what: "messages waiting for others of their room", unit: "of a room", process: n(bounds.TurnMessages) + ", " + size(bounds.TurnBytes),
			then: "`overloaded`", metric: `messages_refused_total{reason="overload"}`},
		{what: "messages waiting for Redis", process: n(bounds.QueueLen) + ", " + size(bounds.QueueBytes), then: "`overloaded`", metric: `redis_messages_dropped_total{reason="queue_full"}`},
		{what: "entries taken of a list or stream in Redis", process: n(bounds.QueueBatch) + ", " + size(bounds.QueueBatchBytes) + " and one entry; " + set("redis_queue_rate") + " a second",
			then: "they wait in Redis", metric: `queue_entries_waiting`, settings: []string{"redis_queue_rate"}},
		{what: "entries of a list that cannot be published, if it keeps them", process: n(bounds.DeadEntries), then: "the oldest go", metric: `queue_entries_total{result}`},
		{what: "a room's history", unit: "bytes", process: size(bounds.RoomHistoryBytes), then: "the oldest go", settings: []string{"history"}},
		{what: "histories, without Redis", unit: "bytes", payer: "an equal share", process: size(bounds.HistoryBytes) + ", " + n(bounds.HistoryRooms) + " rooms",
			then: "who has most loses the oldest", metric: `histories_dropped_total`},
		{what: "idempotency keys, without Redis", unit: "for " + settings.Format(bounds.KeyTime), payer: half, process: n(bounds.IdempotencyKeys) + " of clients, as many of backends",
			then: "`overloaded`", metric: `messages_refused_total{reason="overload"}`},
		{what: "idempotency keys of an outage of Redis", unit: "for " + settings.Format(bounds.KeyTime), payer: half, process: n(bounds.OutageKeys) + " of clients, as many of backends",
			then: "`overloaded`", metric: `messages_refused_total{reason="overload"}`},
		{what: "epochs that joins begin", unit: "an hour", payer: n(bounds.EpochsPerHour) + ", " + n(bounds.EpochsAtOnce) + " at once", process: n(bounds.RatePayers) + " payers",
			then: "the join has no position"},
		{what: "events that wait for backends", unit: "bytes", process: set("event_queue_bytes") + ", and " + n(bounds.Events) + " in each of the queues", then: "the oldest go",
			metric: `events_total{result}`, settings: []string{"event_queue_bytes"}},
		{what: "events in Redis", unit: "bytes", process: set("event_stream_bytes") + ", " + n(bounds.StreamEvents) + " events", then: "the oldest go", settings: []string{"event_stream_bytes"}},
		{what: "connections of the admin listener", process: n(bounds.AdminConnections), then: "idle ones are closed, others wait", metric: `http_connections_evicted_total`},
		{what: "a batch of the API", unit: "messages", conn: n(bounds.BatchMessages) + ", " + size(bounds.BatchBytes) + " or four of the largest", then: "413"},
		{what: "traces of connections", unit: "at a time", process: n(bounds.Traces) + " of all nodes, each for " + settings.Format(bounds.TraceTime) + " and " + size(bounds.TraceBytes),
			then: "`too_many_traces`; the trace ends", metric: `traces`},
		{what: "connections that are traced", unit: "of a trace", process: n(bounds.TracedConns), then: "others are left out, and counted in a line"},
		{what: "lines of a trace that wait", unit: "bytes", process: size(bounds.TraceBuffer) + ", and " + size(bounds.TraceQueue) + " for whoever asked; a payload is cut at " + size(bounds.TraceText),
			then: "they are lost, and counted in a line", metric: `trace_lines_lost_total`},
		{what: "requests that wait on the admin listener", process: "half of its connections", then: "503, `overloaded`", metric: `http_requests_total{route,code}`},
		{what: "bans", process: n(bounds.Bans), then: "409, `too_many_bans`"},
		{what: "rooms with settings of their own", process: n(bounds.RoomSettings), then: "409, `too_many_settings`"},
		{what: "lines of the log that nobody reads", unit: "bytes", process: size(bounds.LogLines), then: "further ones are dropped", metric: `log_lines_dropped_total{reason="full"}`},
	}
}

// elsewhere are the settings with numbers that bound nothing anybody takes.
var elsewhere = []string{"shards", "ipv6_prefix_length", "target_connections"}

// set is the default of a setting.
func set(key string) string {
	s := config.Table.Find(key)
	switch v := s.Default.(type) {
	case settings.Bytes:
		if v != 0 {
			return size(int64(v))
		}
	case int:
		if v != 0 {
			return n(int64(v))
		}
	case float64:
		return settings.Format(v)
	}
	return s.Zero
}

// n writes a number with commas.
func n(v int64) string {
	text := fmt.Sprint(v)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func size(v int64) string {
	text := settings.Format(settings.Bytes(v))
	i := strings.IndexFunc(text, func(r rune) bool { return r > '9' })
	return text[:i] + " " + text[i:]
}

var update = flag.Bool("update", false, "write the table of bounds to docs/limits.md")

// TestTable writes the table, and holds the document at it.
func TestTable(t *testing.T) {
	var b strings.Builder
	b.WriteString("| what | unit | per connection | per user and address | per process | at the bound | metric | setting |\n|---|---|---|---|---|---|---|---|\n")
	for _, r := range rows() {
		keys := make([]string, len(r.settings))
		for i, key := range r.settings {
			keys[i] = "`" + key + "`"
		}
		metric := r.metric
		if metric != "" {
			metric = "`" + metric + "`"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", r.what, r.unit, r.conn, r.payer, r.process, r.then, metric, strings.Join(keys, ", "))
	}
	doctable.Hold(t, root+"/docs/limits.md", *update, map[string]string{"bounds": b.String()})
}

// TestSettings: each setting that is a number, or says how much rooms remember, is in the
// table, unless it is none that somebody can use up.
func TestSettings(t *testing.T) {
	told := slices.Clone(elsewhere)
	for _, r := range rows() {
		for _, key := range r.settings {
			if config.Table.Find(key) == nil {
				t.Errorf("%s: there is no setting %s", r.what, key)
			}
		}
		told = append(told, r.settings...)
	}
	for _, s := range config.Table.Settings {
		if _, span := s.Default.(time.Duration); s.Min != nil && !span && !slices.Contains(told, s.Key) {
			t.Errorf("%s is a bound and in no row", s.Key)
		}
	}
}

// TestMetrics: those that are named are there (docs/interfaces.md is held at the program),
// and the program has a word for each label's value.
func TestMetrics(t *testing.T) {
	document := read(t, root+"/docs/interfaces.md")
	program := source(t)
	form := regexp.MustCompile(`^([a-z_]+)(?:\{([a-z,]+)(?:="([a-z_]+)")?\})?$`)
	for _, r := range rows() {
		if r.metric == "" {
			continue
		}
		m := form.FindStringSubmatch(r.metric)
		if m == nil {
			t.Errorf("%s: %s is no metric", r.what, r.metric)
			continue
		}
		name := m[1]
		if m[2] != "" {
			name += "{" + m[2] + "}"
		}
		if !strings.Contains(document, "`"+name+"`") {
			t.Errorf("%s: there is no metric %s", r.what, name)
		}
		if !strings.Contains(program, `"`+m[3]+`"`) && m[3] != "" {
			t.Errorf("%s: nothing is called %q", r.what, m[3])
		}
	}
}

// TestFigures: each is charged by, and in the table.
func TestFigures(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "bounds.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	table, program := named(read(t, "table_test.go")), named(source(t))
	for name, object := range file.Scope.Objects {
		if object.Kind != ast.Con {
			continue
		}
		if !table[name] {
			t.Errorf("%s is not in the table", name)
		}
		if !program[name] {
			t.Errorf("nothing charges by %s", name)
		}
	}
}

// named are the figures that a text speaks of.
func named(text string) map[string]bool {
	names := make(map[string]bool)
	for _, m := range regexp.MustCompile(`bounds\.(\w+)`).FindAllStringSubmatch(text, -1) {
		names[m[1]] = true
	}
	return names
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// source is the program, without its tests.
func source(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			all.WriteString(read(t, path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}
