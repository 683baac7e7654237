// The API's settings and its life: build, listen, serve, stop.

package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/bytebufferpool"

	"barrage/internal/bounds"
	"barrage/internal/document"
)

const (
	defaultMaxBody = 64 << 10
	maxTokens      = 4 // an old and a new one, and some to spare

	readHeaderTimeout = 5 * time.Second
	readTimeout       = 30 * time.Second // header and body; profiles are exempt
	writeTimeout      = 60 * time.Second // net/http/pprof adds a profile's own length
	idleTimeout       = time.Minute
	maxHeaderBytes    = 16 << 10
)

// Config is copied and checked by New and never changed after.
type Config struct {
	Listen string   // host:port; port 0 takes a free one
	Tokens []string // bearer tokens, each of which is good; none: Listen must be loopback

	MaxBody        int // bytes of a published payload; 0: 65536
	MaxConnections int // at a time; beyond, idle ones are closed and others wait; 0: 128

	Pages []Page // of the dashboard; none: there is none

	Gatherer   prometheus.Gatherer   // what /metrics shows; nil: /metrics is 404
	Registerer prometheus.Registerer // gets the API's own metrics; nil: they are not shown
	Pprof      bool                  // serve /debug/pprof/
	Logger     *slog.Logger          // nil: discard
}

// Validate says all that is wrong with c in one joined error. Its texts name
// the settings an operator would change: admin, admin_token.
func (c Config) Validate() error {
	var errs []error
	host, port, err := net.SplitHostPort(c.Listen)
	switch {
	case err != nil:
		errs = append(errs, fmt.Errorf("admin: %q is not host:port", c.Listen))
	case !validPort(port):
		errs = append(errs, fmt.Errorf("admin: port %q is not a number from 0 to 65535", port))
	case len(c.Tokens) == 0 && !loopbackHost(host):
		errs = append(errs, fmt.Errorf("admin_token: must be set, as admin is %q, which is not a loopback address", c.Listen))
	}
	if len(c.Tokens) > maxTokens || slices.Contains(c.Tokens, "") {
		errs = append(errs, fmt.Errorf("admin_token: there are %d, want at most %d, none of them empty", len(c.Tokens), maxTokens))
	}
	if c.MaxBody < 0 {
		errs = append(errs, fmt.Errorf("max_message_bytes: %d is negative", c.MaxBody))
	}
	if c.MaxConnections < 0 {
		errs = append(errs, fmt.Errorf("api: MaxConnections: %d is negative", c.MaxConnections))
	}
	return errors.Join(errs...)
}

func (c *Config) fillDefaults() {
	c.MaxBody = cmp.Or(c.MaxBody, defaultMaxBody)
	c.MaxConnections = cmp.Or(c.MaxConnections, bounds.AdminConnections)
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
}

// validPort tells whether port is a number that net.Listen takes.
func validPort(port string) bool {
	n, err := net.LookupPort("tcp", port)
	return err == nil && n >= 0 && port != "" && port[0] >= '0' && port[0] <= '9'
}

// loopbackHost tells whether host can only mean this machine. "localhost" is
// believed here and checked again once it is bound, as /etc/hosts may differ.
func loopbackHost(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// API is the admin listener. It is an http.Handler too, so that it can be
// tested or mounted without its listener.
type API struct {
	// Fixed by New.
	cfg         Config
	server      Server
	auth        bearer
	crossOrigin *http.CrossOriginProtection
	routes      table
	other       *endpoint // of all paths that lead nowhere
	metrics     *metrics
	metricsPage http.Handler // nil: none
	pages       map[string]page
	specYAML    func() *document.Document
	specJSON    func() (*document.Document, error)
	tooLarge    error // a payload over MaxBody
	http        *http.Server

	listener *connections // set once by Listen, before Serve

	stopping context.Context // ended by Shutdown: no answer goes on for long any more
	stop     context.CancelFunc

	// For any goroutine.
	bodies    bytebufferpool.Pool
	exchanges sync.Pool     // of *exchange
	asking    chan struct{} // one for each request that waits for its answer
}

var _ http.Handler = (*API)(nil)

// New builds an API for s. It opens nothing yet.
func New(cfg Config, s Server) (*API, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	cfg.fillDefaults()
	m, err := newMetrics(cfg.Registerer)
	if err != nil {
		return nil, fmt.Errorf("api: metrics: %w", err)
	}
	a := &API{
		cfg:         cfg,
		server:      s,
		auth:        newBearer(cfg.Tokens),
		crossOrigin: http.NewCrossOriginProtection(),
		metrics:     m,
		asking:      make(chan struct{}, max(1, cfg.MaxConnections/2)),
		metricsPage: metricsPage(cfg.Gatherer, cfg.Logger),
		pages:       pagesByPath(cfg.Pages),
		specYAML:    sync.OnceValue(specAsYAML),
		specJSON:    sync.OnceValues(specAsJSON),
		tooLarge:    tooLarge("message_too_large", cfg.MaxBody, " (max_message_bytes)"),
		exchanges:   sync.Pool{New: func() any { return new(exchange) }},
	}
	a.stopping, a.stop = context.WithCancel(context.Background())
	a.buildRoutes()
	a.http = &http.Server{
		Handler:           a,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelWarn),
	}
	return a, nil
}

func (a *API) buildRoutes() {
	a.routes = a.endpoints()
	a.routes.prepare(map[string]func(string) (string, error){"room": checkRoom, "user": checkUser, "conn": checkConn, "method": checkMethod, "key": checkKeyName, "file": checkFile})
	a.other = &endpoint{label: "other", handle: nothing}
	a.metrics.attach(a.other)
	for i := range a.routes {
		a.metrics.attach(&a.routes[i])
	}
}

// Listen binds the address. It is called once, before Serve.
func (a *API) Listen() error {
	l, err := net.Listen("tcp", a.cfg.Listen)
	if err != nil {
		return fmt.Errorf("api: admin: %w", err)
	}
	bound, ok := l.Addr().(*net.TCPAddr)
	if len(a.cfg.Tokens) == 0 && (!ok || !bound.IP.IsLoopback()) {
		err := fmt.Errorf("api: admin_token: must be set, as admin %q is bound to %v, which is not a loopback address", a.cfg.Listen, l.Addr())
		return errors.Join(err, l.Close())
	}
	a.listener = limited(l, a.cfg.MaxConnections, a.metrics)
	a.http.ConnState = a.listener.onState
	return nil
}

// Addr is the bound address, with the port that was taken; nil before Listen.
func (a *API) Addr() net.Addr {
	if a.listener == nil {
		return nil
	}
	return a.listener.Addr()
}

// Serve answers requests until Shutdown, then returns nil; any other end is an
// error.
func (a *API) Serve() error {
	if a.listener == nil {
		return errors.New("api: Serve before Listen")
	}
	if err := a.http.Serve(a.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("api: %w", err)
	}
	return nil
}

// Shutdown closes the listener, lets requests under way finish until ctx ends,
// and closes what is then left.
func (a *API) Shutdown(ctx context.Context) error {
	a.stop()
	err := a.http.Shutdown(ctx)
	if a.listener != nil {
		// Shutdown knows the listener only once Serve has begun; closing it a
		// second time fails, and that is all the error could say.
		_ = a.listener.Close()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("api: shutdown: %w", err), a.http.Close())
	}
	return nil
}
