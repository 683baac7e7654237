// What only tests need.

package frame

// Close codes that only tests name.
const (
	closeNormal   uint16 = 1000
	closeInternal uint16 = 1011
)

// Buffered returns the bytes of pooled memory held for an incomplete message.
func (a *Assembler) Buffered() int {
	if a.buf == nil {
		return 0
	}
	return cap(a.buf.B)
}
