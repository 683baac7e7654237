package main

// The publishers of TestChaos: half of them use the API, the others sockets.

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	chaosAnswer = 3 * time.Second // that a publisher waits for an answer

	// chaosHangUp is how many messages a publisher's connection has before it is
	// dropped with one on the way, on average.
	chaosHangUp = 50
)

// chaosSender tries to publish a message on some node, and tells whether it was
// acknowledged. Its key is its number.
type chaosSender interface {
	try(number uint64) bool
	close()
}

// publish is one publisher. It goes on with the next message when the one before is
// acknowledged, and makes up for the time that this took.
func (c *chaos) publish(i int) {
	var s chaosSender = &chaosPoster{c, http.Client{Timeout: chaosAnswer}}
	if i%2 == 1 {
		s = &chaosSpeaker{c, chaosConn{log: c.log, who: fmt.Sprint("publisher ", i)}}
	}
	defer s.close()
	begin := time.Now()
	for n := 0; ; n++ {
		due := begin.Add(time.Duration(n) * chaosPublishers * time.Second / chaosRate)
		time.Sleep(time.Until(due)) // the schedule is the load; no verdict depends on it
		if due.UnixNano() > c.stop.Load() {
			return
		}
		number := uint64(i)*1e9 + uint64(n) + 1
		for try := 0; !s.try(number); try++ {
			if try > 1000 {
				c.log.complain("publisher %d: message %d is not taken", i, number)
				return
			}
			c.counts.retries.Add(1)
			time.Sleep(time.Duration(rand.IntN(100)) * time.Millisecond) // not all at once
		}
		c.acked.Add(1)
	}
}

// chaosPoster uses the API.
type chaosPoster struct {
	c      *chaos
	client http.Client
}

func (p *chaosPoster) close() { p.client.CloseIdleConnections() }

func (p *chaosPoster) try(number uint64) bool {
	c := p.c
	addr := c.addrs[rand.IntN(len(c.addrs))].admin
	text := strconv.FormatUint(number, 10)
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://"+addr+"/v1/rooms/"+chaosRoom+"/messages", strings.NewReader(text))
	if err != nil {
		return false
	}
	r.Header.Set("Idempotency-Key", text)
	w, err := p.client.Do(r)
	if err != nil {
		return false
	}
	defer w.Body.Close()
	body, err := io.ReadAll(w.Body)
	var answer struct {
		Epoch     string
		Offset    uint64
		LocalOnly bool `json:"local_only"`
	}
	if err != nil || w.StatusCode != http.StatusOK {
		return false
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.LocalOnly || answer.Offset == 0 {
		c.log.complain("message %d: the answer %s", number, body)
		return false
	}
	if w.Header.Get("Idempotent-Replayed") != "" {
		c.counts.replayed.Add(1)
	}
	c.log.acknowledged(chaosMessage{answer.Epoch, answer.Offset, number})
	return true
}

// chaosSpeaker uses a socket. The id of a command is the number of its message: a
// late reply is as good as one in time.
type chaosSpeaker struct {
	c *chaos
	chaosConn
}

func (s *chaosSpeaker) close() { s.drop() }

func (s *chaosSpeaker) try(number uint64) bool {
	reply, usable := s.say(number)
	if reply == nil {
		if !usable || rand.IntN(2) == 0 { // else the repetition goes the same way
			s.drop()
		}
		return false
	}
	if reply.LocalOnly || reply.Offset == 0 {
		s.c.log.complain("message %d: the reply %+v", number, reply)
		return false
	}
	s.c.counts.spoken.Add(1)
	if reply.Replayed {
		s.c.counts.replayed.Add(1)
		s.c.counts.spokenBefore.Add(1)
	}
	s.c.log.acknowledged(chaosMessage{reply.Epoch, reply.Offset, number})
	return true
}

// say publishes. Without a reply it tells whether another may still come by this
// connection.
func (s *chaosSpeaker) say(number uint64) (reply *v1Fields, usable bool) {
	until := time.Now().Add(chaosAnswer)
	if s.conn == nil && s.connect(s.c.addrs[rand.IntN(len(s.c.addrs))].ws, until) != nil {
		return nil, false
	}
	command := fmt.Sprintf(`{"id":%d,"cmd":"publish","room":%q,"data":"%[1]d","key":"%[1]d"}`, number, chaosRoom)
	if s.send(command, until) != nil || rand.IntN(chaosHangUp) == 0 {
		return nil, false
	}
	for {
		for len(s.queue) > 0 {
			o := s.queue[0]
			s.queue = s.queue[1:]
			switch {
			case string(o.ID) != strconv.FormatUint(number, 10): // the welcome, or of a message before
			case o.OK != nil:
				return o.OK, true
			case o.Error != nil && (o.Error.Code == "unavailable" || o.Error.Code == "overloaded"):
				return nil, true
			default:
				s.c.log.complain("message %d: %+v", number, o.Error)
				return nil, true
			}
		}
		if err := s.read(until); err != nil {
			return nil, isTimeout(err)
		}
	}
}
