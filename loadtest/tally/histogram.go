// Latencies.

package tally

import (
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Histogram is a latency distribution with three significant digits from 1 µs to
// 10 minutes: an HDR histogram (http://hdrhistogram.org). In JSON it is the
// format's own V2 text, which other tools read. It belongs to one goroutine.
type Histogram struct {
	h *hdrhistogram.Histogram
}

const longest = 10 * time.Minute

// NewHistogram returns an empty histogram, of about 136 KiB.
func NewHistogram() *Histogram {
	return &Histogram{hdrhistogram.New(ourLowest, longest.Microseconds(), ourDigits)}
}

// Record adds a latency in nanoseconds; those out of range are counted as the
// range's ends.
func (h *Histogram) Record(ns int64) {
	us := min(max(ns/1000, 1), longest.Microseconds())
	_ = h.h.RecordValue(us) // fails only out of range
}

// Merge adds the values of other exactly.
func (h *Histogram) Merge(other *Histogram) {
	if other != nil {
		h.h.Merge(other.h)
	}
}

// Reset empties h.
func (h *Histogram) Reset() { h.h.Reset() }

// Count is the number of values.
func (h *Histogram) Count() int64 { return h.h.TotalCount() }

// Quantile is the latency that a share q of the values does not exceed; 0 if
// there are no values.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.Count() == 0 {
		return 0
	}
	return time.Duration(h.h.ValueAtQuantile(q*100)) * time.Microsecond
}

// Max is the largest value.
func (h *Histogram) Max() time.Duration { return time.Duration(h.h.Max()) * time.Microsecond }

// Mean is the mean of the values.
func (h *Histogram) Mean() time.Duration { return time.Duration(h.h.Mean() * 1000) }

// Step is one step of a cumulative distribution.
type Step struct {
	Quantile float64 // 0 to 1
	Latency  time.Duration
}

// Distribution is the cumulative distribution, denser towards the high end.
func (h *Histogram) Distribution() []Step {
	if h.Count() == 0 {
		return nil
	}
	brackets := h.h.CumulativeDistributionWithTicks(5)
	steps := make([]Step, len(brackets))
	for i, b := range brackets {
		steps[i] = Step{b.Quantile / 100, time.Duration(b.ValueAt) * time.Microsecond}
	}
	return steps
}

// MarshalJSON writes the V2 format.
func (h *Histogram) MarshalJSON() ([]byte, error) {
	text, err := h.h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return nil, fmt.Errorf("tally: encode a histogram: %w", err)
	}
	return json.Marshal(string(text))
}

// UnmarshalJSON reads the V2 format, if the histogram is like those of
// NewHistogram. The text may come from anyone.
func (h *Histogram) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return fmt.Errorf("tally: decode a histogram: %w", err)
	}
	if err := checkGeometry(text); err != nil {
		return fmt.Errorf("tally: decode a histogram: %w", err)
	}
	d, err := hdrhistogram.Decode([]byte(text))
	if err != nil {
		return fmt.Errorf("tally: decode a histogram: %w", err)
	}
	if d.TotalCount() > mostValues {
		return fmt.Errorf("tally: decode a histogram: %d values", d.TotalCount())
	}
	h.h = d
	return nil
}

// mostValues keeps the sum of thousands of histograms in its type.
const mostValues = 1 << 48

// Where things are in the V2 format: an envelope with a cookie and a length, and
// compressed within it a header.
const (
	envelopeSize = 8
	headerSize   = 40
	digitsAt     = 12 // int32: significant digits
	lowestAt     = 16 // int64: lowest value
	highestAt    = 24 // int64: highest value
	ourDigits    = 3
	ourLowest    = 1
)

// checkGeometry refuses a histogram that is not made like ours. The decoder
// would take the sender's word for it, and 50 MB for a few bytes of text.
func checkGeometry(text string) error {
	encoded := base64.NewDecoder(base64.StdEncoding, strings.NewReader(text))
	if _, err := io.CopyN(io.Discard, encoded, envelopeSize); err != nil {
		return err
	}
	z, err := zlib.NewReader(encoded)
	if err != nil {
		return err
	}
	defer z.Close()
	header := make([]byte, headerSize)
	if _, err := io.ReadFull(z, header); err != nil {
		return err
	}
	number := binary.BigEndian
	if number.Uint32(header[digitsAt:]) != ourDigits || number.Uint64(header[lowestAt:]) != ourLowest ||
		number.Uint64(header[highestAt:]) != uint64(longest.Microseconds()) {
		return errors.New("another range or precision")
	}
	return nil
}
