package quietlog

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := New(slog.New(slog.NewTextHandler(&out, nil)))
		lines := func() int { return strings.Count(out.String(), "\n") }
		for range 5 {
			l.Warn("one", "n", 1)
			l.Warn("other")
		}
		if lines() != 2 || strings.Contains(out.String(), "suppressed") {
			t.Errorf("written at once: %s", out.String())
		}
		time.Sleep(Every - 1)
		l.Warn("one")
		if lines() != 2 {
			t.Errorf("too soon: %s", out.String())
		}
		time.Sleep(time.Nanosecond)
		l.Warn("one", "n", 2)
		if lines() != 3 || !strings.HasSuffix(out.String(), "n=2 suppressed=5\n") {
			t.Errorf("after a while: %s", out.String())
		}
		time.Sleep(Every)
		l.Warn("one")
		if lines() != 4 || strings.Count(out.String(), "suppressed") != 1 {
			t.Errorf("with nothing left out: %s", out.String())
		}
	})
}
