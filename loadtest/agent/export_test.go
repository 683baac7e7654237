// What only the tests use.

package agent

// Close ends the listening; only for a Listener whose Serve was not called.
func (l *Listener) Close() error { return l.l.Close() }

// Len is the number of connections.
func (r Range) Len() int { return r.To - r.From }
