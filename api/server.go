// The server behind the API: what it must do, and the plain types in which it answers.

package api

import (
	"context"
	"encoding/json"
	"net/netip"
	"time"

	"barrage/internal/broker"
)

// Server is what the API needs of the server behind it, by topic, so that it can be
// put together of parts. All methods may be called from any goroutine and return soon
// after their context ends. Names of rooms and users that they are given are good ones.
//
// An error that has a [refusal.Error] in its chain is answered as that says, with when
// to try again. The broker's own errors are 503. Any other error is a 500 whose text
// goes to the log only. A capability the server does not have is a refusal.
type Server interface {
	Messages
	Rooms
	Users
	Requests
	Moderation
	Traces

	// NotReady gives the reasons why the server should get no traffic; none if it
	// should.
	NotReady() []string
	// Concerns tells what is wrong although traffic may come.
	Concerns() []string
}

// Messages publishes and remembers.
type Messages interface {
	// Publish sends a message. p and its payload are the caller's again when it
	// returns. Of one for a connection or a device alone Receipt.Members are those of all
	// nodes that got it.
	Publish(ctx context.Context, p *broker.Publication) (broker.Receipt, error)
	// History reads a part of a room's history, Clear forgets it.
	History(ctx context.Context, room string, q broker.Query) (broker.Page, error)
	Clear(ctx context.Context, room string) error
}

// Rooms tells which rooms there are, and what is in them.
type Rooms interface {
	// Room describes a room; ok is false if it is empty and nothing is known of it.
	Room(ctx context.Context, name string) (room Room, ok bool, err error)
	// EachRoom calls f for each room of this node in any order until f returns
	// false. The rate is in messages per second, lately.
	EachRoom(f func(name string, members int, rate float64) bool)
	// RoomCosts returns what rooms of this node have cost it, of those that something
	// was said in. It looks at all of them.
	RoomCosts(ctx context.Context) (map[string]RoomCost, error)
	// MatchRooms returns up to limit rooms with members, on any node, whose names
	// match pattern, in which * stands for any bytes.
	MatchRooms(ctx context.Context, pattern string, limit int) ([]string, error)
	// Presence lists the users in a room, at most limit of them by name.
	Presence(ctx context.Context, room string, limit int) (Presence, error)
}

// Users tells which users and connections there are.
type Users interface {
	// Online tells whether a user has a connection, on any node as far as known.
	Online(ctx context.Context, user string) (bool, error)
	// User describes a user; one who is not online is no error.
	User(ctx context.Context, user string) (User, error)
	// Connections lists connections of this node; total counts all that match.
	// Empty names select all.
	Connections(ctx context.Context, user, room string, limit int) (list []broker.Connection, total int, err error)
}

// Requests asks who answers requests.
type Requests interface {
	// Request asks who serves a method, on any node, and waits for the answer.
	Request(ctx context.Context, r Request) (Answer, error)
	// Workers lists at most limit workers of this node, and what others' serve.
	Workers(ctx context.Context, limit int) (Workers, error)
}

// Workers are connections that serve methods.
type Workers struct {
	Here      []Worker `json:"workers"`
	Total     int      `json:"total"` // of this node, listed or not
	Elsewhere []Offer  `json:"elsewhere"`
}

// Worker is one of this node.
type Worker struct {
	Conn    string   `json:"conn"`
	User    string   `json:"user,omitempty"`
	Address string   `json:"address,omitempty"`
	Methods []string `json:"methods"` // patterns
	Busy    int      `json:"busy"`    // requests that it has
	Limit   int      `json:"limit"`   // that it takes at a time
}

// Offer is what workers of another node serve, all of them together.
type Offer struct {
	Node   string `json:"node"`
	Method string `json:"method"` // a pattern
	Busy   int    `json:"busy"`
	Limit  int    `json:"limit"`
}

// Request is what a backend asks.
type Request struct {
	Method     string
	Data       json.RawMessage // one JSON value; empty is null
	Room, User string          // what it is about, and for whom; may be empty
	Timeout    time.Duration   // the longest wait, beside the server's own
	Redeliver  bool            // another worker may be given it, if one dies with it
}

// Answer is Data, or where the one who was asked refused it, a Code with its Message.
type Answer struct {
	Data          json.RawMessage
	Code, Message string
}

