// Scenarios, presets and flags, and which goes before which.

package plan

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"barrage/internal/settings"
)

func flags(t *testing.T, args ...string) *pflag.FlagSet {
	t.Helper()
	fs := pflag.NewFlagSet("loadtest", pflag.ContinueOnError)
	AddFlags(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return fs
}

// defaults is what holds where nobody says anything and no preset is known.
func defaults() (p Plan) {
	none, _ := findPreset(presetNone)
	l := table.Layers()
	l.Values(none.more, func(string) string { return "" })
	l.Decode(&p)
	return p
}

func scenarioFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestSettingsAreFields: the table and the struct name the same things.
func TestSettingsAreFields(t *testing.T) {
	var keys, want []string
	for _, s := range rows {
		keys = append(keys, s.Key)
		if s.Help == "" {
			t.Errorf("%s has no help", s.Key)
		}
		if field := s.Field(new(Plan)); field.Type() != reflect.TypeOf(s.Default) {
			t.Errorf("%s: the default is a %T, the field a %v", s.Key, s.Default, field.Type())
		}
	}
	for f := range reflect.TypeFor[Plan]().Fields() {
		key := f.Tag.Get("yaml")
		if json := f.Tag.Get("json"); json != key {
			t.Errorf("%s: yaml %q, json %q", f.Name, key, json)
		}
		want = append(want, key)
	}
	slices.Sort(keys)
	slices.Sort(want)
	if !slices.Equal(keys, want) {
		t.Errorf("settings %q\nfields %q", keys, want)
	}
}

func TestBuiltin(t *testing.T) {
	files, _ := scenarios.ReadDir("scenarios")
	if len(files) != len(builtin) {
		t.Errorf("%d files, %d names", len(files), len(builtin))
	}
	for _, s := range Builtin() {
		if s.About == "" || !strings.HasPrefix(s.YAML, "# "+s.Name+": "+s.About+"\n") {
			t.Errorf("%s: the first line is not \"# %s: what it does\"", s.Name, s.Name)
		}
		p, err := FromFlags(new(pflag.FlagSet), s.Name)
		if err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
		if p.Name != s.Name || p.URLs[0] != "ws://127.0.0.1:8080/ws?room={room}" {
			t.Errorf("%s: named %q, for %q", s.Name, p.Name, p.URLs)
		}
		// Anyone may copy one.
		copied, err := FromFlags(new(pflag.FlagSet), scenarioFile(t, s.YAML))
		copied.Name = s.Name
		if err != nil || !reflect.DeepEqual(copied, p) {
			t.Errorf("%s, copied: %+v, %v", s.Name, copied, err)
		}
	}
}

func TestMerge(t *testing.T) {
	file := scenarioFile(t, `
preset: centrifugo
url: [ws://a:8000, "ws://b:8000/other"]
rate: 20
connections: 5_000
hold: 1m
headers: ["A: 1"]
answers: {ping: pong}
publish_body: '{"channel":"x{room}","data":"{payload}"}'
`)
	p, err := FromFlags(flags(t, "--rate=30", "--header=B: 2, 3", "--header", "C: 4", "--answer", "a=b=c", "--binary"), file)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name      string
		got, want any
	}{
		{"default", p.Size, 64},
		{"default of a method", p.PublishMethod, "POST"},
		{"preset", p.PublishHeaders, []string{"Content-Type: application/json"}},
		{"preset's way", p.Publish, PublishHTTP},
		{"preset's path where there is none", p.URLs, []string{"ws://a:8000/connection/websocket", "ws://b:8000/other"}},
		{"preset's publish URL", p.PublishURL, "http://a:8000/api/publish"},
		{"file over preset", p.PublishBody, `{"channel":"x{room}","data":"{payload}"}`},
		{"file over default", p.Connections, 5000},
		{"file's duration", p.Hold, time.Minute},
		{"flag over file", p.Rate, 30.0},
		{"flag's list replaces", p.Headers, []string{"B: 2, 3", "C: 4"}},
		{"flag's map replaces", p.Answers, map[string]string{"a": "b=c"}},
		{"flag without value", p.Binary, true},
		{"name of the file", p.Name, "mine"},
	} {
		if !reflect.DeepEqual(tt.got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, tt.got, tt.want)
		}
	}
}

