// Publishing many messages by one request.

package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
	"unicode/utf8"

	"barrage/internal/bounds"
	"barrage/internal/broker"
	"barrage/internal/refusal"
	"barrage/internal/whole"
)

// bulkTime bounds a request that publishes many messages, so that its answer
// is out before writeTimeout.
const bulkTime = 20 * time.Second

var (
	errBatchCount = refusal.New(http.StatusRequestEntityTooLarge, "batch_too_large", fmt.Sprintf("body: more than %d messages", bounds.BatchMessages))
	errNotArray   = invalidJSON("must be a JSON array of messages")
)

// batchItem is a message of a batch. Exactly one of Data, Text and Base64 is
// given.
type batchItem struct {
	Room    string          `json:"room"`
	Data    json.RawMessage `json:"data"`
	Text    *string         `json:"text"`
	Base64  []byte          `json:"base64"`
	Kind    string          `json:"kind"`
	Key     string          `json:"key"`
	User    string          `json:"user"`
	Name    string          `json:"name"`
	Avatar  string          `json:"avatar"`
	History *bool           `json:"history"`
	TTL     string          `json:"ttl"`
	QoS     whole.Int       `json:"qos"`
}

type receiptAnswer struct {
	ID          string `json:"id"`
	Offset      uint64 `json:"offset"`
	DeliveredTo int    `json:"delivered_to"`
	Epoch       string `json:"epoch,omitempty"`
	LocalOnly   bool   `json:"local_only,omitempty"`
	Replayed    bool   `json:"replayed,omitempty"`
	Sampled     bool   `json:"sampled,omitempty"`
}

// itemAnswer is either a receipt or an error.
type itemAnswer struct {
	*receiptAnswer
	Error *errorBody `json:"error,omitempty"`
}

type batchAnswer struct {
	Results []itemAnswer `json:"results"`
	Failed  int          `json:"failed"`
}

// publishBatch handles POST /v1/rooms/messages. The messages go out one after the
// other, so those of a room keep their order; one that fails stops none.
func (a *API) publishBatch(x *exchange, r *http.Request) error {
	if err := wantJSON(r.Header); err != nil {
		return err
	}
	limit := max(bounds.BatchBytes, 4*a.cfg.MaxBody)
	body, err := readBody(nil, r, limit, tooLarge("batch_too_large", limit, ""))
	if err != nil {
		return err
	}
	items, err := splitBatch(body)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), bulkTime)
	defer cancel()
	answer := batchAnswer{Results: make([]itemAnswer, len(items))}
	for i, item := range items {
		receipt, err := a.publishItem(ctx, x, item)
		if r.Context().Err() != nil {
			return r.Context().Err()
		}
		if err != nil {
			answer.Results[i].Error = a.partFailed(x, r, err)
			answer.Failed++
			continue
		}
		answer.Results[i].receiptAnswer = receipt
	}
	return writeJSON(x, http.StatusOK, answer)
}

// splitBatch gives the elements of a JSON array, without reading on past the
// bound.
func splitBatch(body []byte) ([]json.RawMessage, error) {
	if !utf8.Valid(body) {
		return nil, invalidJSON("must be valid UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(body, byteOrderMark)))
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return nil, errNotArray
	}
	var items []json.RawMessage
	for d.More() {
		if len(items) == bounds.BatchMessages {
			return nil, errBatchCount
		}
		var item json.RawMessage
		if err := d.Decode(&item); err != nil {
			return nil, jsonFailure(err)
		}
		items = append(items, item)
	}
	if _, err := d.Token(); err != nil {
		return nil, jsonFailure(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errNotArray
	}
	return items, nil
}

func (a *API) publishItem(ctx context.Context, x *exchange, raw json.RawMessage) (*receiptAnswer, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var item batchItem
	if err := decode(raw, &item); err != nil {
		return nil, err
	}
	var err error
	if item.Room, err = checkRoom(item.Room); err != nil {
		return nil, err
	}
	if err := a.fillItem(&x.publication, &item); err != nil {
		return nil, err
	}
	receipt, err := a.server.Publish(ctx, &x.publication)
	if err != nil {
		return nil, err
	}
	return &receiptAnswer{
		ID: receipt.ID, Offset: receipt.Position.Offset, DeliveredTo: receipt.Members,
		Epoch: receipt.Position.Epoch, LocalOnly: receipt.LocalOnly, Replayed: receipt.Replayed, Sampled: receipt.Sampled,
	}, nil
}

// fillItem makes p what the item says; its room is checked already.
func (a *API) fillItem(p *broker.Publication, item *batchItem) (err error) {
	for _, t := range []struct {
		field, value string
		limit        int
	}{{"kind", item.Kind, broker.MaxKind}, {"user", item.User, broker.MaxUserID}} {
		if err := checkPlain(t.field, t.value, t.limit); err != nil {
			return err
		}
	}
	if err := broker.CheckName(item.Name); err != nil {
		return invalid("name", err.Error())
	}
	if err := broker.CheckAvatar(item.Avatar); err != nil {
		return invalid("avatar", err.Error())
	}
	if !validKey(item.Key) {
		return invalid("key", fmt.Sprintf("must be at most %d printable ASCII characters", broker.MaxKey))
	}
	if item.QoS != 0 && item.QoS != 1 {
		return invalid("qos", "must be 0 or 1")
	}
	ttl, err := readTTL(item.TTL)
	if err != nil {
		return err
	}
	*p = broker.Publication{
		Room: item.Room, Kind: item.Kind, Key: item.Key,
		Sender: broker.Sender{User: broker.Normal(item.User), Name: item.Name, Avatar: item.Avatar},
		Forget: item.History != nil && !*item.History, TTL: ttl, Confirm: item.QoS == 1,
	}
	if p.Format, p.Payload, err = item.payload(); err != nil {
		return err
	}
	if len(p.Payload) > a.cfg.MaxBody {
		return a.tooLarge
	}
	return nil
}

func (item *batchItem) payload() (broker.Format, []byte, error) {
	given := 0
	for _, is := range []bool{item.Data != nil, item.Text != nil, item.Base64 != nil} {
		if is {
			given++
		}
	}
	switch {
	case given != 1:
		return 0, nil, invalid("message", "must have exactly one of data, text and base64")
	case item.Text != nil:
		return broker.Text, []byte(*item.Text), nil
	case item.Base64 != nil:
		return broker.Binary, item.Base64, nil
	}
	var w bytes.Buffer
	err := compact(&w, item.Data)
	return broker.JSON, w.Bytes(), err
}
