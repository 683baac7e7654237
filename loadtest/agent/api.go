// What an agent does and is told: the vocabulary of both sides.

package agent

import (
	"fmt"

	"barrage/loadtest/plan"
	"barrage/loadtest/swarm"
)

// Driver is the connections of one agent. Its methods are called one at a time.
// What Snapshot and Finish return is the caller's: the Driver must not touch its
// maps and histogram any more.
type Driver interface {
	// Connect raises the number of connections wanted; they are opened in the
	// background.
	Connect(upto int)
	// Begin begins a publishing window: tracks start anew.
	Begin(Window)
	// Storm drops all connections and connects all again.
	Storm()
	Snapshot() swarm.Snapshot
	// Finish ends the window: it settles all counts.
	Finish(failed []swarm.Failure) swarm.Snapshot
	// Close drops everything. It is the last call.
	Close()
}

// Window is a time of publishing.
type Window = swarm.Window

// Job is an agent's part of a test.
type Job struct {
	Plan    plan.Plan `json:"plan"`
	From    int       `json:"from"` // connections From <= n < To of the plan
	To      int       `json:"to"`
	Threads int       `json:"threads"` // event loops; 0 lets the agent choose
	Secret  []byte    `json:"secret"`  // signs the tokens of the connections' users; empty leaves them at the plan's
}

// NewDriver makes a Driver for a valid job. now is the controller's clock in
// nanoseconds, for any goroutine; when the offset is measured anew it may step
// by what the last measure was wrong, also backwards.
type NewDriver func(job Job, now func() int64) (Driver, error)

const maxThreads = 1024

// validate checks a job that may have come over a network.
func (j *Job) validate(capacity int) error {
	switch n := j.To - j.From; {
	case j.From < 0 || n < 0 || j.To > j.Plan.Connections:
		return fmt.Errorf("connections %d to %d are not within the plan's %d", j.From, j.To, j.Plan.Connections)
	case n > capacity:
		return fmt.Errorf("%d connections are wanted, but the limit of open files allows %d", n, capacity)
	case j.Threads < 0 || j.Threads > maxThreads:
		return fmt.Errorf("threads: %d is not within 0 to %d", j.Threads, maxThreads)
	}
	return nil
}
