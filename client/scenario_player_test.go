package client

// This file is what a user of a scenario does and sees.

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"barrage/edge/edgetest"
)

func await[T any](p *player, ch <-chan T, what string) (v T, err error) {
	select {
	case v = <-ch:
		return v, nil
	case <-patient(p.T).Done():
		return v, fmt.Errorf("waited too long for a %s", what)
	}
}

func (p *player) peerDue() chan object { return p.peer.due }

func (p *player) connect(welcome bool, more, token any) (err error) {
	if p.peer, err = await(p, p.peers, "connection"); err != nil {
		return err
	}
	if want, _ := token.(string); p.peer.token != want {
		return fmt.Errorf("token %q", p.peer.token)
	}
	members, ok := more.(object)
	if !welcome && !ok {
		return nil
	}
	hello := object{"push": "welcome", "conn": "c1", "time": 1_700_000_000_000}
	for k, v := range members {
		hello[k] = v
	}
	p.peer.send(hello)
	return nil
}

func (p *player) join(name, written string, options any) error {
	var o struct {
		JoinOptions
		Load *[]string
	}
	given, _ := options.(object)
	bytes, err := json.Marshal(given)
	if err == nil {
		err = json.Unmarshal(bytes, &o)
	}
	if err != nil {
		return err
	}
	if _, ok := given["load"]; ok {
		o.JoinOptions.Load = func(context.Context, Gap) (found []Message, err error) {
			if o.Load == nil {
				return nil, nil
			}
			for _, at := range *o.Load {
				var m Message
				bytes, err := json.Marshal(historical(at))
				if err == nil {
					err = json.Unmarshal(bytes, &m)
				}
				if err != nil {
					return nil, err
				}
				found = append(found, m)
			}
			return found, nil
		}
	}
	room, err := p.client.Join(written, o.JoinOptions)
	if err != nil || p.rooms[name] == room {
		return err
	}
	p.rooms[name] = room
	p.mu.Lock()
	p.seen[name] = nil
	p.mu.Unlock()
	go p.watch(name, room)
	return nil
}

// watch ends with the room.
func (p *player) watch(name string, room *Room) {
	for {
		event, err := room.Next(context.Background())
		p.mu.Lock()
		switch e := event.(type) {
		case Joined:
			p.seen[name] = append(p.seen[name], object{"joined": object{"resumed": e.Resumed}})
		case Gap:
			p.seen[name] = append(p.seen[name], object{"gap": asObject(e)})
		case Message:
			m := asObject(e)
			m["past"] = e.Past
			p.seen[name] = append(p.seen[name], object{"message": m})
		case nil:
			if !strings.HasPrefix(err.Error(), "left: the room") && err != ErrClosed {
				p.seen[name] = append(p.seen[name], object{"over": Code(err)})
			}
		}
		p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func asObject(v any) (o object) {
	bytes, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(bytes, &o)
	}
	if err != nil {
		return object{"error": err.Error()}
	}
	return o
}

func (p *player) publish(as, room string, data, options any) {
	given, _ := options.(object)
	ctx := p.Context()
	if ms, ok := given["deadline"].(float64); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(ms)*time.Millisecond)
		p.Cleanup(cancel)
	}
	if o, ok := data.(object); ok && o["base64"] != nil {
		bytes, err := base64.StdEncoding.DecodeString(o["base64"].(string))
		edgetest.Must(p.T, err)
		data = bytes
	}
	kind, _ := given["kind"].(string)
	done := make(chan object, 1)
	p.done[as] = done
	result := submit(ctx, p.T, p.client, room, data, PublishOptions{Kind: kind})
	go func() {
		switch r := <-result; {
		case errors.Is(r.err, context.DeadlineExceeded):
			done <- object{"error": "timeout"}
		case r.err != nil:
			done <- object{"error": Code(r.err)}
		default:
			done <- asObject(r.Published)
		}
	}()
}

func (p *player) sees(name string, want []any) error {
	var seen []object
	edgetest.WaitFor(p.T, fmt.Sprintf("room %s to have %d events", name, len(want)), func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		if seen = p.seen[name]; len(seen) < len(want) {
			return false
		}
		seen, p.seen[name] = seen[:len(want)], seen[len(want):]
		return true
	})
	for n, event := range want {
		switch e := event.(type) {
		case string:
			at, past := strings.CutSuffix(e, " past")
			m := historical(at)
			m["past"] = past
			event = object{"message": m}
			if e == "joined" || e == "resumed" {
				event = object{"joined": object{"resumed": e == "resumed"}}
			}
		}
		if err := p.match(seen[n], event); err != nil {
			return fmt.Errorf("event %d: %w", n+1, err)
		}
	}
	return nil
}

// match holds a value against what it must have.
func (p *player) match(got, want any) error {
	switch w := want.(type) {
	case object:
		g, ok := got.(object)
		if !ok {
			return fmt.Errorf("got %v, want %v", got, want)
		}
		for name, value := range w {
			if err := p.match(g[name], value); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	case string:
		if strings.HasPrefix(w, "=") {
			if before, ok := p.bound[w]; got == nil || ok && before != got {
				return fmt.Errorf("got %v, want %v", got, before)
			}
			p.bound[w] = got
			return nil
		}
	}
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("got %v, want %v", got, want)
	}
	return nil
}
