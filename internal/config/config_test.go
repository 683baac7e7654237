package config

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"barrage/edge/proxy"
	"barrage/internal/settings"
)

// load is Load of a YAML text, an environment, a line each, and flags.
func load(t *testing.T, file, environ string, args ...string) (Config, error) {
	t.Helper()
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	AddFlags(flags)
	if file != "" {
		args = append(args, "--config", writeFile(t, "config.yaml", file))
	}
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return Load(flags, strings.Fields(environ))
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// Flags beat the environment, which beats the file, which beats the defaults.
func TestPrecedence(t *testing.T) {
	tests := []struct {
		key                           string
		file, env, flag               string // as written there
		inDefault, inFile, inEnv, inF any
	}{
		{"listen", "127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3", "127.0.0.1:8080", "127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"},
		{"shards", "1", "2", "3", 0, 1, 2, 3},
		{"publish_rate", "1.5", "2", "3e2", 10.0, 1.5, 2.0, 300.0},
		{"echo", "true", "false", "true", false, true, false, true},
		{"pprof", "false", "true", "0", true, false, true, false},
		{"ping_interval", "1s", "2m", "1h", 50 * time.Second, time.Second, 2 * time.Minute, time.Hour},
		{"max_message_bytes", "70000", "64kib", "1MB", 64 * settings.KiB, settings.Bytes(70000), 64 * settings.KiB, settings.Bytes(1000000)},
		{"slow_policy", "close", "skip", "close", "skip", "close", "skip", "close"},
		{"allowed_origins", "[a.example, b.example]", "c.example,d.example", "e.example", []string(nil),
			[]string{"a.example", "b.example"}, []string{"c.example", "d.example"}, []string{"e.example"}},
		{"redis_channels", "{a.b/c: r1, x: r2}", "x=r3", "y=z=r4", map[string]string(nil),
			map[string]string{"a.b/c": "r1", "x": "r2"}, map[string]string{"x": "r3"}, map[string]string{"y=z": "r4"}},
	}
	for _, tt := range tests {
		s := Table.Find(tt.key)
		file, env, flag := tt.key+": "+tt.file, Table.Variable(s)+"="+tt.env, "--"+s.FlagName()+"="+tt.flag
		for _, layer := range []struct {
			name, file, env string
			flags           []string
			want            any
		}{
			{"default", "", "", nil, tt.inDefault},
			{"file", file, "", nil, tt.inFile},
			{"env", "", env, nil, tt.inEnv},
			{"env over file", file, env, nil, tt.inEnv},
			{"flag", "", "", []string{flag}, tt.inF},
			{"flag over file", file, "", []string{flag}, tt.inF},
			{"flag over env over file", file, env, []string{flag}, tt.inF},
		} {
			t.Run(tt.key+"/"+layer.name, func(t *testing.T) {
				cfg, err := load(t, layer.file, layer.env, layer.flags...)
				if err != nil {
					t.Fatal(err)
				}
				if got := s.Field(&cfg).Interface(); !reflect.DeepEqual(got, layer.want) {
					t.Errorf("%#v, want %#v", got, layer.want)
				}
			})
		}
	}
}

func TestFlagForms(t *testing.T) {
	cfg, err := load(t, "", "", "--echo", "--allowed-origins", "a.example", "--allowed-origins", "b.example, c.example", "--drain-window", "0")
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"a.example", "b.example", "c.example"}; !reflect.DeepEqual(cfg.AllowedOrigins, want) || !cfg.Echo || cfg.DrainWindow != 0 {
		t.Errorf("%+v", cfg)
	}
}

