package redisbridge

// Where Redis is: the forms of Config.URL, and what all connections are told.

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

type addressKind uint8

const (
	single addressKind = iota
	sentinel
	cluster
)

// An address is the template of all connections.
type address struct {
	kind       addressKind
	opt        *redis.Options // of a server with data
	hosts      []string       // sentinels, or some nodes of the cluster
	master     string         // what the sentinels call it
	ask        *redis.Options // of a sentinel
	masterView masterView     // what the sentinels said
}

// parseAddress turns the URL into options without the defaults that lose,
// double or delay messages.
func parseAddress(c *Config) (*address, error) {
	text, files, err := takeFiles(c.URL)
	if err != nil {
		return nil, err
	}
	a, err := parseURL(text)
	if err != nil {
		return nil, err
	}
	if err := files.apply(a.opt, a.ask); err != nil {
		return nil, err
	}
	for _, opt := range []*redis.Options{a.opt, a.ask} {
		if opt == nil {
			continue
		}
		opt.DialTimeout, opt.ReadTimeout, opt.WriteTimeout = c.Timeout, c.Timeout, c.Timeout
		opt.PoolTimeout = c.Timeout
		opt.DialerRetries = 1
		opt.ContextTimeoutEnabled = true // else a context's deadline does not bound socket I/O
		opt.MaxRetries = -1              // a retried PUBLISH is a duplicate
		opt.DisableIdentity = true
		opt.Protocol = 2 // with 3 go-redis looks for push notifications, which nobody sends us, before each reply
		opt.OnConnect = naming(cmp.Or(opt.ClientName, "barrage:"+c.Node))
		opt.ClientName = "" // go-redis gives up a connection that cannot be named
		if opt.PipelinePoolSize == 0 {
			opt.PipelinePoolSize = 2 + questionsInFlight // the publisher and the catch-up pipeline, too
		}
	}
	return a, nil
}

// naming names each connection, for people who look into Redis, where CLIENT is there and
// allowed.
func naming(name string) func(context.Context, *redis.Conn) error {
	return func(ctx context.Context, c *redis.Conn) error {
		if err := c.ClientSetName(ctx, name).Err(); replyCode(err) == "" {
			return err // nil, or the connection is broken
		}
		return nil
	}
}

func parseURL(text string) (*address, error) {
	scheme, rest, _ := strings.Cut(text, "://")
	a := &address{}
	var err error
	switch scheme {
	case "redis+sentinel", "rediss+sentinel":
		a.kind = sentinel
		err = a.parseHosts(rest, scheme == "rediss+sentinel")
	case "redis+cluster", "rediss+cluster":
		a.kind = cluster
		err = a.parseHosts(rest, scheme == "rediss+cluster")
	default:
		if a.opt, err = redis.ParseURL(text); err != nil {
			return nil, wrongURL(err)
		}
		err = checkHost(a.opt)
	}
	return a, err
}

// checkHost refuses what go-redis would take for a name: a password without its @, which
// then would be in each error of a connection.
func checkHost(opt *redis.Options) error {
	host, _, err := net.SplitHostPort(opt.Addr)
	if opt.Network == "tcp" && err == nil && strings.Contains(host, ":") {
		_, err = netip.ParseAddr(host)
	}
	if opt.Network == "tcp" && err != nil {
		return errors.New("what stands before the path is not HOST or HOST:PORT (not shown: it may hold a password)")
	}
	return nil
}

// wrongURL is what is wrong with a URL, without what the error quotes of it: that may be a
// password, wherever it was meant to stand. go-redis says what it is about before a colon.
func wrongURL(err error) error {
	what, _, _ := strings.Cut(strings.TrimPrefix(err.Error(), "redis: "), ":")
	if !strings.HasPrefix(err.Error(), "redis: ") {
		what = "not a redis://, rediss://, unix://, redis+sentinel:// or redis+cluster:// URL"
	}
	return errors.New(what + " (not shown: it may hold a password)")
}

