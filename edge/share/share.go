// Package share says who goes first where the store and the answers that a node has for
// clients are not enough. docs/limits.md has its table.
package share

import (
	"barrage/internal/bounds"
	"barrage/internal/fair"
	"barrage/internal/workers"
)

// The classes of work that is done for clients off the loops.
const (
	Join     fair.Class = iota // histories of those who join
	Mail                       // what waits for users, and what they have to acknowledge
	History                    // the command
	Presence                   // likewise

	numClasses
)

// Class is what the table says of one.
type Class struct {
	Name   string
	Weight int // turns, in proportion to the others'
	What   string
}

// Classes are those there are. Joins go first: a viewer who reads what was said
// can wait, one who is to see what is said now cannot.
var Classes = [numClasses]Class{
	Join:     {"join", 8, "histories for those who join"},
	Mail:     {"mail", 2, "messages that wait for users, and their acknowledgement"},
	History:  {"history", 1, "the command `history`"},
	Presence: {"presence", 1, "the command `presence`"},
}

// NewPool returns the running pool that does the work of these classes.
func NewPool() *workers.Pool {
	weights := make([]int, len(Classes))
	for i, c := range Classes {
		weights[i] = c.Weight
	}
	return workers.New(bounds.AnswerTasks, bounds.AnswerRate, weights...)
}
