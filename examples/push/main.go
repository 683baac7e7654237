// Push is a push service: programs of any kind publish by HTTP, with a key, and screens that
// can only listen show it, in two regions.
package main

import (
	"context"
	"embed"
	"log"
	"time"

	"barrage/examples/internal/run"
)

//go:embed barrage.yaml page
var files embed.FS

func main() {
	run.Main(run.Example{Files: files, Redis: true, Twice: true, Work: beat})
}

// beat is a heartbeat that pages can see: one publish a second, however many there are, and
// nothing for those who have gone.
func beat(ctx context.Context, s *run.Server) {
	for tick := time.NewTicker(time.Second); ; {
		select {
		case <-ctx.Done():
			tick.Stop()
			return
		case now := <-tick.C:
			if err := s.Post(ctx, "/v1/rooms/shop:clock/messages?kind=beat", now.Format(time.TimeOnly), nil); err != nil && ctx.Err() == nil {
				log.Print(err)
			}
		}
	}
}
