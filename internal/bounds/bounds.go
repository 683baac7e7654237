// Package bounds has what one may take of a node, and all together, as far as it is no
// setting: the figures that the code charges by. The first table of docs/limits.md is
// written from them and from the settings, by this package's test, which says of each who
// pays and what happens then.
package bounds

import "time"

// At the door.
const (
	TokenChecks      = 8      // tokens that are checked at a time
	KeyWaiters       = 64     // tokens that wait for the issuer's newest keys: they must not keep those out whose keys are at hand
	ToldPerMinute    = 10     // refusals of an address that are told in words
	CountedAddresses = 10_000 // of which it is known what they did in a minute; others may do nothing of it
)

// What a connection may send, besides what settings say of messages.
const (
	CommandsPerSecond      = 50       // of barrage.v1, in pings
	CommandBurst           = 100      // likewise
	PricedBytes            = 16 << 10 // of a command cost as much as a ping
	FloodFactor            = 5        // how far over, in bursts, closes the connection
	ControlFramesPerSecond = 50       // pings and pongs of WebSocket, empty messages without it
	Fragments              = 1024     // of one message: tiny and empty frames cost the server much more than the peer
	Requests               = 8        // to backends, of a connection, under way
	RequestSlots           = 256      // of all
)

// Workers: connections that answer requests.
const (
	Workers         = 1024             // of a node
	WorkerMethods   = 32               // patterns of one
	WorkerPatterns  = 512              // different ones of a node's
	WorkerRequests  = 256              // under way at one, at most
	RequestBytes    = 32 << 20         // of requests that are asked or served on a node
	RequestsWaiting = 4096             // places for those that wait for a worker, of one pattern
	Redeliveries    = 2                // of a request whose workers died with it
	RequestMoves    = 8                // of one that no worker was given
	GivenUp         = 30 * time.Second // for which a request that was given up counts as under way, if it is not answered
	MethodLinger    = time.Minute      // for which it is known that somebody served a method
	MethodsKnown    = 512              // of which that is known
)

// What backends are asked before something happens.
const (
	HookBytes     = 32 << 20  // of questions under way, and of messages behind them, of all
	HookMessages  = 64        // of a connection that wait for the answer about one
	LoginBytes    = 4 << 10   // of a first message
	UserLogins    = 10        // wrong ones of a user in a minute
	AddressLogins = 60        // likewise, from an address
	LastAnswers   = 32 << 10  // that are remembered for a backend that is away
	LastTime      = time.Hour // likewise, each
)

// Answers to what is asked of the store, and those who wait for one.
const (
	AnswerTasks     = 64              // at a time: they wait for the store, not for a processor
	AnswerRate      = 64 << 20        // bytes a second of all
	AnswersWaiting  = 32 << 20        // bytes of those that are read and not made yet
	ConnAnswerRate  = 1 << 20         // of a connection's large ones
	ConnAnswerBurst = 4 << 20         // at once
	Waiting         = 16 << 10        // places for those whose turn is to come
	Patience        = 3 * time.Second // of one that waits, its answer included
	PageBytes       = 512 << 10       // of the messages in one reply
	ReplyQueue      = 64 << 10        // bytes of answers not read, before reading from the connection stops
	UnreadAnswers   = 1 << 20         // likewise, before large answers are refused
	UnsentBytes     = 128 << 10       // that the kernel takes beyond what is on its way, for those that do not keep up
)

// Epochs that joins begin: what merely looking at rooms makes a broker keep.
const (
	EpochsAtOnce  = 100
	EpochsPerHour = 60
	RatePayers    = 1 << 16 // that are known at a time, of this rate and of publishing by HTTP; further ones may do nothing
)

// What users say of themselves in a room: a status, and data beside it.
const (
	StatusBytes     = 64
	StatusDataBytes = 512
	StatusInterval  = time.Second // between two of a user that a room is told
)

// ViewerRooms is in how many rooms that nobody else is seen in a user is remembered as a
// viewer, in each bucket of time.
const ViewerRooms = 20

// Users of whom it is remembered when they were here last.
const (
	LastSeen        = 100_000   // on a node without Redis, or while Redis is away
	LastSeenInRedis = 1_000_000 // about
)

// Messages for single connections and devices.
const (
	Directs    = 4096        // whose answers are not all there
	DirectWait = time.Second // for them
)

// Messages on their way.
const (
	TurnMessages = 8192    // that wait for others of their room
	TurnBytes    = 8 << 20 // likewise
	QueueLen     = 16384   // that wait to be published to Redis
	QueueBytes   = 16 << 20
)

// What a node without Redis keeps.
const (
	HistoryBytes    = 256 << 20 // of messages in histories, of all rooms
	HistoryRooms    = 200_000
	IdempotencyKeys = 100_000 // of backends, and as many of clients
	KeyTime         = 5 * time.Minute
)

// What a node with Redis keeps of an outage.
const OutageKeys = 1 << 16 // as IdempotencyKeys

// What a node takes of a queue in Redis at a time, and what is kept there of entries that
// cannot be published.
const (
	QueueBatch      = 100
	QueueBatchBytes = 1 << 20
	DeadEntries     = 100 // of QueueBatchBytes or max_message_bytes at most
)

// A room's history, unless its rule says otherwise.
const (
	RoomHistoryBytes = 4 << 20
)

// Backends and operators.
const (
	AdminConnections = 128
	BatchMessages    = 1000    // of one body
	BatchBytes       = 4 << 20 // likewise, or four of the largest messages
	Events           = 10_000  // that wait for backends
	StreamEvents     = 100_000 // in event_stream
	Bans             = 100_000
	RoomSettings     = 10_000 // rooms with settings of their own
)

// Speakers are the senders of a second who have shares of their own in a hot room.
const Speakers = 10_000

// Traces of single connections.
const (
	Traces      = 8                // at a time
	TraceTime   = 15 * time.Minute // of one
	TraceBytes  = 64 << 20         // of lines, likewise
	TracedConns = 100              // of a node, in one trace: others that fit are left out
	TraceBuffer = 256 << 10        // bytes of lines of one that wait for their way to who asked
	TraceQueue  = 1 << 20          // bytes of lines of one that wait to be read
	TraceText   = 4 << 10          // bytes of a payload that are shown
)

// LogLines is how many bytes of the log's lines may wait to be written.
const LogLines = 1 << 20
