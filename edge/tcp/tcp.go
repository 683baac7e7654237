// Package tcp is barrage.v1 without WebSocket, for devices and old clients: the same JSON
// objects as lines, or each behind its length, on listeners of their own, of TCP or Unix
// sockets. What they mean is [barrage/edge/v1]'s, whose connections these are; this
// package says how bytes are messages.
//
// A connection is parked as any other. A message that comes whole leaves nothing behind;
// one that does not end with the bytes of a read is kept until it does, within the bound
// and the deadline that messages of WebSocket have.
//
// # Ownership
//
// All belongs to the loop's goroutine.
package tcp

import (
	"net/http"

	"barrage/edge/conn"
	"barrage/edge/node"
	v1 "barrage/edge/v1"
)

// Name is the protocol's, as operators see it.
const Name = "tcp"

// Config says how its connections are framed.
type Config struct {
	Framing    Framing
	MaxMessage int // bytes of a message from a client
}

// Protocol is it as a server knows it.
func Protocol(cfg Config) node.Protocol {
	p := v1.Protocol()
	p.Speaks, p.Start = p.Name, nil
	p.Name, p.Path, p.Subprotocol = Name, "", ""
	p.Transport = &node.Transport{
		Status: http.StatusOK, Framing: cfg.Framing,
		Start: func(l *conn.Loop) conn.Transport { return newTransport(l, cfg) },
	}
	return p
}
