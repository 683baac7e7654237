// Batches: several pushes of a room in one compressed frame, for clients that ask for
// them. What waits for company, and how long, is fanout's affair.

package edge

import (
	"bytes"
	"net/http"

	"barrage/fanout"
	"barrage/frame"
	"barrage/internal/refusal"
)

// takesBatches tells whether the client asked for several pushes in one frame.
func takesBatches(req *frame.Request) (bool, error) {
	values, err := req.Query("batch")
	if err != nil || len(values) == 0 {
		return false, err
	}
	if len(values) > 1 || values[0] != "1" {
		return false, refusal.New(http.StatusBadRequest, "bad_batch", "parameter batch must be 1, and given once")
	}
	return true, nil
}

// batchOverhead is about what a push holds beside its payload.
const batchOverhead = 256

// encodeAll makes one frame of several publications, for members with encodeBatch:
// compressed together they are much less. It is fanout.Config.Batch.
func encodeAll(e fanout.Encoding, ps []fanout.Publication) fanout.Message {
	buf := jsonBuffers.Get().(*bytes.Buffer)
	defer putJSON(buf)
	buf.Reset()
	buf.WriteString(`{"push":"batch","batch":[`)
	for i, p := range ps {
		if i > 0 {
			buf.WriteByte(',')
		}
		buf.Write(p.AppendPart(buf.AvailableBuffer(), e))
	}
	buf.WriteString("]}")
	return frame.EncodeDeflated(frame.Text, buf.Bytes())
}

// appendPart appends the JSON of v, one of several pushes in a frame.
func appendPart(b []byte, v any) []byte {
	buf := jsonBuffers.Get().(*bytes.Buffer)
	defer putJSON(buf)
	return append(b, appendJSON(buf, v)...)
}
