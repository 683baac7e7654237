package redisbridge

// The settings: what New refuses, and what its errors may show.

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

func validConfig() Config { return Config{URL: "redis://127.0.0.1:6379"} }

func TestNewNamesEveryBadField(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Config)
		want   []string // parts of the error; none: accepted
	}{
		{"defaults", func(c *Config) {}, nil},
		{"tls", func(c *Config) { c.URL = "rediss://user:secret@redis.example:6380/2" }, nil},
		{"unix", func(c *Config) { c.URL = "unix:///run/redis.sock" }, nil},
		{"client options in the URL", func(c *Config) { c.URL = "redis://h?pool_size=3" }, nil},
		{"sentinels", func(c *Config) { c.URL = "redis+sentinel://u:p@h:1,i:2/main?sentinel_password=x&pool_size=3" }, nil},
		{"one sentinel, tls", func(c *Config) { c.URL = "rediss+sentinel://[::1]:26379/main" }, nil},
		{"cluster", func(c *Config) { c.URL, c.Sharded = "redis+cluster://:p@h:1,i:2,[::1]:3", true }, nil},
		{"cluster without shards", func(c *Config) { c.URL = "rediss+cluster://h:1/?pool_size=3" }, nil},
		{"sentinels without a master", func(c *Config) { c.URL = "redis+sentinel://h:1,i:2" }, []string{"URL: ", "master"}},
		{"sentinel without a port", func(c *Config) { c.URL = "redis+sentinel://h:1,i/main" }, []string{"URL: ", "number 2"}},
		{"cluster with a database", func(c *Config) { c.URL = "redis+cluster://h:1/3" }, []string{"URL: ", "database"}},
		{"shards without a cluster", func(c *Config) { c.Sharded = true }, []string{"Sharded: "}},
		{"negative idempotency", func(c *Config) { c.IdempotencyTTL = -1 }, []string{"IdempotencyTTL: "}},
		{"no URL", func(c *Config) { c.URL = "" }, []string{"URL: "}},
		{"other scheme", func(c *Config) { c.URL = "http://h" }, []string{"URL: "}},
		{"unknown client option", func(c *Config) { c.URL = "redis://h?colour=red" }, []string{"URL: ", "unexpected option"}},
		{"our own prefix", func(c *Config) { c.Prefix = "barrage:x:" }, []string{"Prefix: "}},
		{"a prefix of ours", func(c *Config) { c.Prefix = "ba" }, []string{"Prefix: "}},
		{"empty room", func(c *Config) { c.Channels = map[string]string{"c": ""} }, []string{"Channels: "}},
		{"channel with the prefix", func(c *Config) { c.Channels = map[string]string{"room:c": "c"} }, []string{"Channels: "}},
		{"channel of ours", func(c *Config) { c.Channels = map[string]string{"barrage:c": "c"} }, []string{"Channels: "}},
		{"node with space", func(c *Config) { c.Node = "a b" }, []string{"Node: "}},
		{"long node", func(c *Config) { c.Node = strings.Repeat("n", 65) }, []string{"Node: "}},
		{"negative linger", func(c *Config) { c.Linger = -time.Second }, []string{"Linger: "}},
		{"tiny timeout", func(c *Config) { c.Timeout = 1 }, []string{"Timeout: "}},
		{"timeout under interval", func(c *Config) { c.ProbeInterval = 5 * time.Second }, []string{"ProbeTimeout: "}},
		{"negative queue", func(c *Config) { c.QueueLen, c.QueueBytes = -1, -1 }, []string{"QueueLen: ", "QueueBytes: "}},
		{"outage", func(c *Config) { c.Outage = "panic" }, []string{"Outage: "}},
		{"nothing set", func(c *Config) { *c = Config{} }, []string{"URL: "}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := validConfig()
			tt.change(&cfg)
			b, err := New(cfg, (*receiver)(&node{}))
			if len(tt.want) == 0 {
				if err != nil {
					t.Fatal(err)
				}
				if err := b.Close(); err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil {
				t.Fatal("accepted")
			}
			for _, part := range tt.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not say %q", err, part)
				}
			}
			if lines := strings.Count(err.Error(), "redisbridge: "); lines != strings.Count(err.Error(), "\n")+1 {
				t.Errorf("error is not one line a field: %q", err)
			}
		})
	}
}

func TestBadURLDoesNotShowCredentials(t *testing.T) {
	for _, url := range []string{
		"redis://user:top secret@h:6379", "redis://user:secret@h:port", "redis://:sec/ret@h:6379",
		"redis://user:secret@h?colour=red", "redis+sentinel://user:secret@h:1,i/main", "redis+cluster://user:sec/ret@h:1",
		"redis+sentinel://h:1/main?colour=red&sentinel_password=secret", "ftp://user:secret@h", "redis://user:%zzsecret@h",
		"redis://:secret:6379", "redis://h/secret", "redis://h/0/secret", "redis://h?secret", "redis://h?db=secret", "redis://h?skip_verify=secret",
		"secret://h", "redis+sentinel://secret,i:1/main", "redis+sentinel://h:1/a/secret", "redis+cluster://h:1/secret", "redis://h?x=%zzsecret",
		"rediss://h?tls_ca_file=/none/secret", "rediss://h?tls_cert_file=/none/secret&tls_key_file=/none/secret", "redis://h?tls_ca_file=/none/secret",
	} {
		cfg := validConfig()
		cfg.URL = url
		if _, err := New(cfg, (*receiver)(&node{})); err == nil || strings.Contains(err.Error(), "ret") {
			t.Errorf("%s: %v", url, err)
		}
		if _, err := NewClient(cfg); err == nil || strings.Contains(err.Error(), "ret") {
			t.Errorf("a client for %s: %v", url, err)
		}
	}
}

func TestNodeNamesAreRandom(t *testing.T) {
	seen := make(map[string]bool)
	for range 3 {
		b, err := New(validConfig(), (*receiver)(&node{}))
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		if !regexp.MustCompile("^[0-9a-z]+$").MatchString(b.cfg.Node) || seen[b.cfg.Node] {
			t.Errorf("node name %q", b.cfg.Node)
		}
		seen[b.cfg.Node] = true
	}
}