// Moderation is what operators do to rooms and users.
type Moderation interface {
	// Settings returns what was set for a room; the zero RoomSettings if nothing
	// was, which is also how to take them back.
	Settings(ctx context.Context, room string) (broker.RoomSettings, error)
	SetSettings(ctx context.Context, room string, s broker.RoomSettings) error
	// AllSettings returns those of all rooms that have any.
	AllSettings(ctx context.Context) (map[string]broker.RoomSettings, error)
	// CloseRoom puts all members out of a room, hands out its transcript and forgets
	// its history; after an error what was not handed out is still there.
	CloseRoom(ctx context.Context, room, reason string) (connections int, err error)
	// Remove puts connections out of a room or closes them, on all nodes, and
	// returns how many it was on this one.
	Remove(ctx context.Context, r Removal) (connections int, err error)
	// Bans returns those in force, in the order to show them in. Lift lets a user
	// come again into a room, or with "" to the server.
	Bans(ctx context.Context) ([]broker.Ban, error)
	Lift(ctx context.Context, user, room string) error
	// BanAddress closes all connections from an address or a network, on all nodes, and
	// refuses new ones for a time. LiftAddress lets them come again.
	BanAddress(ctx context.Context, address, reason string, keep time.Duration) (broker.Ban, error)
	LiftAddress(ctx context.Context, address string) error
	// Keys returns those that are configured or revoked. RevokeKey ends all connections
	// that have one, on all nodes, and refuses new ones until RestoreKey.
	Keys(ctx context.Context) ([]Key, error)
	RevokeKey(ctx context.Context, name, reason string) error
	RestoreKey(ctx context.Context, name string) error
}

// Traces tells what single connections do.
type Traces interface {
	// Trace has lines of JSON written until the trace's time or bytes are over, or ctx
	// ends, and not before there is one. An error of write ends it.
	Trace(ctx context.Context, t Trace, write func(lines []byte) error) error
}

// Trace says which connections are meant, by one of the first three, and how much of what
// they do is told at most.
type Trace struct {
	User    string
	Conn    string
	Network netip.Prefix

	For      time.Duration
	Bytes    int
	Payloads bool
}

// Key describes a key that may be brought instead of a token; without Rooms it is revoked,
// and not configured on this node.
type Key struct {
	Name                    string
	Rooms, Origins, Serve   []string
	Publish, Subscribe, Get bool
	Rate                    float64
	Expires                 time.Time // zero: never
	Revoked                 bool
}

// Room describes a room.
type Room struct {
	Members   int              // connections on this node
	Rate      float64          // messages per second, lately
	Cluster   *Audience        // over all nodes; nil: cannot be told now
	Head      broker.Position  // of its history; without an epoch there is none
	Retention broker.Retention // in effect
}

// RoomCost is what a room has cost this node since its members came.
type RoomCost struct {
	Bytes   uint64 // of messages, times the members to send them to
	Skipped uint64 // messages that members were too slow for
}

// Audience counts the viewers of a room over all nodes.
type Audience struct {
	Members int `json:"members"`        // connections
	Users   int `json:"users"`          // with a name, each once
	Unique  int `json:"unique_viewers"` // different viewers over time, estimated
}

// Presence is the viewers of a room over all nodes.
type Presence struct {
	Users       []Member `json:"users"`       // at most as many as asked for
	Total       int      `json:"total"`       // users, named above or not
	Connections int      `json:"connections"` // theirs and those of anonymous viewers
}

// Member is a user in a room, with what they say of themselves there.
type Member struct {
	broker.User
	Status string          `json:"status,omitempty"`
	Data   json.RawMessage `json:"data,omitempty"`
}

// User describes a user over all nodes, as far as known.
type User struct {
	Connections int
	Rooms       []string
	LastSeen    time.Time // zero: not known
}

// Removal says which connections are to go, and how. Either User or Conn is set.
type Removal struct {
	Room string // they leave this room; "": the connections are closed
	User string // all connections of this user
	Conn string // this connection; without Room and For

	Reason    string        // told to the client
	For       time.Duration // they are refused so long; 0: they may come back at once
	Reconnect bool          // the client is told to come back by itself
}