// Every value out of bounds or of the wrong form gives an error that names
// its setting and nothing secret.
func TestBadValuesNameTheirSetting(t *testing.T) {
	tests := []struct{ key, value, holds string }{
		{"listen", "nope", "host:port"},
		{"listen", "127.0.0.1:99999", "65535"},
		{"listen", "example.com:80", "IP address"},
		{"listen_tcp", "8090", "host:port"},
		{"listen_tcp", "example.com:80", "IP address"},
		{"listen_tcp", "127.0.0.1:8080", "address of listen or admin"},
		{"listen_tcp", "unix:barrage.sock", "must begin with /"},
		{"listen_tcp", "unix:/" + strings.Repeat("x", 107), "at most 107 bytes"},
		{"listen_tcp", ":1,:2,:3,:4,:5", "at most 4"},
		{"listen_tcp", ":1,unix:/s,unix:/s", "twice"},
		{"tcp_framing", "frames", "lines or length"},
		{"tcp_socket_mode", "rw", "octal"},
		{"tcp_socket_mode", "0999", "octal"},
		{"tcp_socket_mode", "1777", "0777"},
		{"admin", "8081", "host:port"},
		{"admin", "127.0.0.1:8080", "address of listen"},
		{"admin_token", "two words", "spaces"},
		{"admin_token", "fine,two words", "spaces"},
		{"admin_token", "a,b,c,d,e", "at most 4"},
		{"admin_token", "hunter2," + strings.Repeat("x", 5000), "4096"},
		{"auth_secret", strings.Repeat("x", 32) + ",hunter2", "Secrets[1] has 7 bytes"},
		{"auth_secret", ",", "between its commas"},
		{"pprof", "maybe", "true or false"},
		{"redis", "http://user:hunter2@host", "not shown"},
		{"redis", "redis://user:hunter2@host:port", "not shown"},
		{"redis_prefix", "", "empty"},
		{"redis_prefix", "barrage:msg:", "clash"},
		{"redis_prefix", "b", "clash"},
		{"redis_prefix", strings.Repeat("x", 5000), "4096"},
		{"redis_channels", "alerts", "no ="},
		{"redis_channels", "a=r,a=s", "twice"},
		{"redis_channels", "a=b*d", "room"},
		{"redis_channels", "room:x=lobby", "redis_prefix"},
		{"redis_outage", "panic", "local or refuse"},
		{"default_room", "a*b", "room"},
		{"allowed_origins", "https://a.example/path", "without a path"},
		{"auth_cookie", "a b", "no name"},
		{"ws_paths", "/chat/{user}", "{room} or {token}"},
		{"ws_paths", "/chat/{room},/chat/{token}", "may be of both"},
		{"allowed_origins", "https://a.*.example", "a star may stand for"},
		{"allowed_origins", "http://a:b:c", "no host"},
		{"trusted_proxies", "proxy.example", "neither an IP address"},
		{"trusted_proxies", "127.0.0.1,0.0.0.0/0", "trust everybody"},
		{"proxy_protocol", "true", "needs trusted_proxies"},
		{"client_address_header", "X-Client", "none or X-Forwarded-For"},
		{"client_address_header", "Forwarded", "needs trusted_proxies"},
		{"slow_policy", "drop", "skip or close"},
		{"log_level", "loud", "debug or info"},
		{"log_format", "xml", "auto or text"},
		{"log_bytes", "2MiB", "room_log_bytes"},
		{"room_log_bytes", "64KiB", "max_message_bytes"},
		{"max_publish_bytes", "65KiB", "max_message_bytes"},
		{"publish_rate", "NaN", "not a number"},
		{"publish_rate", "Inf", "not a number"},
		{"max_connections", "1e3", "whole number"},
		{"max_connections", "99999999999999999999", "whole number"},
		{"max_message_bytes", "4MX", "not a size"},
		{"max_message_bytes", "9223372036854775807KiB", "not a size"},
		{"ping_interval", "10", "not a duration"},
	}
	for i := range Table.Settings { // both sides of every bound
		if s := &Table.Settings[i]; s.Min != nil {
			for _, value := range outside(s) {
				tests = append(tests, struct{ key, value, holds string }{s.Key, value, s.Bounds()})
			}
		}
	}
	for _, tt := range tests {
		t.Run(tt.key+"="+tt.value[:min(len(tt.value), 30)], func(t *testing.T) {
			_, err := load(t, "", "", "--"+Table.Find(tt.key).FlagName()+"="+tt.value)
			if err == nil {
				t.Fatal("no error")
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Fatalf("a secret in %v", err)
			}
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if strings.HasPrefix(line, tt.key) && strings.Contains(line, tt.holds) {
					return
				}
			}
			t.Errorf("error %v, want a line of %s holding %q", err, tt.key, tt.holds)
		})
	}
}

