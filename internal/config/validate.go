// What is wrong with settings, one line for each.

package config

import (
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"barrage/api"
	"barrage/edge/events"
	"barrage/edge/paths"
	"barrage/frame"
	"barrage/internal/broker"
	"barrage/internal/settings"
	"barrage/netpoll"
	"barrage/redisbridge"
)

const (
	minWebhookSecret  = 16
	maxWebhookSecrets = 4
)

// validation checks what several settings say together, and gives names in them their
// normal forms.
type validation struct {
	*settings.Layers
	cfg *Config
}

func (v *validation) all() {
	v.addresses()
	v.plain()
	v.rooms()
	v.origins()
	v.proxies()
	v.redis()
	v.queues()
	v.backends()
	v.sizes()
}

func (v *validation) addresses() {
	v.hostPort("listen", v.cfg.Listen)
	admin := api.Config{Listen: v.cfg.Admin, Tokens: v.cfg.AdminTokens}
	if err := admin.Validate(); err != nil {
		v.Add(err)
	}
	if overlap(v.cfg.Listen, v.cfg.Admin) {
		v.Problem("admin", "%q is the address of listen too (%q)", v.cfg.Admin, v.cfg.Listen)
	}
	for _, token := range v.cfg.AdminTokens {
		if strings.ContainsFunc(token, unicode.IsSpace) {
			v.Problem("admin_token", "must not hold spaces, which a header would not carry")
		}
	}
}

// hostPort checks an address to listen on.
func (v *validation) hostPort(key, addr string) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		v.Problem(key, "%q is not host:port", addr)
		return
	}
	if !validPort(port, 0) {
		v.Problem(key, "port %q is not a number from 0 to 65535", port)
	}
	if host != "" && host != "localhost" && net.ParseIP(host) == nil {
		v.Problem(key, "host %q must be an IP address, localhost, or empty for all addresses", host)
	}
}

// maxPlain bounds the addresses of listen_tcp: each takes a descriptor for each shard.
const maxPlain = 4

// plain checks where plain connections come in.
func (v *validation) plain() {
	all := v.cfg.ListenTCP
	if len(all) > maxPlain {
		v.Problem("listen_tcp", "there are %d addresses, at most %d are allowed", len(all), maxPlain)
	}
	for i, addr := range all {
		if slices.Contains(all[:i], addr) && !strings.HasSuffix(addr, ":0") {
			v.Problem("listen_tcp", "%q is there twice", addr)
		}
		if path, ok := strings.CutPrefix(addr, netpoll.UnixPrefix); !ok {
			v.hostPort("listen_tcp", addr)
		} else if !strings.HasPrefix(path, "/") || len(path) > netpoll.MaxUnixPath {
			v.Problem("listen_tcp", "%q: a Unix socket's path must begin with / and have at most %d bytes", addr, netpoll.MaxUnixPath)
		}
		if overlap(addr, v.cfg.Listen) || overlap(addr, v.cfg.Admin) {
			v.Problem("listen_tcp", "%q is the address of listen or admin too", addr)
		}
	}
	if _, err := v.cfg.SocketPermissions(); err != nil {
		v.Problem("tcp_socket_mode", "%q %v", v.cfg.SocketMode, err)
	}
}

// overlap tells whether two addresses to listen on have one in common: the second would be
// in use. localhost is 127.0.0.1, as netpoll and the API bind it.
func overlap(a, b string) bool {
	x, y := listenAddr(a), listenAddr(b)
	if x.Port() != y.Port() || x.Port() == 0 {
		return false
	}
	return x.Addr() == y.Addr() || covers(x.Addr(), y.Addr()) || covers(y.Addr(), x.Addr())
}

// listenAddr is the address that a setting means, of port 0 if it is none.
func listenAddr(setting string) netip.AddrPort {
	host, port, _ := net.SplitHostPort(setting)
	n, err := strconv.ParseUint(port, 10, 16)
	addr := netip.IPv6Unspecified() // of all addresses, if no host is named
	switch {
	case host == "localhost":
		addr = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	case host != "" && err == nil:
		addr, err = netip.ParseAddr(host)
	}
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(n))
}

// covers tells whether a is all addresses of a family that b is of; :: is all of both.
func covers(a, b netip.Addr) bool { return a.IsUnspecified() && (a.Is6() || b.Is4()) }

func (v *validation) rooms() {
	room := v.cfg.DefaultRoom
	if room == "" {
		return
	}
	var err error
	if v.cfg.DefaultRoom, err = broker.RoomName(room); err != nil {
		v.Problem("default_room", "%q: %v", room, err)
	} else if _, of := broker.UserOf(room); of {
		v.Problem("default_room", "%q is a user's own room, which nobody else may join", room)
	}
}

