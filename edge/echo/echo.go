// Package echo returns every message to its sender: for conformance suites and
// round-trip measurements. Its connections are in no room and have no identity.
package echo

import (
	"barrage/edge/conn"
	"barrage/edge/node"
)

// Path is that of its requests.
const Path = "/echo"

// Protocol is echo as a server knows it.
func Protocol() node.Protocol {
	return node.Protocol{Name: "echo", Path: Path, Start: start}
}

func start(*node.Node) func(*conn.Loop) conn.Protocol {
	return func(l *conn.Loop) conn.Protocol { return &protocol{loop: l} }
}

type protocol struct {
	conn.Silent
	loop *conn.Loop
}

// Open implements conn.Protocol.
func (p *protocol) Open(o *conn.Opening) { o.Answer() }

// Message implements conn.Protocol.
func (p *protocol) Message(r *conn.Read, binary bool, payload []byte) error {
	p.loop.Write(r, r.ID, binary, payload)
	return nil
}
