package api

// This file shows and changes the settings of single rooms.

import "net/http"

// settingsBody is both what is sent and what is answered.
type settingsBody struct {
	Muted          bool  `json:"muted"`
	PresenceEvents *bool `json:"presence_events,omitempty"`
}

// showSettings handles GET /v1/rooms/{room}/settings.
func (a *API) showSettings(x *exchange, r *http.Request) error {
	s, err := a.server.Settings(r.Context(), x.param)
	if err != nil {
		return err
	}
	return writeJSON(x, http.StatusOK, settingsBody(s))
}

// putSettings handles PUT /v1/rooms/{room}/settings: what is left out goes back
// to the server's rules.
func (a *API) putSettings(x *exchange, r *http.Request) error {
	var body settingsBody
	if err := readCommand(r, &body); err != nil {
		return err
	}
	return a.setSettings(x, r, Settings(body))
}

// deleteSettings handles DELETE /v1/rooms/{room}/settings.
func (a *API) deleteSettings(x *exchange, r *http.Request) error {
	return a.setSettings(x, r, Settings{})
}

func (a *API) setSettings(x *exchange, r *http.Request, s Settings) error {
	if err := a.server.SetSettings(r.Context(), x.param, s); err != nil {
		return err
	}
	return writeJSON(x, http.StatusOK, settingsBody(s))
}
