package api

// This file shows and changes the settings of single rooms.

import (
	"fmt"
	"net/http"
	"time"

	"barrage/edge/broker"
)

const (
	maxRetained    = 100_000 // messages
	maxRetainedAge = 30 * 24 * time.Hour
)

// settingsBody is both what is sent and what is answered.
type settingsBody struct {
	Retention      *retentionBody `json:"retention,omitempty"`
	Muted          bool           `json:"muted"`
	PresenceEvents *bool          `json:"presence_events,omitempty"`
}

// retentionBody has both or is an error: one that is left out would turn the
// history off.
type retentionBody struct {
	Messages *int    `json:"messages"`
	Age      *string `json:"age"`
}

func bodyOfRetention(r broker.Retention) *retentionBody {
	age := r.Age.String()
	return &retentionBody{Messages: &r.Messages, Age: &age}
}

// showSettings handles GET /v1/rooms/{room}/settings.
func (a *API) showSettings(x *exchange, r *http.Request) error {
	s, err := a.server.Settings(r.Context(), x.param)
	if err != nil {
		return err
	}
	return answerSettings(x, s)
}

// putSettings handles PUT /v1/rooms/{room}/settings: what is left out goes back
// to the server's rules.
func (a *API) putSettings(x *exchange, r *http.Request) error {
	var body settingsBody
	if err := readCommand(r, &body); err != nil {
		return err
	}
	s, err := body.settings()
	if err != nil {
		return err
	}
	if err := a.server.SetSettings(r.Context(), x.param, s); err != nil {
		return err
	}
	return answerSettings(x, s)
}

// deleteSettings handles DELETE /v1/rooms/{room}/settings.
func (a *API) deleteSettings(x *exchange, r *http.Request) error {
	if err := a.server.SetSettings(r.Context(), x.param, Settings{}); err != nil {
		return err
	}
	return answerSettings(x, Settings{})
}

func (b *settingsBody) settings() (Settings, error) {
	s := Settings{Muted: b.Muted, PresenceEvents: b.PresenceEvents}
	if b.Retention == nil {
		return s, nil
	}
	messages, age := b.Retention.Messages, b.Retention.Age
	if messages == nil || *messages < 0 || *messages > maxRetained || age == nil || *age == "" {
		return s, invalid("retention", fmt.Sprintf("must have messages, a number from 0 to %d, and an age", maxRetained))
	}
	d, err := duration("retention", *age, maxRetainedAge)
	if err != nil {
		return s, err
	}
	s.Retention = &broker.Retention{Messages: *messages, Age: d}
	return s, nil
}

func answerSettings(x *exchange, s Settings) error {
	body := settingsBody{Muted: s.Muted, PresenceEvents: s.PresenceEvents}
	if s.Retention != nil {
		body.Retention = bodyOfRetention(*s.Retention)
	}
	return writeJSON(x, http.StatusOK, body)
}
