package main

// This file gathers the settings from file, environment and flags.

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"
)

const (
	envPrefix  = "BARRAGE_"
	envConfig  = envPrefix + "CONFIG" // names the file, as --config does
	fileSuffix = "_FILE"              // of a variable that names a file with a secret
	configFlag = "config"

	// No key and no Redis channel holds it, so koanf never splits a name.
	noDelimiter = "\x00"
)

// addConfigFlag declares --config.
func addConfigFlag(flags *pflag.FlagSet) {
	flags.String(configFlag, "", "YAML `FILE` with settings, underscores for the flags' dashes (also "+envConfig+")")
}

// loader gathers settings in layers, each beating the ones before.
type loader struct {
	ko       *koanf.Koanf
	sources  map[string]string // key to where its value came from
	problems []error
}

// loadConfig reads all settings and checks them. The error is a usage error with
// one line for each problem.
func loadConfig(flags *pflag.FlagSet, environ []string) (Config, error) {
	l := gather(flags, environ)
	cfg := l.decode()
	l.problems = append(l.problems, cfg.validate(l.sources)...)
	return cfg, l.err()
}

// readConfig reads all settings for a command that only looks up a few: it does
// not ask whether a server could run with them.
func readConfig(flags *pflag.FlagSet, environ []string) (Config, error) {
	l := gather(flags, environ)
	cfg := l.decode()
	return cfg, l.err()
}

func gather(flags *pflag.FlagSet, environ []string) *loader {
	l := &loader{ko: koanf.New(noDelimiter), sources: make(map[string]string)}
	if path := configPath(flags, environ); path != "" {
		l.load(path, path, file.Provider(path), yaml.Parser())
	}
	l.load("environment", "", env.Provider(noDelimiter, env.Opt{
		Prefix:        envPrefix,
		EnvironFunc:   func() []string { return environ },
		TransformFunc: l.fromEnv,
	}), nil)
	l.load("flags", "", posflag.ProviderWithFlag(flags, noDelimiter, nil, l.fromFlag), nil)
	return l
}

func (l *loader) err() error {
	if err := errors.Join(l.problems...); err != nil {
		return exit(exitUsage, err)
	}
	return nil
}

func configPath(flags *pflag.FlagSet, environ []string) string {
	if path := flags.Lookup(configFlag).Value.String(); path != "" {
		return path
	}
	return lookup(environ, envConfig)
}

// lookup returns a variable's value, the last one's if it is there twice; empty
// if it is not.
func lookup(environ []string, name string) (value string) {
	for _, v := range environ {
		if text, ok := strings.CutPrefix(v, name+"="); ok {
			value = text
		}
	}
	return value
}

func (l *loader) problem(format string, args ...any) {
	l.problems = append(l.problems, fmt.Errorf(format, args...))
}

// load adds a layer. A layer's list or map replaces that of the layer below.
// source is where its values come from, if that is one place.
func (l *loader) load(name, source string, p koanf.Provider, parser koanf.Parser) {
	err := l.ko.Load(p, parser, koanf.WithMergeFunc(func(layer, all map[string]any) error {
		for _, key := range slices.Sorted(maps.Keys(layer)) {
			if findSetting(key) == nil {
				l.problem("%s: %s: there is no such setting", name, key)
				continue
			}
			if source != "" {
				l.sources[key] = source
			}
			all[key] = layer[key]
		}
		return nil
	}))
	var path *fs.PathError
	switch {
	case errors.As(err, &path):
		l.problem("%s: %s: %w", configFlag, name, path.Err)
	case err != nil:
		// The YAML parser writes several lines.
		l.problem("%s: %s", name, strings.Join(strings.Fields(err.Error()), " "))
	}
}

// fromEnv gives the setting that a variable sets; "" if it sets none.
func (l *loader) fromEnv(name, value string) (string, any) {
	if name == envConfig || name == envAgentSecret { // neither is a setting of the server
		return "", nil
	}
	for i := range settings {
		s := &settings[i]
		if name == s.env() {
			l.setBy(s, name)
			return s.key, value
		}
		if s.secret && name == s.env()+fileSuffix {
			secret, err := readSecret(value)
			if err != nil {
				l.problem("%s (%s): %w", s.key, name, err)
				return "", nil
			}
			l.setBy(s, name)
			return s.key, secret
		}
	}
	if !serviceLink.MatchString(name + "=" + value) {
		l.problem("%s: there is no such setting", name)
	}
	return "", nil
}

// serviceLink matches the variables that Kubernetes gives all pods near a
// Service called barrage. They are none of ours and nobody mistyped them.
var serviceLink = regexp.MustCompile(`^BARRAGE_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)=|^BARRAGE_PORT=[a-z]+://`)

// setBy notes which variable set s; a secret may not come in both its ways.
func (l *loader) setBy(s *setting, name string) {
	if other := l.sources[s.key]; strings.HasPrefix(other, envPrefix) && other != name {
		l.problem("%s: set by both %s and %s", s.key, other, name)
	}
	l.sources[s.key] = name
}

func (l *loader) fromFlag(f *pflag.Flag) (string, any) {
	for i := range settings {
		if s := &settings[i]; s.flag() == f.Name {
			if f.Changed {
				l.sources[s.key] = "--" + f.Name
			}
			return s.key, f.Value.String()
		}
	}
	return "", nil // --config, --help
}

// readSecret reads a file that holds a secret and perhaps a newline, or several.
func readSecret(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	secret := strings.TrimRight(string(text), "\r\n")
	if len(splitList(secret)) == 0 {
		return "", fmt.Errorf("%s is empty", path)
	}
	return secret, nil
}

// decode fills a Config: the defaults, and over them what was gathered.
func (l *loader) decode() Config {
	cfg := defaultConfig()
	given := l.ko.Raw()
	for i := range settings {
		s := &settings[i]
		value, ok := given[s.key]
		if !ok {
			continue
		}
		field := s.field(&cfg)
		v, err := convert(field.Type(), value)
		if err != nil {
			l.problem("%s (%s): %s %w", s.key, l.sources[s.key], s.show(value), err)
			continue
		}
		field.Set(reflect.ValueOf(v))
	}
	return cfg
}

// show writes a value for a person, unless it is a secret.
func (s *setting) show(v any) string {
	switch text, isText := v.(string); {
	case v == nil:
		return "it"
	case s.secret:
		return "its value (not shown)"
	case isText:
		return fmt.Sprintf("%q", text)
	}
	return format(v)
}

// changed lists the settings that differ from their defaults, for the log.
func (c *Config) changed() []any {
	defaults := defaultConfig()
	var attrs []any
	for i := range settings {
		s := &settings[i]
		value := s.field(c).Interface()
		if reflect.DeepEqual(value, s.field(&defaults).Interface()) {
			continue
		}
		if s.secret {
			attrs = append(attrs, slog.String(s.key, "set"))
			continue
		}
		attrs = append(attrs, slog.String(s.key, format(value)))
	}
	return attrs
}
