package main

// This file is the tail command: what is said in a room, as a viewer of a server gets it.

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"barrage/client"
	"barrage/internal/settings"
	"barrage/internal/textfile"
)

// envTailToken is the variable for --token.
const envTailToken = "BARRAGE_TOKEN"

// maxTailHistory is what one join brings at most.
const maxTailHistory = 1000

func tailCommand(p *process) *cobra.Command {
	var address, token, tokenFile, since string
	var history int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "tail ROOM",
		Short: "Print what is said in a room, as a viewer gets it",
		Long: "Print the messages of ROOM, a line each, until the command is stopped. A lost\n" +
			"connection is made again, and what was said meanwhile is printed. What is missing is\n" +
			"told on standard error.",
		Args: cobra.ExactArgs(1),
		RunE: command(func(cmd *cobra.Command, args []string) error {
			o := client.JoinOptions{History: history}
			if history < 0 || history > maxTailHistory {
				return exit(exitUsage, fmt.Errorf("--history: %d, want 0 to %d", history, maxTailHistory))
			}
			if since != "" {
				at, err := client.ParsePosition(since)
				if err != nil {
					return exit(exitUsage, fmt.Errorf("--since: %w", err))
				}
				o.Since = &at
			}
			get := func(context.Context) (string, error) {
				if tokenFile == "" {
					return cmp.Or(token, settings.Lookup(p.environ, envTailToken)), nil
				}
				text, err := textfile.Read(tokenFile) // again each time: it may be a newer one
				return strings.TrimSpace(string(text)), err
			}
			c, err := client.New(address, client.Options{Token: get, OnState: p.tellState})
			if err != nil {
				return exit(exitUsage, fmt.Errorf("--url: %w", err))
			}
			defer c.Close()
			return stoppable(cmd.Context(), func(ctx context.Context) error {
				room, err := c.Join(args[0], o)
				if err != nil {
					return err
				}
				return p.showRoom(ctx, room, asJSON)
			})
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&address, "url", "ws://127.0.0.1:8080/ws", "`URL` of the server")
	flags.StringVar(&token, "token", "", "`TOKEN` or key to be let in with; default is "+envTailToken+" of the environment")
	flags.StringVar(&tokenFile, "token-file", "", "`FILE` that has the token, read again for each connection")
	flags.StringVar(&since, "since", "", "go on behind this position, `EPOCH/OFFSET`")
	flags.IntVar(&history, "history", 0, "begin with the newest `N` messages of before, at most 1000")
	flags.BoolVar(&asJSON, "json", false, "print messages as JSON, with their positions")
	cmd.MarkFlagsMutuallyExclusive("token", "token-file")
	cmd.MarkFlagsMutuallyExclusive("since", "history")
	return cmd
}

// tellState tells that the connection is lost. The client's goroutine is the only one that
// writes so, but for gaps, which are lines of their own.
func (p *process) tellState(s client.State) {
	if !s.Open {
		complain(p.stderr, fmt.Errorf("tail: %w; again in %v", s.Err, s.Wait.Round(time.Millisecond)))
	}
}

// showRoom prints a room until its end, or until the command is stopped.
func (p *process) showRoom(ctx context.Context, room *client.Room, asJSON bool) error {
	for {
		event, err := room.Next(ctx)
		switch {
		case ctx.Err() != nil:
			return nil // that is how it is ended
		case err != nil:
			return fmt.Errorf("tail: room %s: %w", room.Name(), err)
		}
		switch e := event.(type) {
		case client.Gap:
			complain(p.stderr, fmt.Errorf("tail: messages are missing: %s", gapText(&e)))
		case client.Message:
			text := tailText(&e)
			if asJSON {
				line, err := json.Marshal(&e)
				if err != nil {
					return fmt.Errorf("tail: %w", err)
				}
				text = string(line)
			}
			if _, err := fmt.Fprintln(p.stdout, text); err != nil {
				return fmt.Errorf("tail: %w", err)
			}
		}
	}
}

// tailText is a message in one line for people: when, who, what.
func tailText(m *client.Message) string {
	who := "-"
	if s := m.Sender; s != nil {
		who = cmp.Or(s.Name, s.User, s.Conn, who)
	}
	return time.UnixMilli(m.Time).Format("15:04:05.000") + " " + harmless(who) + " " + harmless(m.Text())
}

// harmless is text that does nothing to a terminal, and ends no line.
func harmless(text string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c >= 0x7f && c < 0xa0 {
			return '\ufffd'
		}
		return c
	}, text)
}

func gapText(g *client.Gap) string {
	text := "reason=" + g.Reason
	if g.Epoch != "" {
		text += " epoch=" + g.Epoch
	}
	if g.From > 0 {
		text += fmt.Sprint(" from=", g.From)
	}
	if g.To > 0 {
		text += fmt.Sprint(" to=", g.To)
	}
	if g.Count > 0 {
		text += fmt.Sprint(" count=", g.Count)
	}
	return text
}
