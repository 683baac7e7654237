// Support is customer service: customers who wait for an agent, agents with several talks at a
// time, pictures, and a transcript that another company gets when a case is closed.
package main

import (
	"context"
	"crypto/rand"
	"embed"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"barrage/examples/internal/run"
)

//go:embed barrage.yaml page
var files embed.FS

var crm = flag.String("crm", "", "`URL` that transcripts are sent to; default is this program's own /crm")

const maxImage = 1 << 20

func main() {
	d := &desk{cases: map[string]*talk{}, images: map[string]image{}}
	run.Main(run.Example{Files: files, Tokens: true, Backend: d.routes})
}

// desk is what the shop's own program knows. What was said it leaves to the server.
type desk struct {
	s *run.Server

	mu      sync.Mutex
	count   int
	waiting []string         // customers, in their order
	cases   map[string]*talk // by customer
	images  map[string]image
	sent    []json.RawMessage // to the own /crm
}

type image struct {
	kind string
	data []byte
}

func (d *desk) routes(s *run.Server, mux *http.ServeMux) {
	d.s = s
	mux.HandleFunc("POST /enter", d.enter)
	mux.HandleFunc("POST /agent", d.agent)
	mux.HandleFunc("POST /upload", d.upload)
	mux.HandleFunc("GET /images/{id}", d.image)
	mux.HandleFunc("POST /barrage/desk", d.request)
	mux.HandleFunc("POST /barrage/events", d.events)
	mux.HandleFunc("POST /crm", func(_ http.ResponseWriter, q *http.Request) {
		text, _ := io.ReadAll(io.LimitReader(q.Body, 16<<20))
		d.mu.Lock()
		defer d.mu.Unlock()
		d.sent = append(d.sent, text)
	})
	mux.HandleFunc("GET /crm", func(w http.ResponseWriter, _ *http.Request) {
		d.mu.Lock()
		defer d.mu.Unlock()
		run.Reply(w, d.sent)
	})
}

// enter opens a case for a customer, who gets a place in the queue.
func (d *desk) enter(w http.ResponseWriter, q *http.Request) {
	name := q.URL.Query().Get("name")
	d.mu.Lock()
	d.count++
	user := fmt.Sprint("customer-", d.count)
	d.cases[user] = &talk{name: name}
	d.waiting = append(d.waiting, user)
	place := len(d.waiting)
	d.mu.Unlock()
	d.tell(user, "welcome", map[string]any{"text": "Welcome, " + name + ". What can we do for you?", "place": place})
	d.queue()
	run.Reply(w, d.s.Token(map[string]any{"sub": user, "name": name, "rooms": []string{"desk"}, "dm": []string{"agent-*"}}))
}

// agent is a login for agents. A real one has passwords.
func (d *desk) agent(w http.ResponseWriter, q *http.Request) {
	name, avatar := q.URL.Query().Get("name"), q.URL.Query().Get("avatar")
	user := "agent-" + strings.ToLower(name)
	d.tell(user, "welcome", map[string]any{"text": "Welcome back, " + name + "."})
	run.Reply(w, d.s.Token(map[string]any{"sub": user, "name": name, "avatar": "https://shop.example/avatars/" + avatar + ".svg", "rooms": []string{"desk", "team"}}))
	d.queue()
}

// queue shows all agents who is waiting.
func (d *desk) queue() {
	d.mu.Lock()
	list := make([]map[string]string, 0, len(d.waiting))
	for _, user := range d.waiting {
		list = append(list, map[string]string{"user": user, "name": d.cases[user].name})
	}
	d.mu.Unlock()
	d.post("/v1/rooms/team/messages?kind=queue", list)
}

// upload takes a picture, and returns the address that is sent instead of it.
func (d *desk) upload(w http.ResponseWriter, q *http.Request) {
	data, err := io.ReadAll(http.MaxBytesReader(w, q.Body, maxImage))
	kind := http.DetectContentType(data)
	if _, who := d.s.Who(q); who != nil || err != nil || !strings.HasPrefix(kind, "image/") {
		http.Error(w, "a picture of up to 1 MiB, of somebody who is logged in", http.StatusBadRequest)
		return
	}
	id := rand.Text()
	d.mu.Lock()
	d.images[id] = image{kind, data}
	d.mu.Unlock()
	run.Reply(w, "/images/"+id)
}

func (d *desk) image(w http.ResponseWriter, q *http.Request) {
	d.mu.Lock()
	i, known := d.images[q.PathValue("id")]
	d.mu.Unlock()
	if !known {
		http.NotFound(w, q)
		return
	}
	w.Header().Set("Content-Type", i.kind)
	_, _ = w.Write(i.data)
}

// tell writes to a user. It waits for them if they are not there.
func (d *desk) tell(user, kind string, data any) {
	d.post("/v1/users/"+url.PathEscape(user)+"/messages?kind="+kind, data)
}

func (d *desk) post(path string, data any) {
	if err := d.s.Post(context.Background(), path, data, nil); err != nil {
		log.Print(err)
	}
}
