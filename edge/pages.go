// Plain HTTP on the public listener: pages, and how many are in a room.

package edge

import (
	"encoding/json"
	"net/http"

	"barrage/edge/handshake"
	"barrage/frame"
	"barrage/internal/broker"
	"barrage/internal/document"
	"barrage/internal/refusal"
)

// ownPaths are the paths that have a meaning.
func (c *Config) ownPaths() []string {
	own := []string{"/healthz", "/count"}
	for _, p := range c.Protocols {
		if p.Path != "" {
			own = append(own, p.Path)
		}
	}
	for _, a := range c.Assets {
		own = append(own, a.Path)
	}
	return own
}

// page answers a request that is not a protocol's.
func (s *Server) page(req frame.Request) (*handshake.Page, error) {
	switch req.Path {
	case "/healthz":
		return &handshake.Page{ContentType: "text/plain; charset=utf-8", Body: []byte("ok\n")}, nil
	case "/count":
		return s.count(&req)
	}
	if a, ok := s.assets[req.Path]; ok {
		return a.page(&req), nil
	}
	return nil, nil
}

// asset is a file of the page, or of those that other pages load.
type asset struct {
	*document.Document
	headers string
}

// page is the file, unless the client has it.
func (a asset) page(req *frame.Request) *handshake.Page {
	status, body, encoding := a.Answer(req.Header("If-None-Match"), req.Header("Accept-Encoding"))
	headers := a.headers + "ETag: " + a.ETag + "\r\nVary: Accept-Encoding\r\n"
	if encoding != "" {
		headers += "Content-Encoding: " + encoding + "\r\n"
	}
	return &handshake.Page{Status: status, ContentType: a.ContentType, Headers: headers, Body: body}
}

type countAnswer struct {
	Room    string `json:"room"`
	Members int    `json:"members"`
}

// count tells how many are in a room, for the viewer page.
func (s *Server) count(req *frame.Request) (*handshake.Page, error) {
	rooms, err := req.Query("room")
	if err != nil {
		return nil, err
	}
	if len(rooms) != 1 {
		return nil, refusal.New(http.StatusBadRequest, "bad_room", "count wants exactly one room")
	}
	room, err := broker.RoomName(rooms[0])
	if err != nil {
		return nil, err
	}
	if !s.guest.MayJoin("", room) {
		return nil, refusal.New(http.StatusForbidden, "forbidden", "rooms of single users have no public count")
	}
	if s.node.Tokens != nil && !s.cfg.Anonymous {
		return nil, refusal.New(http.StatusForbidden, "forbidden", "only those with a token are told: by the command ping of barrage.v1")
	}
	if s.cfg.Hooks.Connect() != nil || s.cfg.Hooks.AsksToJoin(room) {
		return nil, refusal.New(http.StatusForbidden, "forbidden", "only those whom the backend lets in are told: by the command ping of barrage.v1")
	}
	_, members := s.node.Count(room)
	body, err := json.Marshal(countAnswer{room, members})
	if err != nil {
		return nil, err
	}
	return &handshake.Page{ContentType: "application/json", Headers: "Cache-Control: no-store\r\n", Body: append(body, '\n')}, nil
}
