package main

// This file is the version command: what this binary is.

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"barrage/internal/build"
)

func versionCommand(p *process) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Say which version this is",
		Args:  cobra.NoArgs,
		RunE: command(func(*cobra.Command, []string) error {
			v := build.Read()
			if asJSON {
				return json.NewEncoder(p.stdout).Encode(v)
			}
			_, err := fmt.Fprintf(p.stdout, "barrage %s, commit %s, %s\n", v.Version, v.Commit, v.Go)
			return err
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return cmd
}
