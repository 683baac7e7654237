package edge_test

import (
	"maps"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"barrage/edge/conn"
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
