// Byte buffers by size class, on top of bytebufferpool.

package frame

import (
	"math/bits"

	"github.com/valyala/bytebufferpool"
)

const (
	minClassBits = 9                                // 512 B
	maxClassBits = 17                               // 128 KiB: a 64 KiB message and its header
	classCount   = maxClassBits - minClassBits + 1  // one class per power of two
	minClassSize = 1 << minClassBits                // bytes
	maxClassSize = minClassSize << (classCount - 1) // bytes; larger buffers are left to the GC
)

// classPools lends buffers whose capacity is exactly a power of two, from one
// bytebufferpool per power.
//
// One pool for all sizes would not do: after 42,000 Puts bytebufferpool looks
// at the lengths it saw and from then on drops whatever is larger than the 95th
// percentile. Here every buffer of a class is Put with len == cap, so a class
// fills one bin of that statistic and nothing is ever dropped.
type classPools struct {
	pools [classCount]bytebufferpool.Pool
}

// get returns an empty buffer with room for n bytes.
func (c *classPools) get(n int) *bytebufferpool.ByteBuffer {
	if n > maxClassSize {
		return &bytebufferpool.ByteBuffer{B: make([]byte, 0, n)}
	}
	class := classOf(n)
	b := c.pools[class].Get()
	if size := minClassSize << class; cap(b.B) < size {
		b.B = make([]byte, 0, size) // the pool was empty, and knows no size yet
	}
	return b
}

// put takes back a buffer lent by get. The caller must not touch it any more.
func (c *classPools) put(b *bytebufferpool.ByteBuffer) {
	size := cap(b.B)
	if size > maxClassSize {
		return
	}
	b.B = b.B[:size]
	c.pools[classOf(size)].Put(b)
}

// grow returns a buffer with b's content and room for n more bytes; b itself
// goes back to its pool if it is too small. A nil b is an empty buffer.
func (c *classPools) grow(b *bytebufferpool.ByteBuffer, n int) *bytebufferpool.ByteBuffer {
	if b == nil {
		return c.get(n)
	}
	need := len(b.B) + n
	if need <= cap(b.B) {
		return b
	}
	// Doubling keeps the copying linear past the largest class too.
	bigger := c.get(max(need, 2*cap(b.B)))
	bigger.B = append(bigger.B, b.B...)
	c.put(b)
	return bigger
}

// classOf is the smallest class with room for n bytes.
func classOf(n int) int {
	if n <= minClassSize {
		return 0
	}
	return bits.Len(uint(n-1)) - minClassBits
}