// TestOverlap: a second listener finds its address in use if the first has all of them,
// as the kernel says.
func TestOverlap(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"127.0.0.1:80", "127.0.0.1:80", true},
		{"127.0.0.1:80", "127.0.0.1:080", true},
		{"127.0.0.1:80", "127.0.0.1:81", false},
		{"127.0.0.1:0", "127.0.0.1:0", false},
		{":0", "127.0.0.1:0", false},
		{"127.0.0.1:80", "127.0.0.2:80", false},
		{"localhost:80", "127.0.0.1:80", true},
		{"[::ffff:127.0.0.1]:80", "127.0.0.1:80", true},
		{"0.0.0.0:80", "127.0.0.1:80", true},
		{"0.0.0.0:80", "[::1]:80", false},
		{":80", "127.0.0.1:80", true},
		{":80", "[::1]:80", true},
		{":80", "0.0.0.0:80", true},
		{"[::]:80", "127.0.0.1:80", true},
		{"[::]:80", "[::1]:80", true},
		{"[::1]:80", "127.0.0.1:80", false},
		{"nope", "127.0.0.1:80", false},
		{"example.com:80", ":80", false},
	} {
		if overlap(tt.a, tt.b) != tt.want || overlap(tt.b, tt.a) != tt.want {
			t.Errorf("%s and %s: not %v both ways", tt.a, tt.b, tt.want)
		}
	}
}

// TestNamesAreNormal: an editor may write é as two characters.
func TestNamesAreNormal(t *testing.T) {
	cfg, err := load(t, "default_room: e\u0301\nredis_channels: {e\u0301: e\u0301}\nevent_rooms: [e\u0301*]\nhistory: ['e\u0301=1/1s']\n", "")
	if err != nil {
		t.Fatal(err)
	}
	rules, err := cfg.HistoryRules()
	if err != nil || rules[0].Pattern != "\u00e9" || cfg.DefaultRoom != "\u00e9" || cfg.EventRooms[0] != "\u00e9*" || cfg.RedisChannels["e\u0301"] != "\u00e9" {
		t.Errorf("%q %q %q %q %v", rules[0].Pattern, cfg.DefaultRoom, cfg.EventRooms, cfg.RedisChannels, err)
	}
}

// TestProxies: what is set is what the server is given, and a limit that could not hold is
// refused.
func TestProxies(t *testing.T) {
	for _, tt := range []struct {
		file string
		want proxy.Config
		err  string
	}{
		{"max_connections_per_ip: 5", proxy.Config{}, ""},
		{"trusted_proxies: [127.0.0.1, 10.1.0.0/8]", proxy.Config{Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("10.0.0.0/8")}}, ""},
		{"{trusted_proxies: '::1', proxy_protocol: true, max_connections_per_ip: 5}", proxy.Config{Trusted: []netip.Prefix{netip.MustParsePrefix("::1/128")}, Protocol: true}, ""},
		{"{trusted_proxies: '::1', client_address_header: X-Real-IP, max_connections_per_ip: 5}", proxy.Config{Trusted: []netip.Prefix{netip.MustParsePrefix("::1/128")}, Header: proxy.XRealIP}, ""},
		{"{trusted_proxies: '::1', max_connections_per_ip: 5}", proxy.Config{}, "max_connections_per_ip cannot hold"},
	} {
		cfg, err := load(t, tt.file, "")
		if tt.err != "" {
			if err == nil || !strings.HasPrefix(err.Error(), "trusted_proxies") || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s: error %v, want one of trusted_proxies with %q", tt.file, err, tt.err)
			}
			continue
		}
		got, proxiesErr := cfg.Proxies()
		if err != nil || proxiesErr != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, %v, %v, want %+v", tt.file, got, err, proxiesErr, tt.want)
		}
	}
}

