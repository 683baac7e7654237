// The verdict on a trial.

package hostile

import (
	"fmt"
	"time"
)

const (
	slowest = 50 * time.Millisecond // that 95 % of deliveries may take in any case; or
	times   = 3                     // as many times what they take without the attack
	longest = time.Second           // that a join may take

	// memoryAtRest is how many MiB a server may grow that has nothing to keep for
	// attackers: what their requests take while they are answered, and garbage.
	memoryAtRest = 96
)

// Harm returns what happened to the honest that must not, but for times.
func (r *Result) Harm() (wrong []string) {
	for _, what := range r.Lost {
		wrong = append(wrong, "lost: "+what)
	}
	for _, what := range r.Refused {
		wrong = append(wrong, "refused: "+what)
	}
	if r.Visits == 0 {
		wrong = append(wrong, "no guest got in")
	}
	return append(wrong, r.Problems...)
}

// Judged is for how many attackers times must hold. More of them, who compute on the same
// machine, leave too little of it to tell what is whose doing: theirs are told only.
const Judged = 100

// Late returns which times do not hold.
func (r *Result) Late() (wrong []string) {
	if bound := max(slowest, times*r.Quiet); r.Under > bound {
		wrong = append(wrong, fmt.Sprintf("p95 of delivery is %v, more than %v", r.Under.Round(time.Millisecond), bound.Round(time.Millisecond)))
	}
	if r.Join > longest {
		wrong = append(wrong, fmt.Sprintf("a join took %v", r.Join.Round(time.Millisecond)))
	}
	if r.Waits > 0 {
		wrong = append(wrong, fmt.Sprintf("%d times guests waited in vain", r.Waits))
	}
	return wrong
}

// Large returns whether the server's memory is over what the attack may take.
func (r *Result) Large(a *Attack) (wrong []string) {
	if bound := r.Before + (memoryAtRest+a.Memory)<<20; r.RSS > bound {
		wrong = append(wrong, fmt.Sprintf("the server took %d MiB, more than %d", r.RSS>>20, bound>>20))
	}
	return wrong
}

// Starved tells that the server did not have the processors it wanted, as programs had
// them that have no part in the trial: its times are the machine's then, not its own.
func (r *Result) Starved() bool { return r.Waited > r.Used && r.Others > enough }

// enough is how many processors others must have had to have been in the way.
const enough = 0.25
