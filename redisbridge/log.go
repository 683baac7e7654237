package redisbridge

// go-redis's own log lines.

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"
)

// RouteClientLog sends what go-redis itself logs, one line per failed dial of
// its pool among others, to log at debug level instead of to standard error. It
// acts on the whole process, so the program's main calls it, once; New does not.
func RouteClientLog(log *slog.Logger) {
	redis.SetLogger(clientLog{log})
}

type clientLog struct{ log *slog.Logger }

// Printf is the method go-redis asks of a logger.
func (c clientLog) Printf(ctx context.Context, format string, args ...any) {
	if c.log.Enabled(ctx, slog.LevelDebug) {
		c.log.DebugContext(ctx, fmt.Sprintf(format, args...), "component", "go-redis")
	}
}
