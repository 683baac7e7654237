// Package report is what a load test found, and how it is shown: a line or a
// view per second while it runs, a summary of one screen, JSON, and one HTML
// file with plots that needs no network.
//
// A Report is plain data, filled by the controller when the run is over. Judge
// then says what makes its figures doubtful, Values names the figures for
// assertions, and Summary, WriteJSON and WriteHTML show it; they change nothing,
// so any goroutine may call them, but none while Judge does. Live belongs to one
// goroutine. All numbers must be finite; where the fields below say that a value
// means "not known", the figure is shown as such and has no name in Values, so
// that no assertion passes on it.
//
// Whatever a target answered, or a plan contains, is shown without control
// characters on terminals and escaped in HTML.
package report

import (
	"time"

	"barrage/loadtest/plan"
	"barrage/loadtest/probe"
	"barrage/loadtest/tally"
)

// Version is the version of the JSON form. Fields may be added without a new
// one.
const Version = 1

// Report is everything about one run. Durations are in the units that the names
// tell.
type Report struct {
	Version  int       `json:"version"`
	Scenario string    `json:"scenario"`
	Started  time.Time `json:"started"`
	Seconds  float64   `json:"seconds"` // the whole run
	Plan     plan.Plan `json:"plan"`
	Command  string    `json:"command,omitempty"` // to run it again; secrets left out

	Connections Connections       `json:"connections"`
	Messages    Messages          `json:"messages"`
	Latency     Latency           `json:"latency_ms"`
	Server      Server            `json:"server"`
	Client      Client            `json:"client"`
	Storms      []Storm           `json:"storms,omitempty"`
	Timeline    []Point           `json:"timeline"`
	Environment probe.Environment `json:"environment"`
	Asserts     []Assert          `json:"asserts,omitempty"`
	Find        *Find             `json:"find,omitempty"`
	Warnings    []string          `json:"warnings,omitempty"` // what makes figures doubtful, in sentences
}

// Connections is what became of connections.
type Connections struct {
	Wanted         int               `json:"wanted"`
	Open           int               `json:"open"` // before the first message
	OpenAtEnd      int               `json:"open_at_end"`
	Opened         uint64            `json:"opened"`
	Deflated       uint64            `json:"deflated"` // of the opened, those that negotiated permessage-deflate
	Failed         uint64            `json:"failed"`
	Failures       map[string]uint64 `json:"failures,omitempty"` // by address and answer
	Closed         uint64            `json:"closed"`             // by the server or the network
	ClosedBy       map[string]uint64 `json:"closed_by,omitempty"`
	Dropped        uint64            `json:"dropped"` // by us, on purpose
	ConnectSeconds float64           `json:"connect_seconds"`
	PerSecond      float64           `json:"per_second"`
}

// Messages is what became of messages.
type Messages struct {
	Offered        uint64            `json:"offered"`        // that the plan wanted published
	Published      uint64            `json:"published"`      // and the target took
	PublishFailed  uint64            `json:"publish_failed"` // and it did not
	PublishErrors  map[string]uint64 `json:"publish_errors,omitempty"`
	PublishLagMax  float64           `json:"publish_lag_max_ms"` // how far publishing was behind its schedule at worst
	tally.Counts                     // copies to viewers
	Seconds        float64           `json:"seconds"` // from the first message due to the last arrival
	PerSecond      float64           `json:"per_second"`
	BytesPerSecond float64           `json:"bytes_per_second"`
	BytesPerCopy   float64           `json:"bytes_per_copy"`   // of all that was received, before decompression; 0 is not known
	CopiesPerFrame float64           `json:"copies_per_frame"` // above 1 where several came in one WebSocket message; 0 is not known
	Pings          uint64            `json:"pings"`
}

// Latency is from the moment at which a message was due to its arrival at a
// viewer, in milliseconds.
type Latency struct {
	P50       float64          `json:"p50"`
	P90       float64          `json:"p90"`
	P99       float64          `json:"p99"`
	P999      float64          `json:"p999"`
	Max       float64          `json:"max"`
	Mean      float64          `json:"mean"`
	Histogram *tally.Histogram `json:"histogram"`
}