// outside gives values just outside the bounds of s.
func outside(s *settings.Setting) []string {
	switch lo := s.Min.(type) {
	case int:
		return []string{fmt.Sprint(lo - 1 - len(s.Zero)), fmt.Sprint(s.Max.(int) + 1)}
	case float64:
		return []string{settings.Format(lo / 2), settings.Format(s.Max.(float64) * 2), "-1"}
	case time.Duration:
		return []string{(lo - 1).String(), (s.Max.(time.Duration) + 1).String(), "-10s"}
	case settings.Bytes:
		return []string{fmt.Sprint(int64(lo) - 1 - int64(len(s.Zero))), fmt.Sprint(int64(s.Max.(settings.Bytes)) + 1)}
	}
	return nil
}

func TestZeroWhereItMeansSomething(t *testing.T) {
	for i := range Table.Settings {
		s := &Table.Settings[i]
		if s.Min == nil {
			continue
		}
		_, err := load(t, "", "", "--"+s.FlagName()+"=0")
		if (err == nil) != (s.Zero != "") {
			t.Errorf("%s: 0 means %q, and gives %v", s.Key, s.Zero, err)
		}
	}
}

// What Kubernetes gives to every pod of a namespace for a Service of any name there is
// ours; misspellings of settings are refused beside it.
func TestKubernetesServiceLinks(t *testing.T) {
	links := func(name string) (list []string) {
		for variable, value := range map[string]string{
			"SERVICE_HOST": "10.96.0.7", "SERVICE_PORT": "8080", "SERVICE_PORT_WS_ADMIN": "8080", "PORT": "tcp://10.96.0.7:8080",
			"PORT_8080_TCP": "tcp://10.96.0.7:8080", "PORT_8080_TCP_PROTO": "tcp", "PORT_8080_TCP_PORT": "8080", "PORT_8080_TCP_ADDR": "10.96.0.7",
			"PORT_53_UDP": "udp://10.96.0.7:53", "PORT_36412_SCTP_ADDR": "10.96.0.7",
		} {
			list = append(list, name+"_"+variable+"="+value)
		}
		return list
	}
	for _, service := range []string{"BARRAGE", "BARRAGE_ADMIN", "BARRAGE_REDIS_MASTER", "BARRAGE_CONFIG", "BARRAGE_2"} {
		for _, v := range links(service) {
			if _, err := load(t, "", v); err != nil {
				t.Errorf("%s: %v", v, err)
			}
		}
	}
	if _, err := load(t, "", "BARRAGE_VERSION=1.2"); err != nil {
		t.Error(err) // images have it in their environment
	}
	for i := range Table.Settings {
		for _, v := range []string{"=1", "=tcp://10.96.0.7:1", settings.FileSuffix + "=1"} {
			if v = Table.Variable(&Table.Settings[i]) + v; Table.Others(v) {
				t.Errorf("%s is taken for one of Kubernetes'", v)
			}
		}
	}
}

func TestUnknownKeys(t *testing.T) {
	tests := []struct {
		name, file, env, naming string
	}{
		{"file", "lisen: 127.0.0.1:1", "", "lisen"},
		{"file, dashes", "ping-interval: 1s", "", "ping-interval"},
		{"file, capitals", "Listen: 127.0.0.1:1", "", "Listen"},
		{"file, nested", "server:\n  listen: x", "", "server"},
		{"env", "", "BARRAGE_LISEN=x", "BARRAGE_LISEN"},
		{"env, lower case", "", "BARRAGE_listen=x", "BARRAGE_listen"},
		{"env, empty name", "", "BARRAGE_=x", "BARRAGE_"},
		{"env, not Kubernetes' port", "", "BARRAGE_PORT=9000", "BARRAGE_PORT"},
		{"env, not Kubernetes' port of a setting", "", "BARRAGE_ADMIN_PORT=8081", "BARRAGE_ADMIN_PORT"},
		{"env, nearly Kubernetes' host", "", "BARRAGE_REDIS_SERVICE_HOSTS=10.0.0.1", "BARRAGE_REDIS_SERVICE_HOSTS"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, tt.file, tt.env)
			if err == nil || !strings.Contains(err.Error(), tt.naming+": there is no such setting") {
				t.Errorf("error %v, want one naming %s", err, tt.naming)
			}
		})
	}
	if _, err := load(t, "", "BARRAGEX=1 OTHER=2"); err != nil {
		t.Errorf("variables of others: %v", err)
	}
}

