package client

// This file runs testdata/scenarios: what any client has to do. Its README says what the
// steps mean.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/text/unicode/norm"

	"barrage/edge/edgetest"
)

type scenario struct {
	Name    string
	Options struct {
		Queue, Heartbeat int
		Token            string
		Chance           float64
	}
	For   map[string][]any
	Steps []json.RawMessage
}

func TestScenarios(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/scenarios/*.json")
	edgetest.Must(t, err)
	if len(files) < 4 {
		t.Fatalf("only %v", files)
	}
	for _, file := range files {
		bytes, err := os.ReadFile(file)
		edgetest.Must(t, err)
		var all []scenario
		edgetest.Must(t, json.Unmarshal(bytes, &all))
		for _, s := range all {
			for _, s := range s.each(t) {
				t.Run(strings.TrimSuffix(filepath.Base(file), ".json")+"/"+s.Name, func(t *testing.T) {
					t.Parallel()
					play(t, s)
				})
			}
		}
	}
}

// each is the scenarios that one is: with For, one for each value.
func (s scenario) each(t *testing.T) []scenario {
	all := []scenario{s}
	for name, values := range s.For {
		all = nil
		for _, v := range values {
			value, err := json.Marshal(v)
			edgetest.Must(t, err)
			one := s
			one.Name, one.Steps = fmt.Sprintf("%s: %v", s.Name, v), nil
			for _, step := range s.Steps {
				one.Steps = append(one.Steps, json.RawMessage(strings.ReplaceAll(string(step), `"$`+name+`"`, string(value))))
			}
			all = append(all, one)
		}
	}
	return all
}

// player is a user of the client, and what they saw.
type player struct {
	*testing.T
	peers  chan *peer
	peer   *peer
	client *Client
	bound  map[string]any
	waits  chan time.Duration
	rooms  map[string]*Room
	left   map[string]chan error
	done   map[string]chan object

	mu    sync.Mutex
	token string
	seen  map[string][]object
}

func play(t *testing.T, s scenario) {
	p := &player{
		T: t, bound: object{}, waits: make(chan time.Duration, 100), rooms: map[string]*Room{}, left: map[string]chan error{},
		done: map[string]chan object{}, seen: map[string][]object{}, token: s.Options.Token,
	}
	var address string
	address, p.peers = playServer(t)
	o := Options{Queue: s.Options.Queue, Heartbeat: time.Duration(s.Options.Heartbeat) * time.Millisecond, OnState: p.state}
	if p.token != "" {
		o.Token = func(context.Context) (string, error) {
			p.mu.Lock()
			defer p.mu.Unlock()
			return p.token, nil
		}
	}
	chance := s.Options.Chance
	if chance == 0 {
		chance = 0.001
	}
	c, err := start(address, o, func() float64 { return chance })
	edgetest.Must(t, err)
	p.client = c
	defer c.Close()
	for n, step := range s.Steps {
		if err := p.step(step); err != nil {
			t.Fatalf("step %d, %s: %v; seen %v", n+1, step, err, p.seen)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, seen := range p.seen {
		if len(seen) > 0 {
			t.Errorf("room %s: also seen %v", name, seen)
		}
	}
	if p.peer != nil && len(p.peer.due) > 0 {
		t.Errorf("it also sent %v", <-p.peer.due)
	}
}

func (p *player) state(s State) {
	if !s.Open {
		p.waits <- s.Wait
	}
}

func (p *player) step(raw json.RawMessage) error {
	var step [5]any
	if err := json.Unmarshal(raw, &step); err != nil {
		return err
	}
	var all []any
	_ = json.Unmarshal(raw, &all)
	name := norm.NFC.String(fmt.Sprint(step[1]))
	switch step[0] {
	case "connect":
		return p.connect(len(all) == 1, step[1], step[2])
	case "get":
		got, err := await(p, p.peerDue(), "command")
		if err != nil {
			return err
		}
		return p.match(got, step[1])
	case "send":
		p.peer.send(p.peer.fill(step[1]))
	case "push":
		for _, at := range all[2:] {
			push := historical(at.(string))
			push["push"], push["room"] = "message", name
			p.peer.send(push)
		}
	case "half":
		p.peer.half(p.peer.fill(step[1]))
	case "raw":
		_ = p.peer.socket.Write(p.Context(), 1, []byte(step[1].(string)))
	case "cut":
		_ = p.peer.raw.Close()
	case "close":
		reason, _ := step[2].(string)
		p.peer.close(int(step[1].(float64)), reason)
	case "freeze":
		p.peer.freeze()
	case "join":
		return p.join(name, step[1].(string), step[2])
	case "leave":
		ch := make(chan error, 1)
		p.left[name] = ch
		room := p.rooms[name]
		delete(p.rooms, name)
		go func() { ch <- room.Leave(p.Context()) }()
	case "left":
		_, err := await(p, p.left[name], "end of leave")
		return err
	case "publish":
		p.publish(name, step[2].(string), step[3], step[4])
	case "result":
		got, err := await(p, p.done[name], "result")
		if err != nil {
			return err
		}
		return p.match(got, step[2])
	case "token":
		p.mu.Lock()
		p.token = name
		p.mu.Unlock()
	case "sees":
		return p.sees(name, all[2:])
	case "waits":
		wait, err := await(p, p.waits, "wait")
		if want := time.Duration(step[1].(float64)) * time.Millisecond; err == nil && wait.Round(time.Millisecond) != want {
			return fmt.Errorf("waits %v", wait)
		}
		return err
	case "stopped":
		if _, err := await(p, p.client.done, "end"); err != nil || Code(p.client.over) != "stopped" {
			return errors.Join(err, p.client.over)
		}
	default:
		return errors.New("there is no such step")
	}
	return nil
}
