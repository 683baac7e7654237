package main

// This file is the key command: making keys, of which the configuration has only hashes.

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"barrage/edge/auth/keyring"
	"barrage/internal/settings"
	"barrage/internal/textfile"
)

func keyCommand(p *process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Make keys that may be used instead of tokens",
		Args:  cobra.NoArgs,
		RunE: command(func(*cobra.Command, []string) error {
			return exit(exitUsage, errors.New("key: say what to do with one: create"))
		}),
	}
	cmd.AddCommand(keyCreateCommand(p))
	return cmd
}

// newKey is what key create is asked for.
type newKey struct {
	keyring.Entry
	rate          float64
	expires, from string
}

func keyCreateCommand(p *process) *cobra.Command {
	var k newKey
	cmd := &cobra.Command{
		Use:   "create --name NAME --rooms PATTERNS [--publish] [--subscribe] [--serve METHODS]",
		Short: "Make a key",
		Long: "Make a key: print it, this once, on standard output, and its entry of the server's\n" +
			"configuration, which has only its hash, on standard error. With --from the key is not\n" +
			"made but read, from a file or - for standard input: it must be random, and long.",
		Args: cobra.NoArgs,
		RunE: command(func(*cobra.Command, []string) error {
			key, entry, err := k.make(p.stdin)
			if err != nil {
				return exit(exitUsage, fmt.Errorf("key create: %w", err))
			}
			if _, err := fmt.Fprint(p.stderr, entry); err != nil || key == "" {
				return err
			}
			_, err = fmt.Fprintln(p.stdout, key)
			return err
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&k.Name, "name", "", "`NAME` that stands for the key in the configuration, logs and events, required")
	flags.StringSliceVar(&k.Rooms, "rooms", nil, "`PATTERNS` of its rooms, * for any bytes, required to publish or subscribe")
	flags.BoolVar(&k.Publish, "publish", false, "it may publish")
	flags.BoolVar(&k.Subscribe, "subscribe", false, "it may join rooms")
	flags.StringSliceVar(&k.Serve, "serve", nil, "`PATTERNS` of the methods whose requests it may answer")
	flags.BoolVar(&k.Get, "get", false, "it may publish by GET /push")
	flags.StringSliceVar(&k.Origins, "origins", nil, "`ORIGINS` of the pages that it is for; default is all, and programs")
	flags.Float64Var(&k.rate, "rate", keyring.DefaultRate, "`MESSAGES` a second of all who have it, on each node")
	flags.StringVar(&k.expires, "expires", "", "`TIME` at which it ends, such as 2027-01-31 or 2027-01-31T18:00:00Z; default is never")
	flags.StringVar(&k.from, "from", "", "`FILE` with a key that there is already, - for standard input")
	return cmd
}

// make returns the key, "" if it came from elsewhere, and its entry as YAML.
func (k *newKey) make(stdin io.Reader) (key, entry string, err error) {
	if k.expires != "" {
		if k.Expires, err = settings.ParseTime(k.expires); err != nil {
			return "", "", fmt.Errorf("--expires %q is %w", k.expires, err)
		}
		if !k.Expires.After(time.Now()) {
			return "", "", fmt.Errorf("--expires %q is over already", k.expires)
		}
	}
	if k.from == "" {
		key = keyring.Make()
		k.Hash = keyring.Hash(key)
	} else if err := k.read(stdin); err != nil {
		return "", "", fmt.Errorf("--from: %w", err)
	}
	if k.rate != keyring.DefaultRate { // that need not be written
		k.Rate = &k.rate
	}
	if _, err := keyring.New(keyring.Entries{k.Entry}); err != nil {
		return "", "", err
	}
	text, err := yaml.Marshal(map[string]keyring.Entries{"keys": {k.Entry}})
	return key, string(text), err
}

func (k *newKey) read(stdin io.Reader) error {
	read := func(string) ([]byte, error) { return io.ReadAll(io.LimitReader(stdin, 1<<16)) }
	if k.from != "-" {
		read = textfile.Read
	}
	text, err := read(k.from)
	if err != nil {
		return err
	}
	key := strings.TrimRight(strings.TrimPrefix(string(text), textfile.Mark), "\r\n")
	k.Hash = keyring.Hash(key)
	return keyring.Check(key)
}
