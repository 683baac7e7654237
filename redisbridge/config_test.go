package redisbridge

// The settings: what New refuses, and what its errors may show.

import (
	"strings"
	"testing"
	"time"
)

func validConfig() Config {
	return Config{
		URL:     "redis://127.0.0.1:6379",
		Deliver: func(string, bool, []byte) {},
		Members: func(string) int { return 0 },
		Ready:   func(string) {},
	}
}

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
		{"no URL", func(c *Config) { c.URL = "" }, []string{"URL: "}},
		{"other scheme", func(c *Config) { c.URL = "http://h" }, []string{"URL: "}},
		{"unknown client option", func(c *Config) { c.URL = "redis://h?colour=red" }, []string{"URL: ", "colour"}},
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
		{"nothing set", func(c *Config) { *c = Config{} }, []string{"URL: ", "Deliver: ", "Members: ", "Ready: "}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := validConfig()
			tt.change(&cfg)
			b, err := New(cfg)
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
		"redis://user:secret@h?colour=red", "ftp://user:secret@h", "redis://user:%zzsecret@h",
	} {
		cfg := validConfig()
		cfg.URL = url
		if _, err := New(cfg); err == nil || strings.Contains(err.Error(), "ret") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestNodeNamesAreRandom(t *testing.T) {
	seen := make(map[string]bool)
	for range 3 {
		b, err := New(validConfig())
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		if len(b.cfg.Node) != 16 || seen[b.cfg.Node] {
			t.Errorf("node name %q", b.cfg.Node)
		}
		seen[b.cfg.Node] = true
	}
}
