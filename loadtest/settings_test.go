// The command's flags and what they lead to.

package loadtest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// TestCommandLine: reports are passed on, so the command in them has no secrets.
func TestCommandLine(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"plain", []string{"loadtest", "room", "--rate", "5", "--open-text={\"a\":1}"}, `barrage loadtest room --rate 5 '--open-text={"a":1}'`},
		{"secrets", []string{"--secret", "S", "--admin-token=S", "--token", "S"}, "barrage --secret ... --admin-token=... --token ..."},
		{"headers", []string{"--header", "A: S", "--publish-header=B:S", "--metrics-header", "S"}, "barrage --header 'A: ...' '--publish-header=B: ...' --metrics-header ..."},
		{"URLs", []string{"--url", "ws://h/?token=S", "--redis=redis://:S@h"}, "barrage --url 'ws://h/?token=…' --redis=redis://:…@h"},
	} {
		if got := commandLine(tt.args); got != tt.want {
			t.Errorf("%s: %s\nwant %s", tt.name, got, tt.want)
		}
	}
}

// TestLoadCredentials: the admin token goes to a Barrage only, and not in place of
// a header that is given.
func TestLoadCredentials(t *testing.T) {
	bearer := []string{"Authorization: Bearer T"}
	env := []string{EnvAdminToken + "=T"}
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(strings.Repeat("s", 32)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name             string
		environ, args    []string
		metrics, publish []string
		err              string
	}{
		{"none", nil, nil, nil, nil, ""},
		{"environment", env, nil, bearer, bearer, ""},
		{"flag", nil, []string{"--admin-token=T", "--preset=barrage.v1"}, bearer, bearer, ""},
		{"own header", env, []string{"--publish-header=authorization: X"}, bearer, []string{"authorization: X"}, ""},
		{"another server", env, []string{"--preset=gorilla"}, nil, nil, ""},
		{"flag for another server", nil, []string{"--admin-token=T", "--preset=gorilla"}, nil, nil, "--admin-token: "},
		{"metrics header", nil, []string{"--metrics-header=A: b"}, []string{"A: b"}, nil, ""},
		{"two kinds of tokens", nil, []string{"--token=x", "--auth-secret-file=" + secret}, nil, nil, "--token: "},
		{"no secret", nil, []string{"--auth-secret-file=" + secret + "x"}, nil, nil, "--auth-secret-file: "},
		{"secret", nil, []string{"--auth-secret-file=" + secret}, nil, nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o, err := loadOptions(t, tt.environ, tt.args)
			if tt.err != "" {
				if err == nil || !strings.HasPrefix(err.Error(), tt.err) {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(o.Headers, tt.metrics) || !slices.Equal(o.Plan.PublishHeaders, tt.publish) {
				t.Errorf("metrics %q, publishing %q", o.Headers, o.Plan.PublishHeaders)
			}
			if got := string(o.Secret); (tt.name == "secret") != (got == strings.Repeat("s", 32)) {
				t.Errorf("secret %q", got)
			}
		})
	}
}

func loadOptions(t *testing.T, environ, args []string) (*Options, error) {
	t.Helper()
	var s Settings
	flags := pflag.NewFlagSet("loadtest", pflag.ContinueOnError)
	s.AddFlags(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return s.Options(flags, "room", args, environ, nil)
}
