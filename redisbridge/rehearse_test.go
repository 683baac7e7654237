package redisbridge

// A Redis that refuses some commands only.

import (
	"context"
	"errors"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"barrage/internal/broker"
)

var scriptCommand = regexp.MustCompile(`redis\.p?call\('([A-Z]+)'`)

// TestEveryCommandIsRehearsed: a node that lacks one of the commands of its rooms' scripts
// is not ready, before anybody needs it, and says which, if Redis does: 7.0 tells it of scripts
// as of any command.
func TestEveryCommandIsRehearsed(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	commands := make(map[string]bool)
	for _, file := range []string{"scripts.go", "mailbox_script.go"} {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range scriptCommand.FindAllSubmatch(source, -1) {
			commands[strings.ToLower(string(found[1]))] = true
		}
	}
	if len(commands) < 18 {
		t.Fatalf("the scripts use %v", slices.Sorted(maps.Keys(commands)))
	}
	for command := range commands {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, s.without(command))
			eventually(t, "Err names it", func() bool {
				err := n.Err()
				return errors.Is(err, broker.ErrUnavailable) &&
					(strings.Contains(strings.ToLower(err.Error()), command) || strings.Contains(err.Error(), "can't run this command"))
			})
			s.allow(command)
			n.waitUp()
			if left := s.Keys(context.Background(), "*"+n.cfg.Node+"*").Val(); len(left) > 0 {
				t.Errorf("the rehearsal has left %q", left)
			}
		})
	}
}

// TestRefusalHolds: what was refused to somebody who needs it is refused until that works
// again, whatever else does.
func TestRefusalHolds(t *testing.T) {
	t.Parallel()
	for command, need := range map[string]func(*node) error{
		"xadd": func(n *node) error {
			r, err := n.publish("a", "x")
			if err == nil && r.LocalOnly {
				err = broker.ErrUnavailable
			}
			return err
		},
		"hincrby": func(n *node) error {
			_, err := n.Publish(context.Background(), &broker.Publication{Room: "user:ann", Format: broker.Text, Keep: true, Payload: []byte("x")})
			return err
		},
		"xrange": func(n *node) error {
			_, err := n.History(context.Background(), "a", broker.Query{After: &broker.Position{}})
			return err
		},
	} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			s := startRedis(t)
			cfg := s.without(command)
			s.allow(command)
			n := healthyNode(t, cfg, "a")
			for _, room := range []string{"a", "user:ann"} {
				if _, err := n.publish(room, "before"); err != nil {
					t.Fatal(err)
				}
			}
			s.without(command)
			if err := need(n); !errors.Is(err, broker.ErrUnavailable) {
				t.Fatalf("without %s: %v", command, err)
			}
			// Not by the next trial, nor by the tenth.
			for refused := s.stat("total_error_replies"); s.stat("total_error_replies") < refused+20; {
				if err := n.Err(); !errors.Is(err, broker.ErrUnavailable) {
					t.Fatalf("ready: %v", err)
				}
			}
			s.allow(command)
			n.waitUp()
			if err := need(n); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestNothingKeptNeedsNoStreams: what no room has, Redis may refuse.
func TestNothingKeptNeedsNoStreams(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	cfg := s.without("xadd")
	cfg.Retention, cfg.History = nil, ""
	n := healthyNode(t, cfg, "a")
	if r, err := n.publish("a", "x"); err != nil || r.LocalOnly {
		t.Errorf("Publish: %+v, %v", r, err)
	}
}

// without is the configuration of a node that may not use the command.
func (s *server) without(command string) Config {
	s.t.Helper()
	s.setUser("without-"+command, "on", ">secret", "+@all", "-"+command, "~*", "&*")
	cfg := kept(calmConfig("redis://without-"+command+":secret@"+s.Addr), plenty)
	cfg.History = "*"
	return cfg
}

func (s *server) allow(command string) { s.setUser("without-"+command, "+"+command) }

func (s *server) setUser(name string, rules ...any) {
	s.t.Helper()
	if err := s.Do(context.Background(), append([]any{"ACL", "SETUSER", name}, rules...)...).Err(); err != nil {
		s.t.Fatal(err)
	}
}
