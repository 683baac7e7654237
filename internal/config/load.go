// Settings from file, environment and flags.

package config

import (
	"cmp"
	"regexp"
	"runtime"

	"github.com/spf13/pflag"

	"barrage/fanout"
	"barrage/internal/settings"
)

// EnvPrefix begins the names of all variables.
const EnvPrefix = "BARRAGE_"

// Variables with the prefix that are no settings of the server.
const (
	envFile        = EnvPrefix + "CONFIG"       // names the file, as --config does
	envAgentSecret = EnvPrefix + "AGENT_SECRET" // loadtest.EnvAgentSecret
)

const fileFlag = "config"

// others matches variables with the prefix that are none of ours, and that nobody
// mistyped: the two above; the version that images put into their environment; and what
// Kubernetes gives to all pods near a Service called barrage or barrage-anything. No
// setting's variable looks like one of those (a test holds that): BARRAGE_X_PORT counts
// only with the URL that Kubernetes gives it.
var others = regexp.MustCompile(`^(` + envFile + `|` + envAgentSecret + `|` + EnvPrefix + `VERSION)=|` +
	`^BARRAGE(_[A-Z0-9_]+)?_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)=|` +
	`^BARRAGE(_[A-Z0-9_]+)?_PORT=(tcp|udp|sctp)://`)

// Table is the settings.
var Table = settings.Table{
	Settings: rows,
	Prefix:   EnvPrefix,
	Others:   others.MatchString,
	Name: func(key, source string) string {
		if source == "" {
			return key
		}
		return key + " (" + source + ")"
	},
}

// AddFlags declares --config and a flag for each setting.
func AddFlags(flags *pflag.FlagSet) {
	AddFileFlag(flags)
	Table.AddFlags(flags)
}

// AddFileFlag declares --config.
func AddFileFlag(flags *pflag.FlagSet) {
	flags.String(fileFlag, "", "YAML `FILE` with settings, underscores for the flags' dashes (also "+envFile+")")
}

// Load reads all settings and checks them. The error has one line for each
// problem.
func Load(flags *pflag.FlagSet, environ []string) (Config, error) {
	l := gather(flags, environ)
	var cfg Config
	l.Decode(&cfg)
	l.Check(&cfg)
	(&validation{l, &cfg}).all()
	return cfg, l.Err()
}

// Read reads all settings for a command that only looks up a few: it does not ask
// whether a server could run with them.
func Read(flags *pflag.FlagSet, environ []string) (Config, error) {
	l := gather(flags, environ)
	var cfg Config
	l.Decode(&cfg)
	return cfg, l.Err()
}

func gather(flags *pflag.FlagSet, environ []string) *settings.Layers {
	l := Table.Layers()
	if path := cmp.Or(flags.Lookup(fileFlag).Value.String(), settings.Lookup(environ, envFile)); path != "" {
		l.File(path)
	}
	l.Environment(environ)
	l.Flags(flags)
	return l
}

// Changed lists the settings that differ from their defaults, for the log.
func (c *Config) Changed() []any { return Table.Changed(c) }

// ShardCount is the number of shards: the setting, or as many as processors.
func (c *Config) ShardCount() int {
	return cmp.Or(c.Shards, min(runtime.GOMAXPROCS(0), fanout.MaxShards))
}
