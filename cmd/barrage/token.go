package main

// This file is the token command: making tokens for viewers, and telling what is
// wrong with one.

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"barrage/edge/auth/token"
)

func tokenCommand(p *process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make or check the tokens of connections",
		Args:  cobra.NoArgs,
		RunE: command(func(*cobra.Command, []string) error {
			return exit(exitUsage, errors.New("token: say what to do with one: create or check"))
		}),
	}
	cmd.AddCommand(tokenCreateCommand(p), tokenCheckCommand(p))
	return cmd
}

func tokenCreateCommand(p *process) *cobra.Command {
	var r token.Request
	cmd := &cobra.Command{
		Use:   "create --user USER",
		Short: "Make a token",
		Long: "Make a token for a user and print it. It is signed with the secret in --secret-file or\n" +
			token.EnvSecret + " (HS256), the first if there are several, or with the private key in\n" +
			"--key-file (RS256, ES256 or EdDSA, as its type is). A secret has 32 bytes at least:\n" +
			"openssl rand -base64 32.",
		Args: cobra.NoArgs,
		RunE: command(func(*cobra.Command, []string) error {
			text, err := r.Sign(time.Now(), p.environ)
			if err != nil {
				return exit(exitUsage, fmt.Errorf("token create: %w", err))
			}
			_, err = fmt.Fprintln(p.stdout, text)
			return err
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&r.User, "user", "", "`ID` of the user, required; their own room is user:ID")
	flags.StringVar(&r.UserClaim, "user-claim", "sub", "`CLAIM` that has the user, as the server's auth_user_claim")
	flags.StringVar(&r.Name, "name", "", "nickname")
	flags.StringVar(&r.Avatar, "avatar", "", "https `URL` of a picture")
	flags.StringSliceVar(&r.Rooms, "rooms", nil, "`PATTERNS` of the rooms that may be joined, * for any bytes; default is all")
	flags.StringVar(&r.Publish, "pub", "true", "true, false (subscribe only), or `PATTERNS` of the rooms that may be published to")
	flags.StringVar(&r.Direct, "dm", "true", "true, false (to nobody), or `PATTERNS` of the users that may be written to")
	flags.StringSliceVar((*[]string)(&r.Serve), "serve", nil, "`PATTERNS` of the methods whose requests it may answer; default is none")
	flags.StringSliceVar((*[]string)(&r.Seen), "seen", nil, "`PATTERNS` of the users of whom it may know when they were here last; default is none")
	flags.StringVar(&r.Device, "device", "", "`NAME` of the user's device that it is for")
	flags.BoolVar(&r.Hidden, "hidden", false, "neither listed nor counted in their rooms")
	flags.DurationVar(&r.TTL, "ttl", time.Hour, "time until it expires, 1s at least")
	flags.StringVar(&r.Audience, "audience", "", "whom it is for (claim aud)")
	flags.StringVar(&r.Issuer, "issuer", "", "whom it comes from (claim iss)")
	flags.StringVar(&r.SecretFile, "secret-file", "", "`FILE` with the secret, or several, a line each; default is "+token.EnvSecret)
	flags.StringVar(&r.KeyFile, "key-file", "", "`FILE` with a private key in PEM")
	flags.StringVar(&r.KeyID, "key-id", "", "`ID` of the key (kid), where the server finds it in a key set")
	cmd.MarkFlagsMutuallyExclusive("secret-file", "key-file")
	return cmd
}

func tokenCheckCommand(p *process) *cobra.Command {
	var c token.Check
	cmd := &cobra.Command{
		Use:   "check [TOKEN]",
		Short: "Say who a token is for, or why it is refused",
		Long: "Verify TOKEN, or the one on standard input, as the server would: print the identity as\n" +
			"JSON, or why it is refused and exit 1. Keys are all of those given, and the secrets in\n" +
			token.EnvSecret + ". Tokens in an argument show in the list of processes.",
		Args: cobra.MaximumNArgs(1),
		RunE: command(func(cmd *cobra.Command, args []string) error {
			text, err := token.Text(args, p.stdin)
			if err != nil {
				return fmt.Errorf("token check: %w", err)
			}
			v, err := c.Open(p.environ)
			if err != nil {
				return exit(exitUsage, fmt.Errorf("token check: %w", err))
			}
			defer v.Close()
			identity, err := c.Verify(cmd.Context(), v, text)
			if err != nil {
				return fmt.Errorf("token check: %w", err)
			}
			_, err = p.stdout.Write(identity)
			return err
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&c.SecretFile, "secret-file", "", "`FILE` with the secret, or several, a line each; default is "+token.EnvSecret)
	flags.StringVar(&c.PublicKeyFile, "public-key-file", "", "`FILE` with public keys in PEM")
	flags.StringVar(&c.JWKSURL, "jwks-url", "", "`URL` of a key set")
	flags.StringSliceVar(&c.Algorithms, "algorithms", nil, "`LIST` of those accepted; default is all that the keys can verify")
	flags.StringVar(&c.Audience, "audience", "", "what aud must hold; default is anything")
	flags.StringVar(&c.Issuer, "issuer", "", "what iss must be; default is anything")
	flags.StringVar(&c.UserClaim, "user-claim", "sub", "`CLAIM` that has the user")
	flags.DurationVar(&c.Leeway, "leeway", 30*time.Second, "for clocks that differ; 1ms to 5m")
	return cmd
}
