package textfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	for text, want := range map[string]string{"": "", "a": "a", "\ufeffa\n": "a\n", "\ufeff\ufeffa": "\ufeffa", "a\ufeff": "a\ufeff", "\xff\xfea\x00": "", "\xfe\xff\x00a": ""} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := Read(path)
		utf16 := want == "" && text != ""
		if p, ok := errors.AsType[*fs.PathError](err); ok != utf16 || ok && p.Err != errUTF16 || !ok && string(got) != want {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	if _, err := Read(path + ".no"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
