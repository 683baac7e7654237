package broker

import (
	"strings"
	"testing"
)

func TestCheckAvatar(t *testing.T) {
	t.Parallel()
	for avatar, want := range map[string]string{
		"": "", "https://a.example/b?c=d#e": "", "https://[::1]:8443/a": "", "https://a.example/" + strings.Repeat("x", MaxAvatar-18): "",
		"https://a.example/" + strings.Repeat("x", MaxAvatar-17): "has 1025 bytes",
		"http://a.example/b": "https", "javascript:alert(1)": "https", "data:image/png;base64,AA==": "https", "//a.example/b": "https", "/b": "https", "u": "https",
		"https:///b": "https", "https://ann:secret@a.example/": "https", "https://a.example/\"": "a byte at 18", "https://a.example/é": "a byte at 18", "https://a.example/ b": "a byte at 18",
	} {
		if err := CheckAvatar(avatar); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, want %q", avatar, err, want)
		}
	}
}

func TestCheckName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"": "", "Ann & Ben ❤️": "", strings.Repeat("n", MaxName): "", strings.Repeat("n", MaxName+1): "129 bytes", "a\nb": "control", "\x7f": "control", "\xff": "UTF-8",
	} {
		if err := CheckName(name); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", name, err, want)
		}
	}
}
