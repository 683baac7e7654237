package main

// This file is the token command: making tokens for viewers, and telling what is
// wrong with one.

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"barrage/edge/auth"
	"barrage/internal/refusal"
)

const (
	envAuthSecret = envPrefix + "AUTH_SECRET"
	maxTokenInput = 1 << 20 // bytes of standard input that are read
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

// tokenRequest is the token that create is to make.
type tokenRequest struct {
	auth.Claims
	rooms      []string
	publish    string
	ttl        time.Duration
	secretFile string
	keyFile    string
	keyID      string
}

func tokenCreateCommand(p *process) *cobra.Command {
	var r tokenRequest
	cmd := &cobra.Command{
		Use:   "create --user USER",
		Short: "Make a token",
		Long: "Make a token for a user and print it. It is signed with the secret in --secret-file or\n" +
			envAuthSecret + " (HS256), the first if there are several, or with the private key in\n" +
			"--key-file (RS256, ES256 or EdDSA, as its type is). A secret has 32 bytes at least:\n" +
			"openssl rand -base64 32.",
		Args: cobra.NoArgs,
		RunE: command(func(*cobra.Command, []string) error {
			token, err := r.sign(time.Now(), p.environ)
			if err != nil {
				return exit(exitUsage, fmt.Errorf("token create: %w", err))
			}
			_, err = fmt.Fprintln(p.stdout, token)
			return err
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&r.User, "user", "", "`ID` of the user (claim sub), required; their own room is user:ID")
	flags.StringVar(&r.Name, "name", "", "nickname")
	flags.StringVar(&r.Avatar, "avatar", "", "https `URL` of a picture")
	flags.StringSliceVar(&r.rooms, "rooms", nil, "`PATTERNS` of the rooms that may be joined, * for any bytes; default is all")
	flags.StringVar(&r.publish, "pub", "true", "true, false (subscribe only), or `PATTERNS` of the rooms that may be published to")
	flags.DurationVar(&r.ttl, "ttl", time.Hour, "time until it expires, 1s at least")
	flags.StringVar(&r.Audience, "audience", "", "whom it is for (claim aud)")
	flags.StringVar(&r.Issuer, "issuer", "", "whom it comes from (claim iss)")
	flags.StringVar(&r.secretFile, "secret-file", "", "`FILE` with the secret, or several, a line each; default is "+envAuthSecret)
	flags.StringVar(&r.keyFile, "key-file", "", "`FILE` with a private key in PEM")
	flags.StringVar(&r.keyID, "key-id", "", "`ID` of the key (kid), where the server finds it in a key set")
	cmd.MarkFlagsMutuallyExclusive("secret-file", "key-file")
	return cmd
}

func (r *tokenRequest) sign(now time.Time, environ []string) (string, error) {
	if r.User == "" {
		return "", errors.New("--user is required")
	}
	if r.ttl < time.Second {
		return "", fmt.Errorf("--ttl is %v, want 1s at least", r.ttl)
	}
	key, err := r.key(environ)
	if err != nil {
		return "", err
	}
	key.ID = r.keyID
	r.Expires, r.IssuedAt = now.Add(r.ttl), now
	r.Rooms = auth.Patterns{"*"}
	if len(r.rooms) > 0 {
		r.Rooms = r.rooms
	}
	switch r.publish {
	case "true":
		r.Publish = auth.Patterns{"*"}
	case "false":
		r.Publish = nil
	default:
		r.Publish = strings.Split(r.publish, ",")
	}
	return auth.Sign(r.Claims, key)
}

func (r *tokenRequest) key(environ []string) (auth.SigningKey, error) {
	if r.keyFile != "" {
		text, err := os.ReadFile(r.keyFile)
		if err != nil {
			return auth.SigningKey{}, fmt.Errorf("--key-file: %w", err)
		}
		return auth.PrivateKey(text)
	}
	secrets, err := authSecrets(r.secretFile, environ)
	if err != nil {
		return auth.SigningKey{}, err
	}
	if len(secrets) == 0 {
		return auth.SigningKey{}, errors.New("nothing to sign with: give --secret-file, " + envAuthSecret + " or --key-file")
	}
	return auth.SecretKey(secrets[0])
}

// authSecrets are the secrets in a file if one is named, else in the environment,
// where a variable may name the file as for other secrets.
func authSecrets(file string, environ []string) ([][]byte, error) {
	name, secret := "--secret-file", ""
	if file == "" {
		name, file, secret = envAuthSecret+fileSuffix, lookup(environ, envAuthSecret+fileSuffix), lookup(environ, envAuthSecret)
		if file != "" && secret != "" {
			return nil, fmt.Errorf("the secret is set by both %s and %s", envAuthSecret, name)
		}
	}
	if file != "" {
		var err error
		if secret, err = readSecret(file); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	var secrets [][]byte
	for _, s := range splitList(secret) {
		secrets = append(secrets, []byte(s))
	}
	return secrets, nil
}

// tokenCheck is what check verifies a token with.
type tokenCheck struct {
	auth.Config
	secretFile string
	keyFile    string
}

func tokenCheckCommand(p *process) *cobra.Command {
	var c tokenCheck
	cmd := &cobra.Command{
		Use:   "check [TOKEN]",
		Short: "Say who a token is for, or why it is refused",
		Long: "Verify TOKEN, or the one on standard input, as the server would: print the identity as\n" +
			"JSON, or why it is refused and exit 1. Keys are all of those given, and the secrets in\n" +
			envAuthSecret + ". Tokens in an argument show in the list of processes.",
		Args: cobra.MaximumNArgs(1),
		RunE: command(func(cmd *cobra.Command, args []string) error {
			token, err := tokenText(args, p.stdin)
			if err != nil {
				return fmt.Errorf("token check: %w", err)
			}
			return c.check(cmd, token, p)
		}),
	}
	c.addFlags(cmd.Flags())
	return cmd
}

func (c *tokenCheck) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&c.secretFile, "secret-file", "", "`FILE` with the secret, or several, a line each; default is "+envAuthSecret)
	flags.StringVar(&c.keyFile, "public-key-file", "", "`FILE` with public keys in PEM")
	flags.StringVar(&c.JWKSURL, "jwks-url", "", "`URL` of a key set")
	flags.StringSliceVar(&c.Algorithms, "algorithms", nil, "`LIST` of those accepted; default is all that the keys can verify")
	flags.StringVar(&c.Audience, "audience", "", "what aud must hold; default is anything")
	flags.StringVar(&c.Issuer, "issuer", "", "what iss must be; default is anything")
	flags.DurationVar(&c.Leeway, "leeway", 30*time.Second, "for clocks that differ; 1ms to 5m")
}

// tokenText is the token in the argument, or on standard input if there is none
// or a dash.
func tokenText(args []string, stdin io.Reader) (string, error) {
	if len(args) == 1 && args[0] != "-" {
		return args[0], nil
	}
	text, err := io.ReadAll(io.LimitReader(stdin, maxTokenInput))
	if err != nil {
		return "", fmt.Errorf("standard input: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

func (c *tokenCheck) check(cmd *cobra.Command, token string, p *process) error {
	v, err := c.open(p.environ)
	if err != nil {
		return exit(exitUsage, fmt.Errorf("token check: %w", err))
	}
	defer v.Close()
	id, err := v.Verify(cmd.Context(), token)
	if refused := refusal.Of(err); refused != nil {
		return fmt.Errorf("token check: %s: %w", refused.Code(), err)
	}
	out := tokenIdentity{
		User: id.User, Name: id.Name, Avatar: id.Avatar, Rooms: id.Rooms, Publish: id.Publish,
		Expires: id.Expires.Add(-c.Leeway).UTC(), // as the token says
	}
	if out.Publish == nil {
		out.Publish = []string{}
	}
	enc := json.NewEncoder(p.stdout)
	enc.SetEscapeHTML(false)
	return enc.Encode(out)
}

func (c *tokenCheck) open(environ []string) (*auth.Verifier, error) {
	if c.Leeway == 0 {
		return nil, errors.New("--leeway is 0s, want 1ms to 5m0s") // auth.Config takes 0 as its default
	}
	secrets, err := authSecrets(c.secretFile, environ)
	if err != nil {
		return nil, err
	}
	c.Secrets = secrets
	if c.keyFile != "" {
		if c.PublicKeys, err = os.ReadFile(c.keyFile); err != nil {
			return nil, fmt.Errorf("--public-key-file: %w", err)
		}
	}
	if c.Secrets == nil && c.PublicKeys == nil && c.JWKSURL == "" {
		return nil, errors.New("nothing to verify with: give --secret-file, " + envAuthSecret + ", --public-key-file or --jwks-url")
	}
	// The outcome is the command's to tell. People reach issuers through proxies.
	c.Logger = slog.New(slog.DiscardHandler)
	c.Transport = &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}
	return auth.New(c.Config)
}

// tokenIdentity is an auth.Identity as check prints it.
type tokenIdentity struct {
	User    string    `json:"user"`
	Name    string    `json:"name,omitempty"`
	Avatar  string    `json:"avatar,omitempty"`
	Rooms   []string  `json:"rooms"`
	Publish []string  `json:"pub"`
	Expires time.Time `json:"expires"`
}
