package main

// This file says what is wrong with settings, one line for each.

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"barrage/api"
	"barrage/edge/events"
	"barrage/internal/broker"
	"barrage/redisbridge"
)

const maxTextLen = 4096 // bytes of any text

// validate checks each setting's bounds, then what several say together. sources
// tells where values came from.
func (c *Config) validate(sources map[string]string) []error {
	v := &validation{cfg: c, sources: sources}
	for i := range settings {
		v.bounds(&settings[i])
	}
	v.addresses()
	v.rooms()
	v.origins()
	v.redis()
	v.backends()
	v.sizes()
	return v.problems
}

type validation struct {
	cfg      *Config
	sources  map[string]string
	problems []error
}

// bad notes a problem of the setting key.
func (v *validation) bad(key, format string, args ...any) {
	name := key
	if source := v.sources[key]; source != "" {
		name += " (" + source + ")"
	}
	v.problems = append(v.problems, errors.New(name+": "+fmt.Sprintf(format, args...)))
}

func (v *validation) bounds(s *setting) {
	field := s.field(v.cfg)
	value := field.Interface()
	switch {
	case s.oneOf != nil:
		if !slices.Contains(s.oneOf, field.String()) {
			v.bad(s.key, "%s must be %s", s.show(value), s.bounds())
		}
	case s.min != nil:
		n := number(value)
		if n == 0 && s.zero != "" {
			return
		}
		if n < number(s.min) || n > number(s.max) {
			v.bad(s.key, "%s must be %s", s.show(value), s.bounds())
		}
	case field.Kind() == reflect.String:
		if !isText(field.String()) {
			v.bad(s.key, "must be at most %d bytes without control characters", maxTextLen)
		}
	case field.Kind() == reflect.Slice:
		if slices.ContainsFunc(value.([]string), func(text string) bool { return !isText(text) }) {
			v.bad(s.key, "must have at most %d bytes in each part, without control characters", maxTextLen)
		}
	}
}

func isText(text string) bool {
	return len(text) <= maxTextLen && !strings.ContainsFunc(text, unicode.IsControl)
}

// number is a bounded value as a number that can be compared; exact for all that
// the bounds allow.
func number(value any) float64 {
	v := reflect.ValueOf(value)
	if v.CanFloat() {
		return v.Float()
	}
	return float64(v.Int())
}

func (v *validation) addresses() {
	host, port, err := net.SplitHostPort(v.cfg.Listen)
	if err != nil {
		v.bad("listen", "%q is not host:port", v.cfg.Listen)
	} else {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			v.bad("listen", "port %q is not a number from 0 to 65535", port)
		}
		if host != "" && host != "localhost" && net.ParseIP(host) == nil {
			v.bad("listen", "host %q must be an IP address, localhost, or empty for all addresses", host)
		}
	}
	admin := api.Config{Listen: v.cfg.Admin, Tokens: v.cfg.AdminTokens}
	if err := admin.Validate(); err != nil {
		v.problems = append(v.problems, err)
	}
	if v.cfg.Listen == v.cfg.Admin && !strings.HasSuffix(v.cfg.Listen, ":0") {
		v.bad("admin", "%q is the address of listen too", v.cfg.Admin)
	}
	for _, token := range v.cfg.AdminTokens {
		if strings.ContainsFunc(token, unicode.IsSpace) {
			v.bad("admin_token", "must not hold spaces, which a header would not carry")
		}
	}
}

func (v *validation) rooms() {
	if v.cfg.DefaultRoom != "" {
		if err := broker.CheckRoom(v.cfg.DefaultRoom); err != nil {
			v.bad("default_room", "%q: %v", v.cfg.DefaultRoom, err)
		}
	}
}

// origins refuses entries that could never match what a browser sends.
func (v *validation) origins() {
	for _, origin := range v.cfg.AllowedOrigins {
		_, host, hasScheme := strings.Cut(origin, "://")
		if !hasScheme {
			host = origin
		}
		if host == "" || strings.ContainsAny(host, "/?# \t") || strings.Contains(strings.TrimPrefix(host, "*"), "*") {
			v.bad("allowed_origins", "%q must be like https://example.com, https://*.example.com:8443 or *, without a path", origin)
		}
	}
}

