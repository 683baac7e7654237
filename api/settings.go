// Showing and changing the settings of single rooms.

package api

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"barrage/internal/broker"
	"barrage/internal/whole"
)

// settingsBody is both what is sent and what is answered, where it is complete but
// for a history that is the server's.
type settingsBody struct {
	Muted          bool           `json:"muted"`
	PresenceEvents bool           `json:"presence_events"`
	TargetRate     float64        `json:"target_rate,omitempty"` // comments a second; 0: by the server's rules
	History        *retentionBody `json:"history,omitempty"`
}

// retentionBody is what a room remembers. Zero messages are none, of any age.
type retentionBody struct {
	Messages whole.Int `json:"messages"`
	Age      string    `json:"age"`
	Bytes    whole.Int `json:"bytes,omitempty"` // 0: as many as the server's defaults have
}

func bodyOf(s broker.RoomSettings) settingsBody {
	return settingsBody{Muted: s.Muted, PresenceEvents: !s.Quiet, TargetRate: s.Rate, History: showRetention(s.History)}
}

func showRetention(r *broker.Retention) *retentionBody {
	if r == nil {
		return nil
	}
	return &retentionBody{Messages: whole.Int(r.Messages), Age: r.Age.String(), Bytes: whole.Int(r.Bytes)}
}

// retention checks what is sent.
func (b *retentionBody) retention() (*broker.Retention, error) {
	if b == nil {
		return nil, nil
	}
	age, err := duration("history", b.Age, broker.MaxRetentionAge)
	switch {
	case b.Messages < 0 || b.Messages > broker.MaxRetained:
		return nil, invalid("history", fmt.Sprintf("messages must be 0 to %d", broker.MaxRetained))
	case err != nil || b.Messages > 0 && age < time.Second:
		return nil, invalid("history", fmt.Sprintf("age must be a duration such as 90s or 10m, from 1s to %v", broker.MaxRetentionAge))
	case b.Bytes != 0 && (b.Bytes < broker.MinRetainedBytes || b.Bytes > broker.MaxRetainedBytes):
		return nil, invalid("history", fmt.Sprintf("bytes must be %d to %d, or left out", broker.MinRetainedBytes, broker.MaxRetainedBytes))
	case b.Messages == 0:
		return &broker.Retention{}, nil
	}
	return &broker.Retention{Messages: int(b.Messages), Age: age, Bytes: int64(b.Bytes)}, nil
}

// showSettings handles GET /v1/rooms/{room}/settings.
func (a *API) showSettings(x *exchange, r *http.Request) error {
	s, err := a.server.Settings(r.Context(), x.param)
	if err != nil {
		return err
	}
	return writeJSON(x, http.StatusOK, bodyOf(s))
}

// putSettings handles PUT /v1/rooms/{room}/settings: what is left out goes back
// to the server's rules.
func (a *API) putSettings(x *exchange, r *http.Request) error {
	body := bodyOf(broker.RoomSettings{})
	if err := readCommand(r, &body); err != nil {
		return err
	}
	history, err := body.History.retention()
	if err != nil {
		return err
	}
	if err := broker.CheckTarget(body.TargetRate); err != nil {
		return invalid("target_rate", err.Error())
	}
	return a.setSettings(x, r, broker.RoomSettings{Muted: body.Muted, Quiet: !body.PresenceEvents, Rate: body.TargetRate, History: history})
}

// deleteSettings handles DELETE /v1/rooms/{room}/settings.
func (a *API) deleteSettings(x *exchange, r *http.Request) error {
	return a.setSettings(x, r, broker.RoomSettings{})
}

func (a *API) setSettings(x *exchange, r *http.Request, s broker.RoomSettings) error {
	if err := a.server.SetSettings(r.Context(), x.param, s); err != nil {
		return err
	}
	return writeJSON(x, http.StatusOK, bodyOf(s))
}

type roomSettings struct {
	Room     string       `json:"room"`
	Settings settingsBody `json:"settings"`
}

type allSettingsAnswer struct {
	Rooms []roomSettings `json:"rooms"`
	Total int            `json:"total"`
}

// listSettings handles GET /v1/settings: by name. total counts all that match.
func (a *API) listSettings(x *exchange, r *http.Request) error {
	q := readParams(r)
	prefix, limit := broker.Normal(q.value("prefix", "")), q.limit(defaultListed, maxListed)
	if q.err != nil {
		return q.err
	}
	all, err := a.server.AllSettings(r.Context())
	if err != nil {
		return err
	}
	list := make([]roomSettings, 0, len(all))
	for room, s := range all {
		if strings.HasPrefix(room, prefix) {
			list = append(list, roomSettings{room, bodyOf(s)})
		}
	}
	slices.SortFunc(list, func(a, b roomSettings) int { return strings.Compare(a.Room, b.Room) })
	return writeJSON(x, http.StatusOK, allSettingsAnswer{Rooms: list[:min(len(list), limit)], Total: len(list)})
}
