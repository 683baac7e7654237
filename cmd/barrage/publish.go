package main

// This file is the publish command: one message to one room, through the admin
// listener of a running server.

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"barrage/api/client"
	"barrage/internal/config"
	"barrage/internal/settings"
)

func publishCommand(p *process) *cobra.Command {
	var m client.Message
	cmd := &cobra.Command{
		Use:   "publish ROOM TEXT",
		Short: "Send a message to a room through a running server",
		Long: "Send TEXT, or with - all of standard input as it is, to the members of ROOM.\n" +
			"The address and token of the server come from the same settings as serve's;\n" +
			"--token is short for --admin-token.",
		Args: cobra.ExactArgs(2),
		RunE: command(func(cmd *cobra.Command, args []string) error {
			cfg, err := config.Read(cmd.Flags(), p.environ)
			if err != nil {
				return exit(exitUsage, err)
			}
			m.Room, m.Body = args[0], strings.NewReader(args[1])
			if args[1] == "-" {
				m.Body = p.stdin
			}
			c := client.Client{Addr: cfg.Admin, Token: settings.First(cfg.AdminTokens)}
			answer, err := c.Publish(cmd.Context(), m)
			if err != nil {
				return err
			}
			_, err = p.stdout.Write(answer)
			return err
		}),
	}
	flags := cmd.Flags()
	addAdminFlags(flags)
	flags.BoolVar(&m.Binary, "binary", false, "send a binary message; default is text, which must be UTF-8")
	flags.StringVar(&m.Key, "idempotency-key", "", "`KEY` that makes sending the same message again harmless")
	return cmd
}

// addAdminFlags adds the settings by which a command finds a running server. --token is
// short for --admin-token.
func addAdminFlags(flags *pflag.FlagSet) {
	config.AddFileFlag(flags)
	config.Table.AddFlags(flags, "admin", "admin_token")
	flags.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "token" {
			name = "admin-token"
		}
		return pflag.NormalizedName(name)
	})
}
