// Boards are five small pages that change by themselves: live quotes, a dashboard of orders, a
// courier on a map, an auction, and a login by scanning a code with a phone.
package main

import (
	"context"
	"embed"
	"flag"
	"fmt"
	"log"
	"math"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"barrage/examples/internal/run"
)

//go:embed barrage.yaml page
var files embed.FS

var every = flag.Duration("every", time.Second, "`TIME` between two changes of quotes, orders and the courier")

func main() {
	a := &auction{Item: "A lamp, 1932", Price: 40}
	l := &logins{asked: map[string]time.Time{}}
	run.Main(run.Example{Files: files, Tokens: true, Work: change, Backend: func(s *run.Server, mux *http.ServeMux) {
		mux.HandleFunc("POST /barrage/bid", func(w http.ResponseWriter, q *http.Request) { a.bid(s, w, q) })
		mux.HandleFunc("POST /qr", l.ask)
		mux.HandleFunc("GET /qr/{id}", func(w http.ResponseWriter, q *http.Request) { l.code(s, w, q) })
		mux.HandleFunc("POST /confirm", func(w http.ResponseWriter, q *http.Request) { l.confirm(s, w, q) })
		mux.HandleFunc("POST /order", func(_ http.ResponseWriter, q *http.Request) { ordered(q.Context(), s, 1) })
	}})
}

// publish tells everybody who looks at a board what is new.
func publish(ctx context.Context, s *run.Server, board string, data any) {
	if err := s.Post(ctx, "/v1/rooms/"+board+"/messages?kind="+board, data, nil); err != nil && ctx.Err() == nil {
		log.Print(err)
	}
}

// change stands for the world: a stock exchange, customers, a courier.
func change(ctx context.Context, s *run.Server) {
	prices := map[string]float64{"BRG": 112.4, "KTTL": 31.07, "CAKE": 8.9}
	tick := time.NewTicker(*every)
	defer tick.Stop()
	for angle := 0.0; ; angle += 0.1 {
		for name, price := range prices {
			prices[name] = math.Round(price*(1+(rand.Float64()-.5)/50)*100) / 100
		}
		publish(ctx, s, "quotes", prices)
		publish(ctx, s, "courier", map[string]float64{"x": 50 + 34*math.Cos(angle), "y": 50 + 30*math.Sin(2*angle)})
		ordered(ctx, s, rand.IntN(3))
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// orders are those of today. The whole state is published each time, so that one message is
// all that anybody needs.
var orders struct {
	mu    sync.Mutex
	total int
	last  []int // of the last 20 ticks
}

func ordered(ctx context.Context, s *run.Server, n int) {
	orders.mu.Lock()
	orders.total += n
	orders.last = append(orders.last, n)
	orders.last = orders.last[max(0, len(orders.last)-20):]
	state := map[string]any{"total": orders.total, "last": append([]int(nil), orders.last...)}
	orders.mu.Unlock()
	publish(ctx, s, "orders", state)
}

// auction has one item. Whose bid is higher is decided here, one bid after the other.
type auction struct {
	mu     sync.Mutex
	Item   string `json:"item"`
	Price  int    `json:"price"`
	Bidder string `json:"bidder"`
	Bids   int    `json:"bids"`
}

// bid answers the request auction.bid of a page, which the server passes on.
func (a *auction) bid(s *run.Server, w http.ResponseWriter, q *http.Request) {
	var ask struct {
		Data struct {
			Name   string
			Amount int
		}
	}
	if err := s.Signed(q, &ask); err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock() // until it is published: so what comes last is the newest
	if ask.Data.Amount <= a.Price {
		run.Reply(w, map[string]any{"error": map[string]string{"code": "too_low", "message": fmt.Sprintf("The price is %d already.", a.Price)}})
		return
	}
	a.Price, a.Bidder = ask.Data.Amount, ask.Data.Name
	a.Bids++
	publish(q.Context(), s, "auction", a)
	run.Reply(w, map[string]any{"data": a.Price})
}
