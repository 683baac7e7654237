package edge_test

import (
	"maps"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"barrage/edge"
	"barrage/edge/conn"
	"barrage/edge/edgetest"
	"barrage/frame"
)

// TestCloseCodesDocument: docs/protocol.md has the codes that are sent, with the word
// on coming back that goes with the push bye.
func TestCloseCodesDocument(t *testing.T) {
	want := make(map[uint16]bool)
	for _, code := range []uint16{
		frame.CloseGoingAway, frame.CloseProtocol, frame.CloseInvalidPayload, frame.ClosePolicy, frame.CloseTooBig, conn.CodeTryAgain,
		conn.CodeTokenExpired, conn.CodeDismissed, conn.CodeSlow, conn.CodeKicked, conn.CodeNoAuth,
		conn.CodeTokenRefused, conn.CodeRoomRefused,
	} {
		want[code] = conn.MayReconnect(code)
	}
	doc, err := os.ReadFile("../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[uint16]bool)
	for _, row := range regexp.MustCompile(`(?m)^\| ([0-9][0-9, ]*) \|[^|]*\| (yes|no)\b`).FindAllStringSubmatch(string(doc), -1) {
		for code := range strings.SplitSeq(row[1], ", ") {
			n, err := strconv.ParseUint(code, 10, 16)
			if err != nil {
				t.Fatal(err)
			}
			got[uint16(n)] = row[2] == "yes"
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("documented %v, sent %v", got, want)
	}
}

// TestClosedCounts: a connection that ended is one that was open. What is refused by HTTP,
// or in words that a page can read, had none, for whatever it is refused.
func TestClosedCounts(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) { withTokens(t, c); c.AllowedOrigins = []string{"*"} })
	page := "Origin: http://page.example\r\n"
	for target, code := range map[string]int{"/ws?room=a": 401, "/ws?room=a&token=x": 401, "/ws?room=": 400, "/ws?room=b&token=" + tokenFor(t, "ann", "a"): 403} {
		if _, resp := edgetest.Shake(t, s, edgetest.UpgradeRequest(target)); resp.StatusCode != code {
			t.Errorf("%s: status %d, want %d", target, resp.StatusCode, code)
		}
	}
	told, resp := edgetest.Shake(t, s, edgetest.UpgradeRequest("/ws?room=a&token=x", page, "Sec-WebSocket-Protocol: barrage.v1\r\n"))
	if resp.StatusCode != 101 {
		t.Fatalf("a page: status %d", resp.StatusCode)
	}
	if _, err := told.Next(); err != nil { // bye
		t.Fatal(err)
	}
	told.WantClose(conn.CodeTokenRefused)
	edgetest.WaitFor(t, "all to be gone", func() bool { return s.Stats().ClosedEarly["refused"] == 5 })
	_ = edgetest.Join(t, s, "/ws?room=a&token="+tokenFor(t, "ann", "a")).Conn.Close()
	edgetest.WaitFor(t, "a connection to end", func() bool {
		sum := uint64(0)
		for _, n := range s.Stats().Closed {
			sum += n
		}
		return sum == 1
	})
	if st := s.Stats(); st.Closed["refused"] != 0 || st.ClosedEarly["refused"] != 5 {
		t.Errorf("connections %v, sockets %v", st.Closed, st.ClosedEarly)
	}
}
