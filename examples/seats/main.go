// Seats is a cinema's seat map, or a shop's stock: pages show it, a till changes it, and is
// told by an old HTTP interface (?merchantId=) or by Redis to have them refreshed.
package main

import (
	"embed"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"

	"barrage/examples/internal/run"
)

//go:embed barrage.yaml page
var files embed.FS

func main() {
	c := &cinema{taken: map[string]map[string]bool{}}
	run.Main(run.Example{Files: files, Redis: true, Backend: c.routes})
}

// cinema is the database: which seats of which merchant are taken. Who is watching it does
// not know.
type cinema struct {
	mu    sync.Mutex
	taken map[string]map[string]bool
}

func (c *cinema) routes(s *run.Server, mux *http.ServeMux) {
	mux.HandleFunc("POST /merchant", func(w http.ResponseWriter, q *http.Request) {
		run.Reply(w, map[string]string{"merchantId": q.URL.Query().Get("cinema")})
	})
	mux.HandleFunc("GET /map", func(w http.ResponseWriter, q *http.Request) { run.Reply(w, c.seats(q.URL.Query().Get("merchantId"))) })
	mux.HandleFunc("POST /take", func(_ http.ResponseWriter, q *http.Request) {
		c.take(q.URL.Query().Get("merchantId"), q.URL.Query().Get("seat"))
	})
	mux.HandleFunc("GET /refresh", func(w http.ResponseWriter, q *http.Request) {
		if err := refresh(s, q, q.URL.Query().Get("merchantId")); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		fmt.Fprint(w, "success")
	})
	mux.HandleFunc("POST /barrage/seats", func(w http.ResponseWriter, q *http.Request) { c.reserve(s, w, q) })
}

// refresh is what the tills of old call: everybody who looks at this merchant reads the map
// anew. The server knows who that is; there is no list to keep, in Redis or elsewhere.
func refresh(s *run.Server, q *http.Request, merchant string) error {
	return s.Post(q.Context(), "/v1/rooms/merchantId_"+url.PathEscape(merchant)+"/messages", "refresh", nil)
}

// reserve answers the request seat.reserve of a page, which the server passes on.
func (c *cinema) reserve(s *run.Server, w http.ResponseWriter, q *http.Request) {
	var ask struct {
		Data struct{ Merchant, Seat string }
	}
	if err := s.Signed(q, &ask); err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	if !c.take(ask.Data.Merchant, ask.Data.Seat) {
		run.Reply(w, map[string]any{"error": map[string]string{"code": "sold_out", "message": "Seat " + ask.Data.Seat + " is taken."}})
		return
	}
	run.Reply(w, map[string]any{"data": ask.Data})
	if err := refresh(s, q, ask.Data.Merchant); err != nil {
		fmt.Println(err)
	}
}

// take takes a seat, if it is free.
func (c *cinema) take(merchant, seat string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.taken[merchant][seat] || !slices.Contains(plan, seat) {
		return false
	}
	if c.taken[merchant] == nil {
		c.taken[merchant] = map[string]bool{}
	}
	c.taken[merchant][seat] = true
	return true
}

func (c *cinema) seats(merchant string) map[string]any {
	c.mu.Lock()
	defer c.mu.Unlock()
	return map[string]any{"plan": plan, "taken": slices.Sorted(maps.Keys(c.taken[merchant]))}
}

// plan are the seats of every hall.
var plan = func() (seats []string) {
	for row := 'A'; row <= 'F'; row++ {
		for number := 1; number <= 10; number++ {
			seats = append(seats, fmt.Sprintf("%c%d", row, number))
		}
	}
	return seats
}()
