// Live-room is a live room as small sites have it: a page with comments that fly, a login
// that is a nickname and a picture, gifts, and a program behind it that makes tokens,
// announces things, and keeps what was said.
package main

import (
	"context"
	"embed"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net/http"
	"strings"
	"sync"
	"time"

	"barrage/examples/internal/run"
)

//go:embed barrage.yaml page
var files embed.FS

var every = flag.Duration("every", 20*time.Second, "`TIME` between two announcements")

const room = "live:1"

func main() {
	r := &liveRoom{began: time.Now(), users: map[string]string{}, saved: map[string]bool{}}
	run.Main(run.Example{Files: files, Redis: true, Tokens: true, Backend: r.routes, Work: r.announce})
}

type liveRoom struct {
	began time.Time

	mu    sync.Mutex
	users map[string]string // nickname to user id
	saved map[string]bool   // by the id of the message
	texts []string
}

func (r *liveRoom) routes(s *run.Server, mux *http.ServeMux) {
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, q *http.Request) { r.login(s, w, q) })
	mux.HandleFunc("POST /barrage/events", func(w http.ResponseWriter, q *http.Request) { r.save(s, w, q) })
	mux.HandleFunc("GET /saved", func(w http.ResponseWriter, _ *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		run.Reply(w, r.texts)
	})
}

// login gives whoever asks for a nickname a token with it. A real site has passwords.
func (r *liveRoom) login(s *run.Server, w http.ResponseWriter, q *http.Request) {
	var want struct{ Name, Avatar string }
	err := json.NewDecoder(http.MaxBytesReader(w, q.Body, 4096)).Decode(&want)
	want.Name = strings.TrimSpace(want.Name)
	if err != nil || want.Name == "" || len(want.Name) > 60 {
		http.Error(w, "a nickname has 1 to 60 bytes", http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	user, known := r.users[want.Name]
	if !known {
		user = fmt.Sprint("viewer-", len(r.users)+1)
		r.users[want.Name] = user
	}
	r.mu.Unlock()
	avatar := "https://live.example/avatars/" + want.Avatar + ".svg"
	token := s.Token(map[string]any{"sub": user, "name": want.Name, "avatar": avatar, "rooms": []string{"live:*"}})
	run.Reply(w, map[string]string{"token": token, "avatar": avatar})
}

// save keeps each message once. The server tells of each at least once, and it is the
// server that tells, so a user with three windows is not saved three times.
func (r *liveRoom) save(s *run.Server, w http.ResponseWriter, q *http.Request) {
	var batch struct {
		Events []struct {
			Message struct {
				ID   string
				Data json.RawMessage
			}
		}
	}
	if err := s.Signed(q, &batch); err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, event := range batch.Events {
		if m := event.Message; !r.saved[m.ID] {
			r.saved[m.ID] = true
			r.texts = append(r.texts, string(m.Data))
		}
	}
}

// announce is what comes by itself: by the clock, and when the audience has grown.
func (r *liveRoom) announce(ctx context.Context, s *run.Server) {
	most := 0
	for tick := time.NewTicker(*every); ; {
		select {
		case <-ctx.Done():
			tick.Stop()
			return
		case <-tick.C:
		}
		r.say(ctx, s, fmt.Sprintf("On air for %v", time.Since(r.began).Round(time.Second)))
		var now struct{ Cluster struct{ Members int } }
		if err := s.Get(ctx, "/v1/rooms/"+room, &now); err != nil {
			log.Print(err)
		} else if now.Cluster.Members > most {
			most = now.Cluster.Members
			r.say(ctx, s, fmt.Sprintf("%d are watching, more than ever", most))
		}
	}
}

// say announces something. It is for those who are there: nobody reads it later.
func (r *liveRoom) say(ctx context.Context, s *run.Server, text string) {
	if err := s.Post(ctx, "/v1/rooms/"+room+"/messages?kind=notice&history=false", text, nil); err != nil && ctx.Err() == nil {
		log.Print(err)
	}
}