// origins refuses entries that could never match what a browser sends.
func (v *validation) origins() {
	for _, entry := range v.cfg.AllowedOrigins {
		if o, err := frame.ParseOrigins([]string{entry}); err != nil {
			v.Problem("allowed_origins", "%v", err)
		} else if v.cfg.AuthCookie != "" && o.OfAnybody() {
			v.Problem("allowed_origins", "%q is of pages that anybody may make: with auth_cookie they would act as whoever visits them", entry)
		}
	}
	if name := v.cfg.AuthCookie; name != "" && (&http.Cookie{Name: name}).Valid() != nil {
		v.Problem("auth_cookie", "%q is no name that a cookie may have", name)
	}
	if _, err := paths.ParseSet(v.cfg.SocketPaths, nil); err != nil {
		v.Problem("ws_paths", "%v", err)
	}
}

func (v *validation) proxies() {
	c := v.cfg
	p, err := c.Proxies()
	if err != nil {
		v.Problem("trusted_proxies", "%v", err)
	}
	told := c.ProxyProtocol || p.Header != ""
	switch {
	case len(c.TrustedProxies) > 0:
		if !told && c.MaxConnectionsPerIP > 0 {
			v.Problem("trusted_proxies", "max_connections_per_ip cannot hold for their viewers without proxy_protocol or client_address_header")
		}
	case c.ProxyProtocol:
		v.Problem("proxy_protocol", "needs trusted_proxies: anybody could say to be anybody")
	case told:
		v.Problem("client_address_header", "needs trusted_proxies: anybody could say to be anybody")
	}
}

func (v *validation) redis() {
	c := v.cfg
	if c.Redis != "" {
		client, err := redisbridge.NewClient(redisbridge.Config{URL: c.Redis})
		if err != nil {
			v.Problem("redis", "%v", err)
		} else {
			_ = client.Close() // it has not been used
			v.redisPorts()
		}
		if c.RedisSharded && !strings.HasPrefix(c.Redis, "redis+cluster:") && !strings.HasPrefix(c.Redis, "rediss+cluster:") {
			v.Problem("redis_sharded", "needs a redis+cluster:// URL in redis")
		}
	}
	if c.RedisPrefix == "" || strings.HasPrefix(c.RedisPrefix, "barrage:") || strings.HasPrefix("barrage:", c.RedisPrefix) {
		v.Problem("redis_prefix", "%q must not be empty, nor clash with \"barrage:\", which nodes use among themselves", c.RedisPrefix)
	}
	if strings.ContainsAny(c.RedisPrefix, "{}") {
		v.Problem("redis_prefix", "%q must not have braces, which choose a key's place in a Redis Cluster", c.RedisPrefix)
	}
	for _, channel := range slices.Sorted(maps.Keys(c.RedisChannels)) {
		room := c.RedisChannels[channel]
		if channel == "" || strings.HasPrefix(channel, c.RedisPrefix) || strings.HasPrefix(channel, "barrage:") {
			v.Problem("redis_channels", "channel %q must not be empty, nor begin with redis_prefix (%q) or \"barrage:\"", channel, c.RedisPrefix)
		}
		normal, err := broker.RoomName(room)
		if c.RedisChannels[channel] = normal; err != nil {
			v.Problem("redis_channels", "channel %q: room %q: %v", channel, room, err)
		}
	}
}

// queues checks the lists and streams that are published.
func (v *validation) queues() {
	c := v.cfg
	all, err := c.Queues()
	if err != nil {
		v.Add(err)
	}
	if len(c.RedisQueues)+len(c.RedisStreams) > 0 && c.Redis == "" {
		v.Problem("redis_queues", "and redis_streams need redis")
	}
	for _, q := range all {
		if !q.Stream && c.RedisStreams[q.Key] != "" {
			v.Problem("redis_queues", "%q is in redis_streams, too", q.Key)
		}
		if q.Key == c.EventStream {
			v.Problem("redis_streams", "%q is event_stream", q.Key)
		}
	}
}

// redisPorts looks at the ports of all hosts of the URL, which is known to be one.
func (v *validation) redisPorts() {
	_, rest, _ := strings.Cut(v.cfg.Redis, "://")
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	rest = rest[strings.LastIndexByte(rest, '@')+1:]
	for host := range strings.SplitSeq(rest, ",") {
		if _, port, err := net.SplitHostPort(host); err == nil && port != "" && !validPort(port, 1) {
			v.Problem("redis", "a port is not a number from 1 to 65535") // but perhaps a password
		}
	}
}

// validPort tells whether port is a number of lowest to 65535.
func validPort(port string, lowest uint64) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n >= lowest
}

// backends checks what talks to other programs: tokens, histories, webhooks.
func (v *validation) backends() {
	if _, err := v.cfg.HistoryRules(); err != nil {
		v.Problem("history", "%v", err)
	}
	if _, err := v.cfg.Targets(); err != nil {
		v.Problem("target_rate", "%v", err)
	}
	if _, err := v.cfg.LanesOfKinds(); err != nil {
		v.Problem("lanes", "%v", err)
	}
	for i, pattern := range v.cfg.EventRooms {
		var err error
		if v.cfg.EventRooms[i], err = broker.RoomPattern(pattern); err != nil { // no room's name can match it
			v.Problem("event_rooms", "%q: %v", pattern, err)
		}
	}
	if verifier, err := v.cfg.Verifier(nil); err != nil {
		v.Add(err)
	} else if verifier != nil {
		verifier.Close()
	}
	if _, err := v.cfg.Ring(); err != nil {
		v.Add(err)
	}
	for _, t := range v.cfg.EventTypes {
		if !slices.Contains(events.AllTypes(), events.Type(t)) {
			v.Problem("event_types", "%q is none of %v", t, events.AllTypes())
		}
	}
	switch {
	case v.cfg.EventStream != "" && v.cfg.Redis == "":
		v.Problem("event_stream", "needs redis")
	case v.cfg.EventStream != "" && v.cfg.WebhookURL != "":
		v.Problem("event_stream", "events go there or to webhook_url, not to both")
	}
	v.webhookSecrets()
	v.destinations()
	v.hooks()
}

