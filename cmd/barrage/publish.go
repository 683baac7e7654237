package main

// This file is the publish command: one message to one room, through the admin
// listener of a running server.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"barrage/internal/config"
)

const (
	publishTimeout = 10 * time.Second
	maxAnswer      = 64 << 10 // bytes of an answer that are read
)

// publication is what the command sends, and where.
type publication struct {
	room, key string
	binary    bool
	body      io.Reader
	admin     string
	token     string
}

func publishCommand(p *process) *cobra.Command {
	var m publication
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
			m.room, m.admin, m.token, m.body = args[0], cfg.Admin, first(cfg.AdminTokens), strings.NewReader(args[1])
			if args[1] == "-" {
				m.body = p.stdin
			}
			return m.send(cmd.Context(), p.stdout)
		}),
	}
	flags := cmd.Flags()
	config.AddFileFlag(flags)
	addPublishFlags(flags)
	flags.BoolVar(&m.binary, "binary", false, "send a binary message; default is text, which must be UTF-8")
	flags.StringVar(&m.key, "idempotency-key", "", "`KEY` that makes sending the same message again harmless")
	return cmd
}

// addPublishFlags declares the two settings that publish needs, and --token as a
// shorter name of one.
func addPublishFlags(flags *pflag.FlagSet) {
	all := pflag.NewFlagSet("", pflag.ContinueOnError)
	config.Table.AddFlags(all)
	for _, key := range []string{"admin", "admin_token"} {
		flags.AddFlag(all.Lookup(config.Table.Find(key).FlagName()))
	}
	flags.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "token" {
			name = "admin-token"
		}
		return pflag.NormalizedName(name)
	})
}

// send posts the message and writes the server's answer to out.
func (m *publication) send(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	target := "http://" + dialable(m.admin) + "/v1/rooms/" + url.PathEscape(m.room) + "/messages"
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, m.body)
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	r.Header.Set("Content-Type", "text/plain; charset=utf-8")
	if m.binary {
		r.Header.Set("Content-Type", "application/octet-stream")
	}
	if m.key != "" {
		r.Header.Set("Idempotency-Key", m.key)
	}
	if m.token != "" {
		r.Header.Set("Authorization", "Bearer "+m.token)
	}
	// No proxy: the admin listener is near, and the token is for it alone.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err != nil {
		return m.explain(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("publish: reading the answer of %s: %w", m.admin, err)
	}
	if answer.StatusCode != http.StatusOK {
		return m.refused(answer.StatusCode, body)
	}
	_, err = out.Write(body)
	return err
}

// explain says what to do about a server that cannot be reached.
func (m *publication) explain(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // without the URL, which the message names better
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("publish: nothing listens on %s: start \"barrage serve\", or name its admin address with --admin", m.admin)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("publish: %s did not answer within %v", m.admin, publishTimeout)
	}
	return fmt.Errorf("publish: %s: %w", m.admin, err)
}

// refused reports an answer other than 200.
func (m *publication) refused(status int, body []byte) error {
	var answer struct {
		Error struct{ Code, Message string }
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Error.Code == "" {
		return fmt.Errorf("publish: %s answered %d, not as a Barrage admin listener does: is --admin right?", m.admin, status)
	}
	if status == http.StatusUnauthorized {
		return fmt.Errorf("publish: %s wants its token: give --token or BARRAGE_ADMIN_TOKEN (%d %s)", m.admin, status, answer.Error.Code)
	}
	return fmt.Errorf("publish: %d %s: %s", status, answer.Error.Code, answer.Error.Message)
}

// dialable is an address to reach a server that listens on addr from its own
// machine.
func dialable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	switch ip := net.ParseIP(host); {
	case host == "", ip != nil && ip.IsUnspecified() && ip.To4() != nil:
		host = "127.0.0.1"
	case ip != nil && ip.IsUnspecified():
		host = "::1"
	}
	return net.JoinHostPort(host, port)
}
