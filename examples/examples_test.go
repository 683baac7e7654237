package examples

// That every system has an example which runs, and each of its behaviours, and of the faults
// that its authors had, a test that names it.

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// behaviours are what the test of the example that claims a system has to name, each as the
// beginning of a test's name: "S1: anonymous name".
var behaviours = map[string][]string{
	"S1": {
		"any client's message is pushed to all", "passive trigger by timer", "passive trigger by status check",
		"passive trigger by Redis event", "anonymous name", "RECEIVED echo", "current client count",
		"defect: comings and goings at once leave the right count", "defect: dead clients are deleted",
		"defect: a failed send does not end the fan-out", "defect: a slow client blocks nobody",
	},
	"S2": {
		"publish returns the receiver count", "one subscription feeds every client", "reconnect and resubscribe",
		"defect: no connection for each call", "defect: no reconnect",
	},
	"S3": {
		"a message is appended with its date", "onclose alert with the state", "onerror alert", "several rooms",
		"defect: pages of any origin are let in", "defect: no authentication", "defect: no reconnect",
	},
	"S4": {
		"HTTP push into all sockets", "push by GET", "echo", "heartbeat text", "close is re-entrant", "queues are bounded",
		"the heartbeat stops with its connection", "defect: no goroutines and queues for each connection",
		"defect: no message of many is dropped", "defect: no goroutine is left behind", "defect: closing at once from many sides",
	},
	"S7": {
		"open a session", "text and image", "image by upload and URL", "close the session",
		"the whole transcript is pushed to a third party", "defect: frame-size pressure of base64",
	},
	"S11": {
		"the first message is user:password until ok", "then your submit context", "exit closes with a reason",
		"unauthenticated connections have a deadline", "handshake diagnostics", "clear bind-address log",
		"defect: unlimited attempts",
	},
	"S13": {
		"login with nickname, avatar and room", "hereNow", "presence: join with avatar and amount", "presence: leave",
		"history", "publish fails with code and content", "types CHAT and PROP", "selfSent",
		"defect: several windows of a user save no duplicates",
	},
	"S14": {
		"the common key publishes and subscribes", "the subscriber key only subscribes", "region hosts",
		"a channel is any string without spaces, without creation", "REST publish from any language",
		"images by URL or path only", "wss domain whitelist", "keys are made by barrage key create",
	},
	"S15": {"live quotes", "dashboard", "order alerts", "location tracking", "auction", "QR login"},
	"S17": {"the sender receives their own copy, everyone else the message", "defect: a message is encoded once, not for each viewer"},
	"S19": {
		"token in the path", "token in the query", "permessage-deflate is used as negotiated", "cookies may have the token",
		"sub-protocol negotiation",
	},
	"S20": {
		"token to uid", "welcome message", "admin welcome", "all unread are flushed to the admin", "auto receipt", "typing",
		"direct message by target id", "peer-offline notice", "stored delivery on return",
		"a group message has the group's id", "status online or hide", "avatar and sign", "read receipt",
		"defect: unread and offline messages are not lost",
	},
	"S21": {
		"a page asks by POST for its merchant and joins merchantId_<id>",
		"HTTP GET ?merchantId= pushes refresh to that set and replies success", "the same by GET on the port of the pages, with a key", "other merchants are left alone",
		"dead connections are removed", "defect: no descriptor goes stale or is reused for another",
	},
	"S22": {"Redis pub/sub refreshes", "the subscriber survives idle", "there is a health ping", "resubscribe after Redis drops it"},
}

// open are systems that no example shows yet.
var open = []string{"S5", "S6", "S8", "S9", "S10", "S12", "S16", "S18"}

const systems = 22

func TestEverySystem(t *testing.T) {
	claims := claimed(t)
	if all := len(claims) + len(open); all != systems || len(behaviours) != len(claims) {
		t.Errorf("%d systems are claimed, %d have behaviours, %d are open: want %d in all", len(claims), len(behaviours), len(open), systems)
	}
	for _, system := range open {
		if claims[system] != "" {
			t.Errorf("%s is claimed by %s: it is not open any more", system, claims[system])
		}
	}
	for system, example := range claims {
		names := testNames(t, example)
		for _, behaviour := range behaviours[system] {
			if !slices.ContainsFunc(names, func(name string) bool { return tells(name, system, behaviour) }) {
				t.Errorf("no test of %s says %q of %s", example, behaviour, system)
			}
		}
	}
}

// TestEveryExample: each folder is a program with settings and a description, is in the
// table, and is started by its test.
func TestEveryExample(t *testing.T) {
	mains, err := filepath.Glob("*/main.go")
	if err != nil || len(mains) == 0 {
		t.Fatal(mains, err)
	}
	claiming := slices.Collect(maps.Values(claimed(t)))
	for _, main := range mains {
		example := filepath.Dir(main)
		if !slices.Contains(claiming, example) {
			t.Errorf("%s claims no system in README.md", example)
		}
		if lines := strings.Count(read(t, example, "README.md"), "\n"); lines < 15 || lines > 50 {
			t.Errorf("%s/README.md has %d lines", example, lines)
		}
		if !strings.Contains(read(t, "test", example+".test.js"), "Example.start('"+example+"'") {
			t.Errorf("the test of %s does not start it", example)
		}
	}
}

// claimed reads which example shows which system.
func claimed(t *testing.T) map[string]string {
	claims := map[string]string{}
	for _, row := range regexp.MustCompile(`(?m)^\| (S\d+) \| .* \| \[([a-z-]+)\]\(([a-z-]+)\) \|$`).FindAllStringSubmatch(read(t, "README.md"), -1) {
		if row[2] != row[3] || claims[row[1]] != "" {
			t.Errorf("%s names two examples", row[0])
		}
		claims[row[1]] = row[2]
	}
	return claims
}

func testNames(t *testing.T, example string) (names []string) {
	for _, m := range regexp.MustCompile(`test\(('|")(.+?[^\\])('|")[,)]`).FindAllStringSubmatch(read(t, "test", example+".test.js"), -1) {
		names = append(names, strings.ReplaceAll(m[2], `\'`, `'`))
	}
	return names
}

// tells says whether a test is of this behaviour: its name may have several, divided by
// ", and " and then without the system.
func tells(name, system, behaviour string) bool {
	for part := range strings.SplitSeq(name, ", and ") {
		part = strings.TrimPrefix(part, system+": ")
		if strings.HasPrefix(part, behaviour) && strings.HasPrefix(name, system+": ") {
			return true
		}
	}
	return false
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
