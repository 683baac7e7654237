package main

// What a log shows of names that anybody chose.

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"barrage/internal/config"
)

// TestLogsShowNamesApart: no two texts look the same in a line, whichever letters they
// have, and none turns the line's direction.
func TestLogsShowNamesApart(t *testing.T) {
	names := []string{"lobby", "l\u043ebby", "ｌobby", "\u05d0\u05d1\u05d2", "\u202eybbol", "直播间42", `\u76f4\u64ad\u95f442`, `"\u76f4"`, "🎉", `\ud83c\udf89`, "a\xff", `a\xff`, "lobby\u200d", "lobby\u200c", "lobby\ufe0f", "lobby\ufe0e", `lobby\ufe0e`, "line\nlevel=ERROR", "é", "e\u0301", "a b=c"}
	for _, format := range []string{"text", "json"} {
		seen := make(map[string]string)
		for _, name := range names {
			for what, value := range map[string]any{"text": name, "error": errors.New(name)} {
				var b bytes.Buffer
				newLogger(&config.Config{LogFormat: format, LogLevel: "info"}, &b).Warn("said", "room", value, "behind", 1)
				line := b.String()
				_, shown, _ := strings.Cut(line, "room")
				if strings.ContainsFunc(line, func(r rune) bool { return r > '~' || r < ' ' && r != '\n' }) || strings.Count(line, "\n") != 1 || !strings.Contains(shown, "behind") {
					t.Errorf("%s: %s %q is %q", format, what, name, line)
				}
				if other := seen[shown]; other != "" && other != name {
					t.Errorf("%s: %q and %q are both %q", format, name, other, shown)
				}
				seen[shown] = name
				var back struct{ Room string }
				if format == "json" && name != "a\xff" && (json.Unmarshal([]byte(line), &back) != nil || back.Room != name) {
					t.Errorf("%q comes back as %q", name, back.Room)
				}
			}
		}
		if format == "text" && seen["=lobby behind=1\n"] != "lobby" {
			t.Error("a plain name is not shown plainly")
		}
	}
	var b bytes.Buffer
	newLogger(&config.Config{LogFormat: "text", LogLevel: "info"}, &b).Warn("said of 直播间")
	if !strings.Contains(b.String(), `msg="said of \u76f4\u64ad\u95f4"`) {
		t.Error(b.String())
	}
}
