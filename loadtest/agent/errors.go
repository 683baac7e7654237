// The errors that callers may ask for.

package agent

import (
	"errors"
	"fmt"
)

// What an Error may wrap.
var (
	ErrLost    = errors.New("the agent is lost")          // it ended, broke the protocol, or did not answer
	ErrClosed  = errors.New("the agent's use has ended")  // by Client.Close
	ErrBusy    = errors.New("the agent is busy")          // with another controller's test
	ErrSecret  = errors.New("the secrets are not alike")  // of the controller and the agent
	ErrVersion = errors.New("the versions are not alike") // of the programs or of what they speak
)

// Error is what went wrong with an agent.
type Error struct {
	Agent string // Client.Name
	Doing string // what it was to do
	Err   error
}

func (e *Error) Error() string { return fmt.Sprintf("agent %s: %s: %v", e.Agent, e.Doing, e.Err) }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }
