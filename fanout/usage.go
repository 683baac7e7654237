// What single rooms cost, for operators who ask.

package fanout

// Usage is what a room has cost a shard in one encoding since its first member there came.
// It is counted where a message is appended, once for all members, and where one is
// skipped: never where messages are delivered.
type Usage struct {
	Bytes   uint64 // of messages, times the members to send them to
	Skipped uint64 // messages that members were too slow for
}

// Add sums up.
func (u *Usage) Add(v Usage) {
	u.Bytes += v.Bytes
	u.Skipped += v.Skipped
}

// EachUsage calls f for each of the shard's rooms that something was said in, once for each
// encoding that it has members of. On the shard's goroutine.
func (s *Shard) EachUsage(f func(room string, u Usage)) {
	for _, st := range s.streams {
		if st != nil && st.usage != (Usage{}) {
			f(st.room, st.usage)
		}
	}
}
