// Who pays for what the store keeps of viewers: it is kept for long, and somebody who comes
// into ever more empty rooms would have it keep ever more.

package presence

import "barrage/internal/bounds"

// begun counts for whom the store has begun to keep viewers, of how many rooms in the
// present bucket. Owner: Run's goroutine.
type begun struct {
	bucket int64
	n      map[string]int // by user
}

// take finds one of a room's users for whom the store may begin to keep its viewers, and
// charges them; "": there is none. Of more users than can be known there is none.
func (b *begun) take(bucket int64, users []string) (payer string) {
	if b.bucket != bucket || b.n == nil {
		b.bucket, b.n = bucket, make(map[string]int)
	}
	for _, id := range users {
		if n, known := b.n[id]; n < bounds.ViewerRooms && (known || len(b.n) < bounds.RatePayers) {
			b.n[id]++
			return id
		}
	}
	return ""
}

// giveBack undoes take: the store kept them already, or did not answer.
func (b *begun) giveBack(bucket int64, payer string) {
	if b.bucket != bucket || payer == "" {
		return
	}
	if b.n[payer]--; b.n[payer] <= 0 {
		delete(b.n, payer)
	}
}