// destinations checks where backends are told and asked.
func (v *validation) destinations() {
	if v.cfg.WebhookURL != "" {
		if err := events.CheckURL(v.cfg.WebhookURL); err != nil {
			v.Problem("webhook_url", "is %v", err)
		}
	}
	if err := events.CheckStream(v.cfg.EventStream); err != nil {
		v.Problem("event_stream", "%v", err)
	}
	for _, method := range slices.Sorted(maps.Keys(v.cfg.RequestRoutes)) {
		if method == "" {
			v.Problem("request_routes", "a method is empty")
		}
		if err := events.CheckURL(v.cfg.RequestRoutes[method]); err != nil {
			v.Problem("request_routes", "what %q leads to is %v", method, err)
		}
	}
}

// hooks checks who is asked before something happens.
func (v *validation) hooks() {
	c := v.cfg
	if c.ConnectURL != "" {
		if err := events.CheckURL(c.ConnectURL); err != nil {
			v.Problem("connect_url", "is %v", err)
		}
	}
	given := map[string][]string{"connect_headers": c.ConnectHeaders, "connect_query": c.ConnectQuery, "connect_cookies": c.ConnectCookies}
	for _, key := range slices.Sorted(maps.Keys(given)) {
		for _, name := range given[key] {
			switch {
			case name == "":
				v.Problem(key, "a name is empty")
			case c.ConnectURL == "":
				v.Problem(key, "%q is of no use without connect_url", name)
			case c.ConnectBy == "message":
				v.Problem(key, "%q is of no use with connect_by: message, as only the message is asked about", name)
			case key == "connect_headers" && strings.EqualFold(name, "Cookie"):
				v.Problem(key, "%q: name the cookies in connect_cookies", name)
			}
		}
	}
	v.hookRules("join_hooks", c.JoinHooks)
	v.hookRules("publish_hooks", c.PublishHooks)
}

func (v *validation) hookRules(key string, urls map[string]string) {
	forms := make(map[string]string)
	for _, pattern := range slices.Sorted(maps.Keys(urls)) {
		normal, err := broker.RoomPattern(pattern)
		switch other, again := forms[normal]; {
		case err != nil:
			v.Problem(key, "%q: %v", pattern, err)
		case again:
			v.Problem(key, "%q is the same as %q", pattern, other)
		}
		forms[normal] = pattern
		if err := events.CheckURL(urls[pattern]); err != nil {
			v.Problem(key, "what %q leads to is %v", pattern, err)
		}
	}
}

// webhookSecrets checks what signs, if something is to be signed.
func (v *validation) webhookSecrets() {
	c := v.cfg
	var users []string
	for _, of := range []struct {
		key string
		set bool
	}{
		{"webhook_url", c.WebhookURL != ""}, {"request_routes", len(c.RequestRoutes) > 0}, {"connect_url", c.ConnectURL != ""},
		{"join_hooks", len(c.JoinHooks) > 0}, {"publish_hooks", len(c.PublishHooks) > 0},
	} {
		if of.set {
			users = append(users, of.key)
		}
	}
	if users == nil {
		return
	}
	if n := len(v.cfg.WebhookSecrets); n < 1 || n > maxWebhookSecrets {
		v.Problem("webhook_secret", "is needed by %s: there are %d, want 1 to %d", strings.Join(users, ", "), n, maxWebhookSecrets)
	}
	for i, secret := range v.cfg.WebhookSecrets {
		if len(secret) < minWebhookSecret {
			v.Problem("webhook_secret", "number %d has %d bytes, want at least %d", i+1, len(secret), minWebhookSecret)
		}
	}
}

func (v *validation) sizes() {
	c := v.cfg
	const header = 14 // of the longest frame
	if c.RoomLogBytes < c.MaxMessageBytes+header {
		v.Problem("room_log_bytes", "%v must hold at least one message of max_message_bytes (%v)", c.RoomLogBytes, c.MaxMessageBytes)
	}
	if c.MaxPublishBytes > c.MaxMessageBytes {
		v.Problem("max_publish_bytes", "%v must be at most max_message_bytes (%v)", c.MaxPublishBytes, c.MaxMessageBytes)
	}
	if c.LogBytes < c.RoomLogBytes {
		v.Problem("log_bytes", "%v must be at least room_log_bytes (%v)", c.LogBytes, c.RoomLogBytes)
	}
}
