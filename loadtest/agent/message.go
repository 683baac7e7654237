package agent

// This file is the messages of a session, after the handshake.

import (
	"encoding/json"

	"barrage/loadtest/swarm"
)

// method is what a request asks for.
type method string

const (
	methodTime     method = "time"
	methodOffset   method = "offset"
	methodPrepare  method = "prepare"
	methodConnect  method = "connect"
	methodBegin    method = "begin"
	methodStorm    method = "storm"
	methodSnapshot method = "snapshot"
	methodFinish   method = "finish"
	methodClose    method = "close"
)

// request asks for a method. IDs are counted from 1.
type request struct {
	ID     uint64          `json:"id"`
	Method method          `json:"method"`
	Params json.RawMessage `json:"params,omitempty"`
}

// response is the answer to the request of the same ID.
type response struct {
	ID     uint64          `json:"id"`
	Error  string          `json:"error,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
}

// nothing is the parameters or result of methods that have none.
type nothing struct{}

type timeResult struct {
	Received int64 `json:"received"` // of the agent's clock
	Answered int64 `json:"answered"`
}

type offsetParams struct {
	Offset int64 `json:"offset"` // agent's clock less controller's, in nanoseconds
}

type connectParams struct {
	Upto int `json:"upto"`
}

type finishParams struct {
	Failed []swarm.Failure `json:"failed"`
}
