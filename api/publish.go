// The publish path, which is hot: thousands of requests a second over kept-alive
// connections. It reads into a pooled buffer, uses no reflection and appends its
// answer to the same buffer.

package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"barrage/internal/broker"
	"barrage/internal/refusal"
)

const keyHeader = "Idempotency-Key"

var (
	isTrue = []string{"true"} // the value of Idempotent-Replayed

	errNotUTF8 = refusal.New(http.StatusBadRequest, "invalid_utf8", "body: a text message must be valid UTF-8; send other bytes as Content-Type "+octetStream)
	errBadKey  = refusal.New(http.StatusBadRequest, "invalid_idempotency_key", keyHeader+": must be given once, as 1 to "+strconv.Itoa(broker.MaxKey)+" printable ASCII characters")
)

// publish handles POST /v1/rooms/{room}/messages.
func (a *API) publish(x *exchange, r *http.Request) error {
	q := readParams(r)
	if err := a.readPublication(x, r, &q); err != nil {
		return err
	}
	x.publication.Room = x.param
	receipt, err := a.server.Publish(r.Context(), &x.publication)
	if err != nil {
		return err
	}
	a.answerPublish(x, &receipt, "")
	return nil
}

// publishToUser handles POST /v1/users/{user}/messages. The answer leaves online
// out if it cannot be told: the message is published all the same; and of one for a device,
// which tells how many got it.
func (a *API) publishToUser(x *exchange, r *http.Request) error {
	q := readParams(r)
	x.publication.Device = q.name("device", checkDevice)
	if err := a.readPublication(x, r, &q); err != nil {
		return err
	}
	x.publication.Room = broker.UserRoom(x.param)
	receipt, err := a.server.Publish(r.Context(), &x.publication)
	if err != nil {
		return err
	}
	if x.publication.Device != "" {
		a.answerPublish(x, &receipt, "")
		return nil
	}
	online, err := a.server.Online(r.Context(), x.param)
	if err != nil {
		a.answerPublish(x, &receipt, "")
		return nil
	}
	a.answerPublish(x, &receipt, `,"online":`+strconv.FormatBool(online))
	return nil
}

// publishToConn handles POST /v1/connections/{conn}/messages.
func (a *API) publishToConn(x *exchange, r *http.Request) error {
	q := readParams(r)
	if err := a.readPublication(x, r, &q); err != nil {
		return err
	}
	x.publication.Conn = x.param
	receipt, err := a.server.Publish(r.Context(), &x.publication)
	if err != nil {
		return err
	}
	a.answerPublish(x, &receipt, "")
	return nil
}

// readPublication fills x.publication from the request, all but its room. The
// payload is in x.body.
func (a *API) readPublication(x *exchange, r *http.Request, q *params) (err error) {
	p := &x.publication
	p.Sender.User = broker.Normal(q.text("user", "Barrage-Sender", broker.MaxUserID))
	p.Sender.Name = q.shown("name", "Barrage-Sender-Name", broker.CheckName)
	p.Sender.Avatar = q.shown("avatar", "Barrage-Sender-Avatar", broker.CheckAvatar)
	p.Kind = q.text("kind", "Barrage-Kind", broker.MaxKind)
	p.Forget = !q.flag("history", "Barrage-History", true)
	p.TTL, p.Confirm = q.ttl(), q.confirm()
	if q.err != nil {
		return q.err
	}
	if p.Key, err = idempotencyKey(r.Header); err != nil {
		return err
	}
	x.body = a.bodies.Get()
	if x.body.B, err = readBody(x.body.B[:0], r, a.cfg.MaxBody, a.tooLarge); err != nil {
		return err
	}
	p.Format = formatOf(r.Header)
	switch p.Format {
	case broker.JSON:
		err = a.compactBody(x)
	case broker.Text:
		if !utf8.Valid(x.body.B) {
			err = errNotUTF8
		}
	}
	p.Payload = x.body.B
	return err
}

// formatOf says what the body is by its Content-Type.
func formatOf(h http.Header) broker.Format {
	switch t := mediaType(h); {
	case strings.EqualFold(t, octetStream):
		return broker.Binary
	case strings.EqualFold(t, jsonMedia):
		return broker.JSON
	}
	return broker.Text
}

// compactBody checks that x.body is one JSON value and takes the spaces out.
func (a *API) compactBody(x *exchange) error {
	compacted := a.bodies.Get()
	w := bytes.NewBuffer(compacted.B[:0])
	err := compact(w, bytes.TrimPrefix(x.body.B, byteOrderMark))
	compacted.B = w.Bytes()
	x.body, compacted = compacted, x.body
	a.putBody(compacted)
	return err
}

func compact(w *bytes.Buffer, value []byte) error {
	if !utf8.Valid(value) {
		return invalidJSON("must be valid UTF-8")
	}
	if err := json.Compact(w, value); err != nil {
		return jsonFailure(err)
	}
	return nil
}

// idempotencyKey reads the header; empty if there is none.
func idempotencyKey(h http.Header) (string, error) {
	values, ok := h[keyHeader]
	if !ok {
		return "", nil
	}
	if len(values) != 1 || values[0] == "" || !validKey(values[0]) {
		return "", errBadKey
	}
	return values[0], nil
}

// validKey tells whether a key may be used; the empty one is none.
func validKey(key string) bool {
	if len(key) > broker.MaxKey {
		return false
	}
	for i := range len(key) {
		if key[i] < ' ' || key[i] > '~' {
			return false
		}
	}
	return true
}

// answerPublish answers with the receipt and more members of its object. The
// payload is gone then: the answer takes its buffer.
func (a *API) answerPublish(x *exchange, receipt *broker.Receipt, more string) {
	if receipt.Replayed {
		x.Header()["Idempotent-Replayed"] = isTrue
	}
	b := appendReceipt(x.body.B[:0], receipt)
	b = append(b, more...)
	x.body.B = append(b, "}\n"...)
	writeBody(x, http.StatusOK, x.body.B)
}

// appendReceipt appends a receipt as a JSON object, but for its closing brace.
func appendReceipt(b []byte, receipt *broker.Receipt) []byte {
	b = append(b, `{"id":`...)
	b = appendString(b, receipt.ID)
	b = append(b, `,"offset":`...)
	b = strconv.AppendUint(b, receipt.Position.Offset, 10)
	b = append(b, `,"delivered_to":`...)
	b = strconv.AppendInt(b, int64(receipt.Members), 10)
	if receipt.Position.Epoch != "" {
		b = append(b, `,"epoch":`...)
		b = appendString(b, receipt.Position.Epoch)
	}
	if receipt.LocalOnly {
		b = append(b, `,"local_only":true`...)
	}
	if receipt.Sampled {
		b = append(b, `,"sampled":true`...)
	}
	return b
}

// appendString appends s as a JSON string. Identifiers need no escaping, so the
// general case may be slow.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, err := json.Marshal(s)
			if err != nil { // not for a string, whatever it holds
				return append(b, `""`...)
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
