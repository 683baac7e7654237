// Showing and clearing the histories of rooms.

package api

import (
	"encoding/json"
	"net/http"
	"strconv"

	"barrage/internal/broker"
)

const (
	defaultPage  = 100
	maxPage      = 1000
	maxPageBytes = 4 << 20 // as an answer is built in memory
)

// messageAnswer is a message. Exactly one of Data, Text and Base64 is there.
type messageAnswer struct {
	ID     string          `json:"id"`
	Offset uint64          `json:"offset"`
	Time   int64           `json:"time"` // milliseconds since the Unix epoch
	Sender *broker.Sender  `json:"sender,omitempty"`
	Kind   string          `json:"kind,omitempty"`
	Data   json.RawMessage `json:"data,omitempty"`
	Text   *string         `json:"text,omitempty"`
	Base64 *[]byte         `json:"base64,omitempty"`

	QoS     int   `json:"qos,omitempty"`     // 1: its reader is to acknowledge it
	Expires int64 `json:"expires,omitempty"` // milliseconds since the Unix epoch
}

type pageAnswer struct {
	Room     string          `json:"room"`
	Messages []messageAnswer `json:"messages"`
	Epoch    string          `json:"epoch"`  // of the history's head
	Offset   uint64          `json:"offset"` // of the history's head
	Gap      *broker.Gap     `json:"gap,omitempty"`
	More     bool            `json:"more,omitempty"`
}

type doneAnswer struct {
	Done bool `json:"done"`
}

// history handles GET /v1/rooms/{room}/messages.
func (a *API) history(x *exchange, r *http.Request) error {
	q := readParams(r)
	query := broker.Query{Limit: q.limit(defaultPage, maxPage), Bytes: maxPageBytes}
	epoch, after := q.text("epoch", "", maxEpoch), q.value("after", "")
	if after != "" {
		offset, err := strconv.ParseUint(after, 10, 64)
		if err != nil {
			q.fail("after", "must be an offset: a number that is not negative")
		}
		query.After = &broker.Position{Epoch: epoch, Offset: offset}
	} else if epoch != "" {
		q.fail("epoch", "means nothing without after")
	}
	if q.err != nil {
		return q.err
	}
	if query.After != nil && epoch == "" && query.After.Offset > 0 {
		// Without an epoch the offset is one of the present history.
		newest, err := a.server.History(r.Context(), x.param, broker.Query{Limit: 1})
		if err != nil {
			return err
		}
		query.After.Epoch = newest.Head.Epoch
	}
	page, err := a.server.History(r.Context(), x.param, query)
	if err != nil {
		return err
	}
	return writeJSON(x, http.StatusOK, answerPage(x.param, &page))
}

func answerPage(room string, page *broker.Page) pageAnswer {
	answer := pageAnswer{
		Room: room, Messages: make([]messageAnswer, len(page.Messages)),
		Epoch: page.Head.Epoch, Offset: page.Head.Offset, Gap: page.Gap, More: page.More,
	}
	for i, m := range page.Messages {
		answer.Messages[i] = answerMessage(m)
	}
	return answer
}

func answerMessage(m *broker.Message) messageAnswer {
	answer := messageAnswer{ID: m.ID, Offset: m.Offset, Time: m.Time, Kind: m.Kind, Expires: m.Expires()}
	if m.Confirm {
		answer.QoS = 1
	}
	if m.Sender != (broker.Sender{}) {
		answer.Sender = &m.Sender
	}
	switch {
	case m.Format == broker.Binary:
		bytes := append([]byte{}, m.Payload...) // not nil, which would be null
		answer.Base64 = &bytes
	// What another program left in Redis must not spoil the whole page.
	case m.Format == broker.JSON && json.Valid(m.Payload):
		answer.Data = m.Payload
	default:
		text := string(m.Payload)
		answer.Text = &text
	}
	return answer
}

// clear handles DELETE /v1/rooms/{room}/messages.
func (a *API) clear(x *exchange, r *http.Request) error {
	if err := a.server.Clear(r.Context(), x.param); err != nil {
		return err
	}
	return writeJSON(x, http.StatusOK, doneAnswer{Done: true})
}
