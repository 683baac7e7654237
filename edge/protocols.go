// The protocols that a server speaks, and the forms in which their rooms' messages are
// sent.

package edge

import (
	"barrage/edge/conn"
	"barrage/edge/delivery"
	"barrage/edge/echo"
	"barrage/edge/handshake"
	"barrage/edge/node"
	"barrage/edge/post"
	"barrage/edge/raw"
	"barrage/edge/sse"
	v1 "barrage/edge/v1"
	"barrage/edge/ws"
	"barrage/fanout"
	"barrage/frame"
)

// Protocols are those there are on the public listener. echo is spoken only if Config.Echo
// says so.
func Protocols() []node.Protocol {
	return []node.Protocol{
		echo.Protocol(),
		raw.Protocol(),
		sse.Protocol(),
		post.Protocol(),
		post.GetProtocol(),
		v1.Protocol(),
	}
}

// speak notes the protocols, and returns the forms of their messages.
func (s *Server) speak() *delivery.Forms {
	forms := new(delivery.Forms)
	for _, p := range s.cfg.Protocols {
		if p.Path == echo.Path && !s.cfg.Echo {
			continue
		}
		spoken := handshake.Spoken{Protocol: p, Plain: 2 * len(s.protocols), Deflated: 2*len(s.protocols) + 1}
		if p.Transport != nil {
			spoken.EncPlain = forms.Add(delivery.Form{Codec: p.Codec, Framing: p.Transport.Framing})
		} else if p.Codec != nil {
			deflated := delivery.Form{Codec: p.Codec, Framing: ws.Framing{Deflate: frame.WholeWindow}}
			spoken.EncPlain = forms.Add(delivery.Form{Codec: p.Codec, Framing: ws.Framing{}})
			spoken.EncDeflated = forms.Add(deflated)
			spoken.EncSmall = forms.Add(delivery.Form{Codec: p.Codec, Framing: ws.Framing{Deflate: frame.SmallWindow}})
			if _, ok := p.Codec.(delivery.Batcher); ok && s.cfg.Compression && s.cfg.CompressWait > 0 {
				spoken.Batches, spoken.EncBatched = true, forms.Add(deflated)
			}
		}
		s.protocols = append(s.protocols, spoken)
	}
	return forms
}

// spoken is the protocol of this name, nil if there is none.
func (s *Server) spoken(name string) *handshake.Spoken {
	for i := range s.protocols {
		if s.protocols[i].Name == name {
			return &s.protocols[i]
		}
	}
	return nil
}

// kinds are those of a loop's connections.
func (s *Server) kinds(l *conn.Loop) []conn.Kind {
	wsPlain, wsDeflated := ws.New(l, &s.limits, false), ws.New(l, &s.limits, true)
	kinds := make([]conn.Kind, 2*len(s.protocols))
	for i, attach := range s.attach {
		spoken := &s.protocols[i]
		var p conn.Protocol
		switch {
		case spoken.Protocol.Serve != nil: // it has no connections
			continue
		case spoken.Speaks != "":
			p = kinds[s.spoken(spoken.Speaks).Plain].Protocol
		default:
			p = attach(l)
		}
		plain, deflated := conn.Kind{Transport: wsPlain, Protocol: p}, conn.Kind{Transport: wsDeflated, Protocol: p}
		if t := spoken.Transport; t != nil {
			plain = conn.Kind{Transport: t.Start(l), Protocol: p, Mute: t.Mute}
			deflated = plain
		}
		kinds[spoken.Plain], kinds[spoken.Deflated] = plain, deflated
	}
	return kinds
}

// maxUnread is the most that one of the protocols has a connection leave unread.
func (s *Server) maxUnread() int {
	most := 2 * s.cfg.MaxMessage
	for _, p := range s.protocols {
		if p.Unread != nil {
			most = max(most, p.Unread(s.cfg.MaxMessage))
		}
	}
	return most
}

func (s *Server) newHub(forms *delivery.Forms) (*fanout.Hub, error) {
	fc := fanout.Config{
		Shards:     s.cfg.Shards,
		Encodings:  len(*forms),
		RoomBytes:  s.cfg.RoomLogBytes,
		ShardBytes: max(s.cfg.LogBytes/s.cfg.Shards, 64<<10),
	}
	for _, p := range s.protocols {
		if p.Batches {
			fc.Batched |= 1 << p.EncBatched
			fc.BatchWait, fc.Batch = s.cfg.CompressWait, forms.Batch
		}
	}
	return fanout.NewHub(fc)
}
