package broker_test

import (
	"testing"
	"time"

	"barrage/internal/broker"
)

// matchOracle is what a pattern means, said in the simplest way.
func matchOracle(pattern, name string) bool {
	if pattern == "" {
		return name == ""
	}
	if pattern[0] == '*' {
		return matchOracle(pattern[1:], name) || name != "" && matchOracle(pattern, name[1:])
	}
	return name != "" && name[0] == pattern[0] && matchOracle(pattern[1:], name[1:])
}

var matches = []struct {
	pattern, name string
	want          bool
}{
	{"", "", true},
	{"", "a", false},
	{"*", "", true},
	{"*", "anything:at.all", true},
	{"**", "", true},
	{"**", "ab", true},
	{"a", "a", true},
	{"a", "b", false},
	{"a", "ab", false},
	{"ab", "a", false},
	{"user:*", "user:", true},
	{"user:*", "user:ada", true},
	{"user:*", "users:ada", false},
	{"user:*", "a.user:ada", false},
	{"*:log", "a:log:log", true},
	{"*:log", "a:logs", false},
	{"a*b*c", "aXbYbZc", true},
	{"a*b*c", "aXcYb", false},
	{"*a*", "bab", true},
	{"*aab", "aaaaab", true},
	{"a*a", "a", false},
	{"*.*.*", "1.2", false},
	{"名*", "名前", true},
	{"\xff*", "\xffx", true},
	{"?", "a", false},
	{"[a]", "a", false},
}

func TestMatch(t *testing.T) {
	for _, test := range matches {
		if got := broker.Match(test.pattern, test.name); got != test.want {
			t.Errorf("Match(%q, %q) = %v, want %v", test.pattern, test.name, got, test.want)
		}
	}
}

func FuzzMatch(f *testing.F) {
	for _, test := range matches {
		f.Add(test.pattern, test.name)
	}
	f.Fuzz(func(t *testing.T, pattern, name string) {
		// The oracle's time is exponential.
		pattern, name = pattern[:min(len(pattern), 9)], name[:min(len(name), 18)]
		if got, want := broker.Match(pattern, name), matchOracle(pattern, name); got != want {
			t.Errorf("Match(%q, %q) = %v, want %v", pattern, name, got, want)
		}
	})
}

func TestRules(t *testing.T) {
	own := broker.Rules{
		{Pattern: "quiet:*"},
		{Pattern: "*:log", Retention: broker.Retention{Messages: 7, Age: time.Second}},
		{Pattern: "count:*", Retention: broker.Retention{Messages: 7}},
		{Pattern: "age:*", Retention: broker.Retention{Age: time.Second}},
	}
	for _, test := range []struct {
		name  string
		rules broker.Rules
		room  string
		want  broker.Retention
		on    bool
	}{
		{"default", broker.DefaultRules(), "lobby", broker.Retention{Messages: 100, Age: 10 * time.Minute}, true},
		{"default, of a user", broker.DefaultRules(), "user:ada", broker.Retention{Messages: 1000, Age: 7 * 24 * time.Hour}, true},
		{"the first that matches", own, "quiet:log", broker.Retention{}, false},
		{"the second", own, "loud:log", broker.Retention{Messages: 7, Age: time.Second}, true},
		{"half a bound", own, "count:1", broker.Retention{Messages: 7}, false},
		{"the other half", own, "age:1", broker.Retention{Age: time.Second}, false},
		{"none matches", own, "lobby", broker.Retention{}, false},
		{"no rules", nil, "lobby", broker.Retention{}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.rules.For(test.room); got != test.want || got.On() != test.on {
				t.Errorf("For(%q) = %+v, on: %v; want %+v, %v", test.room, got, got.On(), test.want, test.on)
			}
		})
	}
}
