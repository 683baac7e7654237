// Epochs that joins begin. Who joins a room in which nothing has been said is given a
// position to resume from, and the broker keeps that for longer than a history: so it is
// the one thing that merely looking at rooms leaves behind.

package history

import (
	"time"

	"barrage/edge/conn"
	"barrage/internal/bounds"
)

// NewEpochs returns what all payers may have begun. Who has used it up joins such a room
// without a position.
func NewEpochs() *conn.Payers {
	return conn.NewPayers(conn.NewRate(bounds.EpochsPerHour/time.Hour.Seconds(), bounds.EpochsAtOnce))
}