// Server is what was seen of the target's processes. Nothing is known of it, and
// Known false, if neither a pid nor a metrics address was given.
type Server struct {
	Known                  bool               `json:"known"`
	PIDs                   []int              `json:"pids,omitempty"`
	CPUSeconds             float64            `json:"cpu_seconds"` // while publishing and draining
	ConnectCPUSeconds      float64            `json:"connect_cpu_seconds"`
	DeliveriesPerCPUSecond float64            `json:"deliveries_per_cpu_second"`
	IdleCPU                float64            `json:"idle_cpu"` // cores, during hold
	RSSBefore              uint64             `json:"rss_before"`
	RSSIdle                uint64             `json:"rss_idle"`
	RSSAfter               uint64             `json:"rss_after"`
	BytesPerConnection     BytesPerConnection `json:"bytes_per_connection"`
	SendsPerDelivery       float64            `json:"sends_per_delivery,omitempty"` // 0 is not known
	GCs                    float64            `json:"gcs,omitempty"`                // garbage collections in the whole run; 0 is not known
	GCPauseMax             float64            `json:"gc_pause_max_ms,omitempty"`    // of the recent ones; 0 is not known
	Gone                   []int              `json:"gone,omitempty"`               // pids that ended during the run
	Unanswered             int                `json:"unanswered,omitempty"`         // times that the metrics did not answer
	UnansweredError        string             `json:"unanswered_error,omitempty"`   // the last reason
}

// BytesPerConnection is memory per idle connection beyond the empty server;
// negative is not known.
type BytesPerConnection struct {
	Resident float64 `json:"resident"`
	Heap     float64 `json:"heap"`
	Stack    float64 `json:"stack"`
	Kernel   float64 `json:"kernel"` // of both ends, when the client is on the same machine
}

// Client is the load test's own cost.
type Client struct {
	Agents           []Agent `json:"agents"`
	CPUSeconds       float64 `json:"cpu_seconds"`              // while publishing and draining, of all agents
	CPUShare         float64 `json:"cpu_share"`                // of the cores they may use
	BusiestThread    float64 `json:"busiest_thread,omitempty"` // of one thread, the share of its core; 0 is not known
	MachineCPU       float64 `json:"machine_cpu,omitempty"`    // share of the client's machine that was busy, with whatever; 0 is not known
	Reads            uint64  `json:"reads"`
	MessagesPerRead  float64 `json:"messages_per_read"`
	Bottleneck       bool    `json:"bottleneck"` // the client was: the figures are not the server's
	BottleneckReason string  `json:"bottleneck_reason,omitempty"`
}

// Agent is one process that held connections.
type Agent struct {
	Name        string  `json:"name"` // local, or its address
	Connections int     `json:"connections"`
	OffsetUS    float64 `json:"clock_offset_us"` // its clock less the controller's
	RTTUS       float64 `json:"clock_rtt_us"`    // of the best exchange: the offset's error is at most half of it
	CPUSeconds  float64 `json:"cpu_seconds"`
}

// Storm is one time that all connections dropped and came back.
type Storm struct {
	At        float64 `json:"at"`      // seconds since the run began
	Dropped   int     `json:"dropped"` // connections
	Recovered int     `json:"recovered"`
	Seconds   float64 `json:"seconds"` // until the last was back
}

// Point is one second of the run. An RSS or SendsPerMsg of 0 is not known, nor is
// a negative ServerCPU, or one of 0 with an RSS of 0. Latencies are 0 when nothing
// arrived.
type Point struct {
	T           float64 `json:"t"`     // seconds since the run began
	Phase       string  `json:"phase"` // ramp, hold, publish, drain
	Open        int     `json:"open"`
	Published   float64 `json:"published"` // per second
	Delivered   float64 `json:"delivered"` // per second
	P50         float64 `json:"p50"`       // ms
	P99         float64 `json:"p99"`
	P999        float64 `json:"p999"`
	Max         float64 `json:"max"`
	Gaps        uint64  `json:"gaps"`       // messages overtaken by later ones at this moment
	ServerCPU   float64 `json:"server_cpu"` // cores
	ClientCPU   float64 `json:"client_cpu"` // cores
	RSS         uint64  `json:"rss"`
	SendsPerMsg float64 `json:"sends_per_delivery"`
}

// Assert is one checked condition.
type Assert struct {
	Expr  string `json:"expr"`
	OK    bool   `json:"ok"`
	Found string `json:"found"` // the values of the names in it
}

// Find is the outcome of a search for the capacity.
type Find struct {
	What     string     `json:"what"` // connections or rate
	SLO      string     `json:"slo"`
	Capacity float64    `json:"capacity"` // largest that met the SLO; 0 if none did
	Broke    string     `json:"broke"`    // which condition broke, with its value; empty if the bound was reached
	Limit    string     `json:"limit"`    // what gave first, in a sentence
	Advice   []string   `json:"advice"`   // what to change
	Steps    []FindStep `json:"steps"`
}

// FindStep is one trial.
type FindStep struct {
	Value     float64 `json:"value"`
	OK        bool    `json:"ok"`
	Broke     string  `json:"broke,omitempty"`
	P50       float64 `json:"p50"`
	P99       float64 `json:"p99"`
	Missing   uint64  `json:"missing"`
	PerSecond float64 `json:"per_second"`
	ServerCPU float64 `json:"server_cpu"`
	ClientCPU float64 `json:"client_cpu"`
	RSS       uint64  `json:"rss"`
}
