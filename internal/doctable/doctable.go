// Package doctable holds tables of documents at what the program says. It is for tests.
package doctable

import (
	"os"
	"strings"
	"testing"
)

// Hold wants the document to have these tables, each between lines with the marks
// <!-- NAME --> and <!-- /NAME -->; with update it writes them there.
func Hold(t *testing.T, path string, update bool, tables map[string]string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := string(text)
	for name, table := range tables {
		begin, end := "<!-- "+name+" -->\n", "<!-- /"+name+" -->\n"
		head, rest, ok1 := strings.Cut(want, begin)
		_, tail, ok2 := strings.Cut(rest, end)
		if !ok1 || !ok2 {
			t.Fatalf("%s: the marks around the table of %s are gone", path, name)
		}
		want = head + begin + table + end + tail
	}
	if update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(text) != want {
		t.Errorf("%s differs from the program: run this test (%s) with -update", path, t.Name())
	}
}
