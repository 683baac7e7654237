// The messages of a session, after the handshake.

package agent

import "encoding/json"

// method is what a request asks for.
type method string

// The methods, with what their parameters and results are.
const (
	methodTime     method = "time"     // nothing, timeResult
	methodOffset   method = "offset"   // agent's clock less controller's in nanoseconds, nothing
	methodPrepare  method = "prepare"  // Job, nothing
	methodConnect  method = "connect"  // number of connections, nothing
	methodBegin    method = "begin"    // Window, nothing
	methodStorm    method = "storm"    // nothing, nothing
	methodSnapshot method = "snapshot" // nothing, swarm.Snapshot
	methodFinish   method = "finish"   // list of swarm.Failure, swarm.Snapshot
	methodClose    method = "close"    // nothing, nothing
)

// request asks for a method. IDs are counted from 1.
type request struct {
	ID     uint64          `json:"id"`
	Method method          `json:"method"`
	Params json.RawMessage `json:"params,omitempty"`
}

// response is the answer to the request of the same ID. Its Result is anything where it
// is made, and JSON where it is read.
type response[R any] struct {
	ID     uint64 `json:"id"`
	Error  string `json:"error,omitempty"`
	Result R      `json:"result"`
}

// nothing is the parameters or result of methods that have none.
type nothing struct{}

type timeResult struct {
	Received int64 `json:"received"` // of the agent's clock
	Answered int64 `json:"answered"`
}