// parseHosts takes the list of hosts, which package url does not know, out of
// the URL and has the rest parsed as the URL of the first.
func (a *address) parseHosts(rest string, secure bool) error {
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	login := strings.LastIndexByte(rest[:end], '@') + 1
	a.hosts = strings.Split(rest[login:end], ",")
	for i, host := range a.hosts {
		if _, _, err := net.SplitHostPort(host); err != nil {
			return fmt.Errorf("number %d of the hosts is not HOST:PORT", i+1) // but perhaps a password
		}
		a.hosts[i] = strings.TrimSpace(host)
	}
	scheme := "redis://"
	if secure {
		scheme = "rediss://"
	}
	u, err := url.Parse(scheme + rest[:login] + a.hosts[0] + rest[end:])
	if err != nil {
		return wrongURL(err)
	}
	path := strings.Trim(u.Path, "/")
	u.Path = ""
	if a.kind == sentinel {
		if a.master = path; a.master == "" || strings.Contains(path, "/") {
			return errors.New("want the master's name as the path")
		}
		if err := a.parseSentinel(u, scheme); err != nil {
			return err
		}
	} else if path != "" && path != "0" {
		return errors.New("a cluster has no database numbers")
	}
	a.opt, err = parseOptions(u.String())
	return err
}

// parseOptions lets the certificate of each host be that of its own name, and
// not that of the first host's.
func parseOptions(text string) (*redis.Options, error) {
	opt, err := redis.ParseURL(text)
	if err != nil {
		return nil, wrongURL(err)
	}
	if opt.TLSConfig != nil {
		opt.TLSConfig.ServerName = ""
	}
	return opt, nil
}

// parseSentinel takes what is meant for the sentinels out of u.
func (a *address) parseSentinel(u *url.URL, scheme string) (err error) {
	query := u.Query()
	ask := url.URL{Scheme: strings.TrimSuffix(scheme, "://"), Host: u.Host}
	if password := query.Get("sentinel_password"); password != "" {
		ask.User = url.UserPassword(query.Get("sentinel_username"), password)
	}
	query.Del("sentinel_username")
	query.Del("sentinel_password")
	u.RawQuery = query.Encode()
	if skip := query.Get("skip_verify"); skip != "" {
		ask.RawQuery = url.Values{"skip_verify": {skip}}.Encode()
	}
	a.ask, err = parseOptions(ask.String())
	return err
}

// options gives a copy, since making a client changes its options. With
// sentinels it dials whoever is the master at that time.
func (a *address) options() *redis.Options {
	opt := *a.opt
	opt.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	if a.kind == sentinel {
		dial := redis.NewDialer(&opt)
		opt.Dialer = func(ctx context.Context, network, _ string) (net.Conn, error) {
			addr, err := a.currentMaster(ctx)
			if err != nil {
				return nil, err
			}
			return dial(ctx, network, addr)
		}
	}
	return &opt
}

// clusterOptions are those of the client that publishes and reads.
func (a *address) clusterOptions() *redis.ClusterOptions {
	o := a.options()
	return &redis.ClusterOptions{
		Addrs: a.hosts, OnConnect: o.OnConnect,
		Username: o.Username, Password: o.Password, TLSConfig: o.TLSConfig,
		Protocol: o.Protocol, DisableIdentity: true,
		DialTimeout: o.DialTimeout, ReadTimeout: o.ReadTimeout, WriteTimeout: o.WriteTimeout,
		PoolTimeout: o.PoolTimeout, DialerRetries: 1, ContextTimeoutEnabled: true, MaxRetries: -1,
		PoolSize: o.PoolSize, PipelinePoolSize: o.PipelinePoolSize,
		// A master that died is noticed by asking, and by nothing else.
		ClusterStateReloadInterval: time.Second,
		MaintNotificationsConfig:   o.MaintNotificationsConfig,
	}
}

// NewClient makes a client for the same address and with the same care, for what
// else a node keeps in Redis (NewPresence). Of cfg only what concerns the address
// counts: URL, Node and Timeout.
func NewClient(cfg Config) (redis.UniversalClient, error) {
	cfg.setDefaults()
	a, err := parseAddress(&cfg)
	if err != nil {
		return nil, fmt.Errorf("redisbridge: URL: %w", err)
	}
	return a.connect(), nil
}

func (a *address) connect() redis.UniversalClient {
	if a.kind == cluster {
		return redis.NewClusterClient(a.clusterOptions())
	}
	return redis.NewClient(a.options())
}