func (v *validation) redis() {
	c := v.cfg
	if c.Redis != "" {
		client, err := redisbridge.NewClient(redisbridge.Config{URL: c.Redis})
		if err != nil {
			v.bad("redis", "%v", err)
		} else {
			_ = client.Close() // it has not been used
		}
		if c.RedisSharded && !strings.HasPrefix(c.Redis, "redis+cluster:") && !strings.HasPrefix(c.Redis, "rediss+cluster:") {
			v.bad("redis_sharded", "needs a redis+cluster:// URL in redis")
		}
	}
	if c.RedisPrefix == "" || strings.HasPrefix(c.RedisPrefix, "barrage:") || strings.HasPrefix("barrage:", c.RedisPrefix) {
		v.bad("redis_prefix", "%q must not be empty, nor clash with \"barrage:\", which nodes use among themselves", c.RedisPrefix)
	}
	if strings.ContainsAny(c.RedisPrefix, "{}") {
		v.bad("redis_prefix", "%q must not have braces, which choose a key's place in a Redis Cluster", c.RedisPrefix)
	}
	for _, channel := range slices.Sorted(maps.Keys(c.RedisChannels)) {
		room := c.RedisChannels[channel]
		if channel == "" || strings.HasPrefix(channel, c.RedisPrefix) || strings.HasPrefix(channel, "barrage:") {
			v.bad("redis_channels", "channel %q must not be empty, nor begin with redis_prefix (%q) or \"barrage:\"", channel, c.RedisPrefix)
		}
		if err := broker.CheckRoom(room); err != nil {
			v.bad("redis_channels", "channel %q: room %q: %v", channel, room, err)
		}
	}
}

// backends checks what talks to other programs: tokens, histories, webhooks.
func (v *validation) backends() {
	if _, err := historyRules(v.cfg.History); err != nil {
		v.bad("history", "%v", err)
	}
	if verifier, err := newVerifier(v.cfg, nil); err != nil {
		v.problems = append(v.problems, err)
	} else if verifier != nil {
		verifier.Close()
	}
	for _, t := range v.cfg.EventTypes {
		if !slices.Contains(events.AllTypes(), events.Type(t)) {
			v.bad("event_types", "%q is none of %v", t, events.AllTypes())
		}
	}
	switch {
	case v.cfg.EventStream != "" && v.cfg.Redis == "":
		v.bad("event_stream", "needs redis")
	case v.cfg.EventStream != "" && v.cfg.WebhookURL != "":
		v.bad("event_stream", "events go there or to webhook_url, not to both")
	}
	if v.cfg.WebhookURL != "" || len(v.cfg.RequestRoutes) > 0 {
		v.webhookSecrets()
	}
}

func (v *validation) webhookSecrets() {
	if n := len(v.cfg.WebhookSecrets); n < 1 || n > maxWebhookSecrets {
		v.bad("webhook_secret", "there are %d, want 1 to %d", n, maxWebhookSecrets)
	}
	for i, secret := range v.cfg.WebhookSecrets {
		if len(secret) < minWebhookSecret {
			v.bad("webhook_secret", "number %d has %d bytes, want at least %d", i+1, len(secret), minWebhookSecret)
		}
	}
}

func (v *validation) sizes() {
	c := v.cfg
	const header = 14 // of the longest frame
	if c.RoomLogBytes < c.MaxMessageBytes+header {
		v.bad("room_log_bytes", "%v must hold at least one message of max_message_bytes (%v)", c.RoomLogBytes, c.MaxMessageBytes)
	}
	if c.LogBytes < c.RoomLogBytes {
		v.bad("log_bytes", "%v must be at least room_log_bytes (%v)", c.LogBytes, c.RoomLogBytes)
	}
}
