// Settings whose texts mean more than a value.

package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"barrage/edge/auth"
	"barrage/edge/auth/keyring"
	"barrage/edge/proxy"
	"barrage/frame"
	"barrage/internal/broker"
	"barrage/internal/settings"
	"barrage/internal/textfile"
	"barrage/netpoll"
	"barrage/redisbridge/queues"
)

// noHeader is client_address_header where there is none.
const noHeader = "none"

// Proxies reads the settings of proxies.
func (c *Config) Proxies() (proxy.Config, error) {
	p := proxy.Config{Protocol: c.ProxyProtocol}
	if c.ClientAddressHeader != noHeader {
		p.Header = proxy.Header(c.ClientAddressHeader)
	}
	for _, text := range c.TrustedProxies {
		if text == netpoll.UnixPrefix {
			p.Trusted = append(p.Trusted, netip.PrefixFrom(netpoll.Local.Addr(), netpoll.Local.Addr().BitLen()))
			continue
		}
		network, err := proxy.ParsePrefix(text)
		if err != nil {
			return p, fmt.Errorf("%q %w", text, err)
		}
		p.Trusted = append(p.Trusted, network)
	}
	return p, nil
}

// SocketPermissions reads the setting tcp_socket_mode.
func (c *Config) SocketPermissions() (fs.FileMode, error) {
	n, err := strconv.ParseUint(c.SocketMode, 8, 32)
	if err != nil || n > 0o777 || n == 0 {
		return 0, errors.New("is no octal number from 1 to 0777")
	}
	return fs.FileMode(n), nil
}

// HistoryRules reads the setting history.
func (c *Config) HistoryRules() (broker.Rules, error) {
	rules := make(broker.Rules, 0, len(c.History))
	for _, item := range c.History {
		name, keeps, ok := cutLast(item)
		if !ok {
			return nil, fmt.Errorf("%q is not pattern=messages/age/bytes, such as *=100/10m/4MiB, of which bytes may be left out", item)
		}
		count, age, _ := strings.Cut(keeps, "/")
		age, size, sized := strings.Cut(age, "/")
		if count == "" || age == "" {
			return nil, fmt.Errorf("%q: messages or age are missing: it is not pattern=messages/age/bytes, such as *=100/10m/4MiB, of which bytes may be left out", item)
		}
		n, err := strconv.Atoi(count)
		if err != nil || n < 0 || n > broker.MaxRetained {
			return nil, fmt.Errorf("%q: messages must be 0 to %d", item, broker.MaxRetained)
		}
		d, err := time.ParseDuration(age)
		if age == "0" {
			d, err = 0, nil
		}
		if err != nil || d < 0 || d > broker.MaxRetentionAge {
			return nil, fmt.Errorf("%q: age must be 0 to %s", item, settings.FormatDuration(broker.MaxRetentionAge))
		}
		var b settings.Bytes
		if sized {
			b, err = settings.ParseBytes(size)
			if err != nil || b < broker.MinRetainedBytes || b > broker.MaxRetainedBytes {
				return nil, fmt.Errorf("%q: bytes must be %v to %v", item, settings.Bytes(broker.MinRetainedBytes), settings.Bytes(broker.MaxRetainedBytes))
			}
		}
		pattern, err := broker.RoomPattern(name)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", name, err)
		}
		rules = append(rules, broker.Rule{Pattern: pattern, Retention: broker.Retention{Messages: n, Age: d, Bytes: int64(b)}})
	}
	return rules, nil
}

// Targets reads the setting target_rate.
func (c *Config) Targets() (broker.Targets, error) {
	targets := make(broker.Targets, 0, len(c.TargetRate))
	for _, item := range c.TargetRate {
		name, text, ok := cutLast(item)
		if !ok {
			return nil, fmt.Errorf("%q is not pattern=rate, such as live:*=25", item)
		}
		rate, err := strconv.ParseFloat(text, 64)
		if err == nil {
			err = broker.CheckTarget(rate)
		}
		if err != nil {
			return nil, fmt.Errorf("%q: the rate must be 1 to %d, or 0", item, broker.MaxTarget)
		}
		pattern, err := broker.RoomPattern(name)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", name, err)
		}
		targets = append(targets, broker.Target{Pattern: pattern, Rate: rate})
	}
	return targets, nil
}

// LanesOfKinds reads the setting lanes.
func (c *Config) LanesOfKinds() (broker.Lanes, error) {
	lanes := make(broker.Lanes, len(c.Lanes))
	for _, item := range c.Lanes {
		kind, name, ok := cutLast(item)
		if !ok {
			return nil, fmt.Errorf("%q is not kind=lane, such as gift=gift", item)
		}
		if err := broker.CheckKind(kind); err != nil {
			return nil, fmt.Errorf("%q: %w", item, err)
		}
		lane, err := broker.ParseLane(name)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", item, err)
		}
		lanes[kind] = lane
	}
	return lanes, nil
}

// cutLast cuts an item at its last =; false if nothing is before it.
func cutLast(item string) (before, after string, ok bool) {
	i := strings.LastIndexByte(item, '=')
	if i < 1 {
		return "", "", false
	}
	return item[:i], item[i+1:], true
}

// Ring is the keys that may be brought instead of tokens; nil where there are none.
func (c *Config) Ring() (*keyring.Ring, error) {
	if len(c.Keys) == 0 {
		return nil, nil
	}
	r, err := keyring.New(c.Keys)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	for _, k := range r.Keys() {
		if _, err := frame.ParseOrigins(k.Origins); err != nil {
			return nil, fmt.Errorf("keys: %q: origins: %w", k.Name, err)
		}
	}
	return r, nil
}

// Queues reads the settings of lists and streams, in the order of their names.
func (c *Config) Queues() (all []queues.Queue, err error) {
	for _, of := range []struct {
		setting string
		rooms   map[string]string
		stream  bool
	}{{"redis_queues", c.RedisQueues, false}, {"redis_streams", c.RedisStreams, true}} {
		for _, key := range slices.Sorted(maps.Keys(of.rooms)) {
			q, err := queues.Parse(key, of.rooms[key], of.stream)
			if err != nil {
				return nil, fmt.Errorf("%s: %q: %w", of.setting, key, err)
			}
			all = append(all, q)
		}
	}
	return all, nil
}

// Verifier is what checks tokens; nil where no key is configured.
func (c *Config) Verifier(log *slog.Logger) (*auth.Verifier, error) {
	if len(c.AuthSecrets) == 0 && c.AuthPublicKeys == "" && c.AuthJWKS == "" {
		return nil, nil
	}
	ac := auth.Config{JWKSURL: c.AuthJWKS, Algorithms: c.AuthAlgorithms, Audience: c.AuthAudience, Issuer: c.AuthIssuer, UserClaim: c.AuthUserClaim, Logger: log}
	for _, secret := range c.AuthSecrets {
		ac.Secrets = append(ac.Secrets, []byte(secret))
	}
	if c.AuthPublicKeys != "" {
		keys, err := textfile.Read(c.AuthPublicKeys)
		if err != nil {
			return nil, fmt.Errorf("auth_public_keys: %w", err)
		}
		if len(bytes.TrimSpace(keys)) == 0 {
			return nil, fmt.Errorf("auth_public_keys: %s is empty", c.AuthPublicKeys)
		}
		ac.PublicKeys = keys
	}
	v, err := auth.New(ac)
	if err != nil {
		return nil, fmt.Errorf("auth_secret, auth_public_keys, auth_jwks: %w", err)
	}
	return v, nil
}
