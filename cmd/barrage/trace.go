package main

// This file is the trace command: what single connections do, as it happens, through the
// admin listener of a running server.

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"barrage/api/client"
	"barrage/edge/trace"
	"barrage/internal/config"
	"barrage/internal/settings"
)

// maxLine is more than a line of a trace ever has.
const maxLine = 1 << 20

func traceCommand(p *process) *cobra.Command {
	var user, conn, address, bytes string
	var limit time.Duration
	var payloads, asJSON bool
	cmd := &cobra.Command{
		Use:   "trace --user=ID | --conn=NAME | --ip=ADDRESS",
		Short: "Show what single connections do, through a running server",
		Long: "Show, line by line as it happens, what connections do on all nodes: how they are let\n" +
			"in, what they ask for, what they are given, what they miss and why they end. Tokens,\n" +
			"keys, cookies and queries are never shown, and payloads only with --payloads.\n" +
			"The address and token of the server come from the same settings as serve's;\n" +
			"--token is short for --admin-token.",
		Args: cobra.NoArgs,
		RunE: command(func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.Read(cmd.Flags(), p.environ)
			if err != nil {
				return exit(exitUsage, err)
			}
			query := url.Values{"payloads": {strconv.FormatBool(payloads)}}
			for name, value := range map[string]string{"user": user, "conn": conn, "address": address, "bytes": bytes} {
				if value != "" {
					query.Set(name, value)
				}
			}
			if limit != 0 {
				query.Set("for", limit.String())
			}
			c := client.Client{Addr: cfg.Admin, Token: settings.First(cfg.AdminTokens)}
			return stoppable(cmd.Context(), func(ctx context.Context) error {
				lines, err := c.Trace(ctx, query)
				if err != nil {
					return err
				}
				defer lines.Close()
				return showTrace(ctx, p.stdout, lines, asJSON)
			})
		}),
	}
	flags := cmd.Flags()
	addAdminFlags(flags)
	flags.StringVar(&user, "user", "", "`ID` of the user whose connections are meant")
	flags.StringVar(&conn, "conn", "", "`NAME` of the connection, as the list of connections and messages' senders have it")
	flags.StringVar(&address, "ip", "", "`ADDRESS` or network that the connections come from")
	flags.DurationVar(&limit, "for", 0, "`TIME` to go on for; default is 1m, the most 15m")
	flags.StringVar(&bytes, "bytes", "", "`BYTES` of lines to end after; default is 8388608")
	flags.BoolVar(&payloads, "payloads", false, "show what messages say, too")
	flags.BoolVar(&asJSON, "json", false, "show lines as the API gives them, in JSON")
	cmd.MarkFlagsOneRequired("user", "conn", "ip")
	cmd.MarkFlagsMutuallyExclusive("user", "conn", "ip")
	return cmd
}

// showTrace writes lines until their end, or until the command is stopped.
func showTrace(ctx context.Context, to io.Writer, from io.Reader, asJSON bool) error {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, maxLine)
	last := ""
	for lines.Scan() {
		var l trace.Line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return fmt.Errorf("trace: the server said %.100q: %w", lines.Bytes(), err)
		}
		text := lines.Text()
		if !asJSON {
			text = traceText(&l)
		}
		if _, err := fmt.Fprintln(to, text); err != nil {
			return err
		}
		last = l.Event
	}
	switch {
	case ctx.Err() != nil:
		return nil // that is how it is ended
	case lines.Err() != nil:
		return fmt.Errorf("trace: %w", lines.Err())
	case last != "end":
		return errors.New("trace: the server has ended it: it is stopping, or the lines were not read in time")
	}
	return nil
}

// traceText is a line for people: when and which connection, what, and the rest by name.
func traceText(l *trace.Line) string {
	who := l.Conn
	if who == "" {
		who = l.Node
	}
	text := time.UnixMilli(l.Time).Format("15:04:05.000") + " " + who + " " + l.Event
	add := func(name, value string) {
		if value != "" {
			text += " " + name + shown(value)
		}
	}
	count := func(name string, n uint64) {
		if n != 0 {
			add(name, strconv.FormatUint(n, 10))
		}
	}
	add("", l.What)
	add("protocol=", l.Protocol)
	add("device=", l.Device)
	add("user=", l.User)
	add("key=", l.Key)
	add("address=", l.Address)
	for _, room := range l.Rooms {
		add("room=", room)
	}
	add("room=", l.Room)
	add("kind=", l.Kind)
	count("id=", l.ID)
	count("bytes=", uint64(l.Bytes))
	count("count=", l.Count)
	count("connections=", uint64(l.Connections))
	count("status=", uint64(l.Status))
	count("code=", uint64(l.Code))
	add("error=", l.Error)
	add("reason=", l.Reason)
	if l.Payload != nil {
		text += " " + strconv.Quote(*l.Payload)
	}
	if l.Cut {
		text += "…"
	}
	return text
}

// shown is a text as a terminal may have it: quoted, if it has blanks or what does not show.
func shown(text string) string {
	if quoted := strconv.Quote(text); quoted != `"`+text+`"` || strings.ContainsAny(text, " =") {
		return quoted
	}
	return text
}
