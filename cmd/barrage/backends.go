package main

// This file makes what serve needs to deal with other programs of its settings:
// verifier of tokens, webhooks, requests.

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"barrage/edge/auth"
	"barrage/edge/events"
	"barrage/edge/hooks"
	"barrage/internal/config"
)

// webhookClose is how long what is queued may take at a stop.
const webhookClose = 5 * time.Second

// backends is what a node has of other programs. Fields are nil where nothing is
// configured.
type backends struct {
	verifier *auth.Verifier
	emitter  *events.Emitter
	caller   *events.Caller
	hooks    *hooks.Hooks
}

// newBackends uses client, nil where no Redis is set, until close.
func newBackends(c *config.Config, node string, client redis.UniversalClient, log *slog.Logger) (b backends, err error) {
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	if b.verifier, err = c.Verifier(log); err != nil {
		return b, err
	}
	sink, err := newSink(c, client, log)
	if err != nil {
		return b, err
	}
	if sink != nil {
		var types []events.Type
		for _, t := range c.EventTypes {
			types = append(types, events.Type(t))
		}
		if b.emitter, err = events.New(events.Config{Sink: sink, Node: node, Types: types, Rooms: c.EventRooms, QueueBytes: int(c.EventQueueBytes), Logger: log}); err != nil {
			sink.Close()
			return b, fmt.Errorf("event_types, event_rooms: %w", err)
		}
	}
	if len(c.RequestRoutes) > 0 {
		var routes []events.Route
		for method, url := range c.RequestRoutes {
			routes = append(routes, events.Route{Method: method, URL: url})
		}
		slices.SortFunc(routes, func(a, b events.Route) int { // the most special first
			return cmp.Or(len(b.Method)-len(a.Method), strings.Compare(a.Method, b.Method))
		})
		b.caller, err = events.NewCaller(events.CallerConfig{Routes: routes, HTTP: events.HTTP{Secrets: c.WebhookSecrets, Timeout: c.RequestTimeout}, Logger: log})
		if err != nil {
			return b, fmt.Errorf("request_routes: %w", err)
		}
	}
	b.hooks, err = newHooks(c, node, log)
	return b, err
}

// newHooks is who is asked before something happens; nil if nobody is.
func newHooks(c *config.Config, node string, log *slog.Logger) (*hooks.Hooks, error) {
	h, err := hooks.New(hooks.Config{
		Node: node, Secrets: c.WebhookSecrets,
		Connect: hooks.ConnectConfig{
			URL: c.ConnectURL, ByMessage: c.ConnectBy == "message", Headers: c.ConnectHeaders, Cookies: c.ConnectCookies, Query: c.ConnectQuery,
			Tries: c.ConnectTries, Timeout: c.ConnectTimeout, Away: c.ConnectAway,
		},
		Join:       hooks.Rules{URLs: c.JoinHooks, Timeout: c.JoinTimeout, Away: c.JoinAway},
		Publish:    hooks.Rules{URLs: c.PublishHooks, Timeout: c.PublishTimeout, Away: c.PublishAway},
		MaxPublish: int(cmp.Or(c.MaxPublishBytes, c.MaxMessageBytes)), Concurrent: c.HookConcurrency, Logger: log,
	})
	if err != nil {
		return nil, fmt.Errorf("connect_url, join_hooks, publish_hooks: %w", err)
	}
	return h, nil
}

// newSink is where events go; nil if nowhere.
func newSink(c *config.Config, client redis.UniversalClient, log *slog.Logger) (events.Sink, error) {
	switch {
	case c.WebhookURL != "":
		sink, err := events.NewWebhook(events.WebhookConfig{URL: c.WebhookURL, HTTP: events.HTTP{Secrets: c.WebhookSecrets}})
		if err != nil {
			return nil, fmt.Errorf("webhook_url: %w", err)
		}
		return sink, nil
	case c.EventStream != "":
		sink, err := events.NewStream(events.StreamConfig{Key: c.EventStream, MaxBytes: int64(c.EventStreamBytes), Store: eventStore{client}, Logger: log})
		if err != nil {
			return nil, fmt.Errorf("event_stream: %w", err)
		}
		return sink, nil
	}
	return nil, nil
}

// eventStore is a Redis with a stream of events: one server, Sentinel or Cluster, as all is
// about one key.
type eventStore struct{ redis.UniversalClient }

// Add implements events.StreamStore.
func (s eventStore) Add(ctx context.Context, key string, maxLen int64, entries [][]string) error {
	_, err := s.TxPipelined(ctx, func(p redis.Pipeliner) error {
		for _, e := range entries {
			p.XAdd(ctx, &redis.XAddArgs{Stream: key, MaxLen: maxLen, Approx: true, Values: e})
		}
		return nil
	})
	return err
}

// Size implements events.StreamStore.
func (s eventStore) Size(ctx context.Context, key string) (bytes, entries int64, err error) {
	if entries, err = s.XLen(ctx, key).Result(); err == nil && entries > 0 {
		bytes, err = s.MemoryUsage(ctx, key, 0).Result()
	}
	return bytes, entries, err
}

// Trim implements events.StreamStore.
func (s eventStore) Trim(ctx context.Context, key string, entries int64) error {
	return s.XTrimMaxLen(ctx, key, entries).Err()
}

func (b *backends) close() {
	if b.emitter != nil {
		ctx, cancel := context.WithTimeout(context.Background(), webhookClose)
		defer cancel()
		_ = b.emitter.Close(ctx) // what could not be told is in its counters
	}
	if b.caller != nil {
		b.caller.Close()
	}
	b.hooks.Close()
	if b.verifier != nil {
		b.verifier.Close()
	}
}
