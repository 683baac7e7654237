// The login by a code: the page shows it, a phone that is logged in confirms it, and the page
// is told in a room that only it knows of.

package main

import (
	"crypto/rand"
	"net/http"
	"sync"
	"time"

	"rsc.io/qr"

	"barrage/examples/internal/run"
)

const codeLasts = 2 * time.Minute

type logins struct {
	mu    sync.Mutex
	asked map[string]time.Time // by the code's id: until when it is good
}

func (l *logins) ask(w http.ResponseWriter, _ *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, until := range l.asked {
		if time.Now().After(until) {
			delete(l.asked, id)
		}
	}
	id := rand.Text()
	l.asked[id] = time.Now().Add(codeLasts)
	run.Reply(w, map[string]string{"id": id})
}

// code is the picture of an id.
func (l *logins) code(s *run.Server, w http.ResponseWriter, q *http.Request) {
	code, err := qr.Encode(s.Page+"/phone.html?id="+q.PathValue("id"), qr.M)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "image/png")
	_, _ = w.Write(code.PNG())
}

// confirm is the phone's: a real one says by its session who it is. A code is good once.
func (l *logins) confirm(s *run.Server, w http.ResponseWriter, q *http.Request) {
	id, name := q.URL.Query().Get("id"), q.URL.Query().Get("name")
	l.mu.Lock()
	until, known := l.asked[id]
	delete(l.asked, id)
	l.mu.Unlock()
	if !known || time.Now().After(until) {
		http.Error(w, "This code is over.", http.StatusGone)
		return
	}
	publish(q.Context(), s, "login:"+id, map[string]string{"token": s.Token(map[string]any{"sub": "phone-" + name, "name": name})})
}