func TestBadFiles(t *testing.T) {
	tests := []struct{ name, file, holds string }{
		{"not YAML", "a: [", "yaml"},
		{"not a map", "- a", "yaml: this is no map from settings to values"},
		{"a text", "listen", "yaml: this is no map from settings to values"},
		{"a second document", "echo: true\n---\nshards: 3\n", "second document"},
		{"an empty one before it", "---\n# nothing\n---\nshards: 3\n", "second document"},
		{"a second one that is no YAML", "echo: true\n---\na: [", "yaml"},
		{"key twice", "echo: true\necho: false", "already defined"},
		{"no value", "listen:", "listen"},
		{"number for a text", "listen: 8080", "listen"},
		{"text for a list", "allowed_origins: {a: b}", "allowed_origins"},
		{"numbers in a list", "allowed_origins: [1]", "allowed_origins"},
		{"numbers in a map", "redis_channels: {a: 1}", "redis_channels"},
		{"empty secret in a list", "admin_token: [a, '']", "admin_token"},
		{"secret is missing", "{webhook_url: 'http://h/', request_routes: {a: 'http://h/'}}", "webhook_secret: is needed by webhook_url, request_routes: there are 0, want 1 to 4"},
		{"short secret in a list", "{webhook_url: 'http://h/', webhook_secret: [0123456789abcdef, short]}", "number 2 has 5 bytes"},
		{"too many secrets", "{request_routes: {a: 'http://h/'}, webhook_secret: [" + strings.Repeat("0123456789abcdef, ", 4) + "0123456789abcdef]}", "there are 5, want 1 to 4"},
		{"hooks without a secret", "join_hooks: {'*': 'http://h/'}", "needed by join_hooks: there are 0, want 1 to 4"},
		{"one pattern twice", "{join_hooks: {\"e\u0301*\": 'http://h/', \"\u00e9*\": 'http://h/'}, webhook_secret: 0123456789abcdef}", "is the same as"},
		{"list for a map", "redis_channels: [a]", "redis_channels"},
		{"fraction for a whole number", "shards: 1.5", "shards"},
		{"number for a bool", "echo: 1", "echo"},
		{"map for a number", "shards: {a: 1}", "shards"},
		{"number for a duration", "ping_interval: 10", "ping_interval"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, tt.file, "")
			if err == nil || !strings.Contains(err.Error(), tt.holds) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want one line holding %q", err, tt.holds)
			}
		})
	}
	for _, file := range []string{"# nothing\n", "---\necho: true\n...\n", "echo: true\n---\n", "\ufeffecho: true\n"} {
		if _, err := load(t, file, ""); err != nil {
			t.Errorf("%q: %v", file, err)
		}
	}
	if _, err := load(t, "", "BARRAGE_CONFIG=/no/such/file"); err == nil || !strings.HasPrefix(err.Error(), "config: /no/such/file: ") {
		t.Errorf("missing file: %v", err)
	}
	if _, err := load(t, "", "BARRAGE_CONFIG="+writeFile(t, "a%d.yaml", "shards: x")); err == nil || !strings.Contains(err.Error(), `a%d.yaml): "x" is not a whole number`) {
		t.Errorf("a per cent sign in the file's name: %v", err)
	}
	path := writeFile(t, "other.yaml", "shards: 7")
	if cfg, err := load(t, "", "BARRAGE_CONFIG="+path); err != nil || cfg.Shards != 7 {
		t.Errorf("BARRAGE_CONFIG: %d shards, %v", cfg.Shards, err)
	}
	if cfg, err := load(t, "# nothing\n", ""); err != nil || len(cfg.Changed()) > 0 {
		t.Errorf("empty file: %+v, %v", cfg, err)
	}
}
