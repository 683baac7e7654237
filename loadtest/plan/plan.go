// Package plan says what a load test does: the target, the connections, their
// rooms, and when each message is due. It does nothing itself.
//
// A Plan is data: the controller reads it from flags and a scenario's YAML and
// sends it to every agent as JSON. Layout and Schedule are computed from it in
// the same way everywhere, so agents need not be told which connection belongs
// to which room, or when the thousandth message of a room is due.
package plan

import "time"

// How messages get to the target.
const (
	PublishNone   = "none"
	PublishHTTP   = "http"
	PublishRedis  = "redis"
	PublishSocket = "socket"
)

// Plan is the settings of one load test. In the texts that say so, {room} stands
// for the name of the connection's or message's room, {user} and {token} for the
// connection's, and {payload} for the message. The zero Plan is not valid: FromFlags makes valid ones.
type Plan struct {
	Name string `yaml:"name" json:"name"` // of the scenario

	// The target.
	URLs         []string          `yaml:"url" json:"url"`                   // ws://host:port/path, with {room}, {user} and {token}; connections take them in turn
	Preset       string            `yaml:"preset" json:"preset"`             // a server's name: fills what is not set in this group and the next
	Headers      []string          `yaml:"headers" json:"headers"`           // "Name: value", of the upgrade request, with {room}, {user} and {token}
	Subprotocols []string          `yaml:"subprotocols" json:"subprotocols"` // offered
	Deflate      bool              `yaml:"deflate" json:"deflate"`           // permessage-deflate is offered; with a server that agrees, messages are compressed both ways
	Batch        bool              `yaml:"batch" json:"batch"`               // barrage.v1 with Deflate: several pushes may come in one message
	OpenText     string            `yaml:"open_text" json:"open_text"`       // sent as a text message on each connection when it is open, with {room}, {user} and {token}
	OpenHex      string            `yaml:"open_hex" json:"open_hex"`         // likewise as a binary message, in hexadecimal
	Answers      map[string]string `yaml:"answers" json:"answers"`           // whole text messages that are answered, and with what
	Refusals     []string          `yaml:"refusals" json:"refusals"`         // beginnings of text messages by which a server refuses: such a connection is closed, and counted as closed by the server
	User         string            `yaml:"user" json:"user"`                 // name of a connection's user, {n} being the connection's number from 1
	Token        string            `yaml:"token" json:"token"`               // a connection's token, with {user}; signed ones come beside the plan
	Stamp        string            `yaml:"stamp" json:"stamp"`               // where the stamp is in a message: "search", or "skip:N" bytes before it

	// Publishing.
	Publish        string   `yaml:"publish" json:"publish"`                 // one of the Publish constants
	PublishURL     string   `yaml:"publish_url" json:"publish_url"`         // http: with {room}
	PublishMethod  string   `yaml:"publish_method" json:"publish_method"`   // http
	PublishHeaders []string `yaml:"publish_headers" json:"publish_headers"` // http: "Name: value"
	PublishBody    string   `yaml:"publish_body" json:"publish_body"`       // http, redis: with {room} and {payload}
	Publishers     int      `yaml:"publishers" json:"publishers"`           // http, redis: connections that publish at the same time
	Redis          string   `yaml:"redis" json:"redis"`                     // redis: URL
	RedisChannel   string   `yaml:"redis_channel" json:"redis_channel"`     // redis: with {room}
	SendText       string   `yaml:"send_text" json:"send_text"`             // socket: what a viewer sends, with {room} and {payload}
	Binary         bool     `yaml:"binary" json:"binary"`                   // socket: sends binary messages

	// The load.
	Connections int           `yaml:"connections" json:"connections"`
	ConnectRate float64       `yaml:"connect_rate" json:"connect_rate"` // new connections per second; 0 is as fast as Inflight allows
	Inflight    int           `yaml:"inflight" json:"inflight"`         // handshakes under way at the same time
	Rooms       int           `yaml:"rooms" json:"rooms"`
	Room        string        `yaml:"room" json:"room"` // name of a room, {n} being its number from 1
	Zipf        float64       `yaml:"zipf" json:"zipf"` // exponent of the rooms' sizes and rates; 0 makes them alike
	Rate        float64       `yaml:"rate" json:"rate"` // messages per second, over all rooms
	Size        int           `yaml:"size" json:"size"` // bytes of a message
	Hold        time.Duration `yaml:"hold" json:"hold"` // between the last connect and the first message: the cost of idle connections is measured in it
	Duration    time.Duration `yaml:"duration" json:"duration"`
	Drain       time.Duration `yaml:"drain" json:"drain"`   // longest wait for what is still on its way
	Settle      time.Duration `yaml:"settle" json:"settle"` // of a connection that joins while messages flow, those due later than this after its upgrade are expected
	Late        time.Duration `yaml:"late" json:"late"`     // a message that is older than this when it arrives is counted as late, too

	// The viewers.
	Echo     bool    `yaml:"echo" json:"echo"`       // socket: each connection expects its own messages back and nobody else's
	Talkers  float64 `yaml:"talkers" json:"talkers"` // socket: per cent of a room's viewers that publish
	Slow     float64 `yaml:"slow" json:"slow"`       // per cent that read SlowRate bytes per second
	SlowRate int     `yaml:"slow_rate" json:"slow_rate"`
	Stalled  float64 `yaml:"stalled" json:"stalled"` // per cent that read nothing
	Churn    float64 `yaml:"churn" json:"churn"`     // connections per second that leave and are replaced
	Storms   int     `yaml:"storms" json:"storms"`   // times that all drop and come back at once, spread over Duration
}

// Publishes reports whether there are messages at all.
func (p *Plan) Publishes() bool {
	return p.Publish != "" && p.Publish != PublishNone && p.Rate > 0 && p.Duration > 0
}
