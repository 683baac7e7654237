// Group-chat is a chat of several rooms, in which the first message of a connection is
// user:password, and a program behind the server decides about it.
package main

import (
	"context"
	"crypto/subtle"
	"embed"
	"encoding/json"
	"log"
	"net/http"
	"net/url"
	"strings"

	"barrage/examples/internal/run"
)

//go:embed barrage.yaml page
var files embed.FS

// passwords stand for the table of users, which has hashes.
var passwords = map[string]string{"ann": "secret", "bob": "hunter2", "eve": "letmein"}

var groups = []string{"group:tea", "group:cake"}

func main() {
	run.Main(run.Example{Files: files, Tokens: true, Backend: routes})
}

func routes(s *run.Server, mux *http.ServeMux) {
	mux.HandleFunc("POST /barrage", func(w http.ResponseWriter, q *http.Request) {
		var ask question
		if err := s.Signed(q, &ask); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		if ask.Hook == "connect" {
			run.Reply(w, login(ask.Message))
		} else {
			run.Reply(w, heard(s, &ask))
		}
	})
	// A token for clients that have it in the path, or as a cookie.
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, q *http.Request) {
		user, password, _ := q.BasicAuth()
		if !right(user, password) {
			http.Error(w, "wrong password", http.StatusUnauthorized)
			return
		}
		run.Reply(w, s.Token(map[string]any{"sub": user, "name": name(user), "rooms": []string{"group:*", "haibo"}}))
	})
}

// question is what the server asks: who is this, or may this be said.
type question struct {
	Hook, Message, User, Conn string
	Data                      json.RawMessage
}

func login(message string) any {
	user, password, _ := strings.Cut(message, ":")
	if !right(user, password) {
		return refusal("wrong_password", "Wrong user or password, try again.")
	}
	return map[string]any{"user": user, "name": name(user), "rooms": groups, "welcome": "Congratulations, " + name(user) + ", you are in."}
}

func right(user, password string) bool {
	want, known := passwords[user]
	return subtle.ConstantTimeCompare([]byte(want), []byte(password)) == 1 && known
}

// heard lets pass what somebody says, and tells them alone that it was heard; who says exit
// is shown out.
func heard(s *run.Server, ask *question) any {
	var text string
	if json.Unmarshal(ask.Data, &text) != nil {
		return refusal("text_only", "This chat is for texts.")
	}
	if text == "exit" {
		go post(s, "/v1/connections/"+url.PathEscape(ask.Conn)+"/disconnect", map[string]string{"reason": "user exit"}) // it ends by itself; the answer is not to wait for it
		return refusal("exit", "Good bye.")
	}
	go post(s, "/v1/users/"+url.PathEscape(ask.User)+"/messages?kind=context&ttl=1m", "your submit context: "+text)
	return map[string]any{}
}

func post(s *run.Server, path string, body any) {
	if err := s.Post(context.Background(), path, body, nil); err != nil {
		log.Print(err)
	}
}

func refusal(code, message string) any {
	return map[string]any{"error": map[string]string{"code": code, "message": message}}
}

func name(user string) string { return strings.ToUpper(user[:1]) + user[1:] }