func TestPresets(t *testing.T) {
	for _, tt := range []struct {
		preset, url, wantURL, wantPublish string
	}{
		{"barrage", "ws://h:9", "ws://h:9/ws?room={room}", "http://h:8081/v1/rooms/{room}/messages"},
		{"barrage", "ws://[::1]:9", "ws://[::1]:9/ws?room={room}", "http://[::1]:8081/v1/rooms/{room}/messages"},
		{"barrage.v1", "ws://h:9", "ws://h:9/ws?room={room}", "http://h:8081/v1/rooms/{room}/messages"},
		{"barrage", "ws://h/", "ws://h/", "http://h:8081/v1/rooms/{room}/messages"},
		{"barrage", "ws://h?x", "ws://h?x", "http://h:8081/v1/rooms/{room}/messages"},
		{"gorilla", "ws://h:9", "ws://h:9/ws?room={room}", "http://h:9/pub?room={room}"},
		{"nchan", "ws://h", "ws://h/ws?room={room}", "http://h/pub?room={room}"},
		{"centrifugo", "ws://h:9", "ws://h:9/connection/websocket", "http://h:9/api/publish"},
		{"goim", "ws://h:3102", "ws://h:3102/sub", "http://h:3111/goim/push/room?operation=1000&type=live&room={room}"},
	} {
		t.Run(tt.preset+"/"+tt.url, func(t *testing.T) {
			p, err := FromFlags(flags(t, "--preset", tt.preset, "--url", tt.url), "")
			if err != nil {
				t.Fatal(err)
			}
			if p.URLs[0] != tt.wantURL || p.PublishURL != tt.wantPublish {
				t.Errorf("url %s\npublish-url %s", p.URLs[0], p.PublishURL)
			}
		})
	}
	t.Run("publish URL without path", func(t *testing.T) {
		p, err := FromFlags(flags(t, "--publish-url", "http://admin:1"), "")
		if err != nil || p.PublishURL != "http://admin:1/v1/rooms/{room}/messages" {
			t.Errorf("%s, %v", p.PublishURL, err)
		}
	})
	t.Run("none", func(t *testing.T) {
		p, err := FromFlags(flags(t, "--preset=none", "--rate=0"), "")
		if err != nil || p.URLs[0] != "ws://127.0.0.1:8080" || p.PublishURL != "" || p.Publish != PublishNone {
			t.Errorf("%+v, %v", p, err)
		}
	})
	if n := strings.Count(presetsTable(), "\n"); n != len(presets())+3 {
		t.Errorf("the table has %d lines:\n%s", n, presetsTable())
	}
}

func TestBadScenarios(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"unknown key", "rate: 1\nratte: 2", "scenario mine: line 2: ratte: there is no such setting"},
		{"twice", "rate: 1\nrate: 2", "scenario mine: line 2: rate: is set twice"},
		{"no unit", "hold: 10", `scenario mine: line 1: hold: "10" is not a duration, such as 10s or 1m30s`},
		{"no number", "rate: many", `scenario mine: line 1: rate: "many" is not a number`},
		{"infinite", "rate: .inf", `scenario mine: line 1: rate: ".inf" is not a number`},
		{"fraction", "connections: 1.5", `scenario mine: line 1: connections: "1.5" is not a whole number`},
		{"null", "rate:", "scenario mine: line 1: rate: has no value"},
		{"list for one", "rate: [1, 2]", "scenario mine: line 1: rate: has more than one value"},
		{"map for list", "url: {a: b}", "scenario mine: line 1: url: has more than one value"},
		{"list in list", "url: [[a]]", "scenario mine: line 1: url: an element has more than one value"},
		{"text for map", "answers: x", "scenario mine: line 1: answers: is not a map from texts to texts"},
		{"map in map", "answers: {a: {b: c}}", "scenario mine: line 1: answers: a: has more than one value"},
		{"no settings", "- a", `scenario mine: line 1: is not a list of settings, each "key: value"`},
		{"no YAML", "a: b: c", "scenario mine: yaml: mapping values are not allowed in this context"},
		{"preset", "preset: nginx", `--preset: "nginx" is not barrage, barrage.v1, barrage.sse, barrage.tcp, gorilla, nchan, centrifugo, goim or none`},
		{"checked", "size: 20", "--size: 20 is less than 43, the length of a stamp"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := FromFlags(new(pflag.FlagSet), scenarioFile(t, tt.text))
			if err == nil || err.Error() != tt.want {
				t.Errorf("%v\nwant %s", err, tt.want)
			}
		})
	}
	if _, err := FromFlags(new(pflag.FlagSet), "rom"); err == nil || !strings.Contains(err.Error(), `scenario "rom": there is no such file, and the built-in ones are idle, room,`) {
		t.Errorf("no such scenario: %v", err)
	}
	if _, err := FromFlags(new(pflag.FlagSet), scenarioFile(t, "")); err != nil {
		t.Errorf("empty file: %v", err)
	}
}

func TestBadFlags(t *testing.T) {
	for _, tt := range []struct{ arg, want string }{
		{"--rate=x", `"x" is not a number`},
		{"--hold=3", `"3" is not a duration, such as 10s or 1m30s`},
		{"--connections=1e3", `"1e3" is not a whole number`},
		{"--answer=x", `"x" is not a pair RECEIVED=ANSWER`},
		{"--echo=maybe", `"maybe" is not true or false`},
	} {
		fs := pflag.NewFlagSet("loadtest", pflag.ContinueOnError)
		AddFlags(fs)
		if err := fs.Parse([]string{tt.arg}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.arg, err)
		}
	}
}

func TestHelpAndTable(t *testing.T) {
	usage, table := flags(t).FlagUsages(), settingsTable()
	for _, s := range rows {
		if !strings.Contains(table, "`"+s.Key+"`") {
			t.Errorf("the table lacks %s", s.Key)
		}
		if s.Flag != settings.NoFlag && !strings.Contains(usage, "--"+s.FlagName()+" ") {
			t.Errorf("the help lacks --%s", s.FlagName())
		}
	}
	for _, want := range []string{"(default 3s)", "any preset but none (default http)", "--header text ", "--connections int ", "--echo  "} {
		if !strings.Contains(usage, want) {
			t.Errorf("the help lacks %q:\n%s", want, usage)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range Builtin() {
		f.Add(s.YAML)
	}
	f.Add("answers: &a {x: y}\nheaders: [*a]\n<<: *a")
	f.Add("url: !!binary aGVsbG8=\n? [a]\n: b")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parse("fuzz", strings.NewReader(text))
		if err != nil {
			return
		}
		l := table.Layers()
		s.addTo(l)
		var p Plan
		l.Decode(&p) // must fit the fields
		_ = p.Validate()
	})
}
