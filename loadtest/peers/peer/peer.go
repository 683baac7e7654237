// Package peer is what the adapters have in common and what no library brings:
// the command line, the publish handler, rooms, and a queue.
//
// The contract of an adapter:
//
//	-listen 127.0.0.1:PORT       where it listens
//	GET  /ws?room=R              joins room R
//	POST /pub?room=R             broadcasts the body as one text message to all
//	                             members of R; 200 when it was queued
//
// It prints "ready" when it listens, and SIGTERM ends it. Every member of a room
// gets its messages in the order in which they were published. The Go runtime
// raises the limit of open files to the hard limit at the start of the program.
//
// Hub and Queue may be used by any goroutine.
package peer

import (
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

// maxPayload bounds the body of a publish request.
const maxPayload = 1 << 20

// Address reads the command line and returns where to listen.
func Address() string {
	listen := flag.String("listen", "127.0.0.1:8080", "address to listen on")
	flag.Parse()
	return *listen
}

// Handler routes /ws to join and /pub to publish. It refuses requests without a
// room.
func Handler(join func(w http.ResponseWriter, r *http.Request, room string), publish func(room string, payload []byte)) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ws", func(w http.ResponseWriter, r *http.Request) {
		if room := roomOf(w, r); room != "" {
			join(w, r, room)
		}
	})
	mux.HandleFunc("POST /pub", func(w http.ResponseWriter, r *http.Request) {
		room := roomOf(w, r)
		if room == "" {
			return
		}
		payload, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPayload))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		publish(room, payload)
	})
	return mux
}

func roomOf(w http.ResponseWriter, r *http.Request) string {
	room := r.URL.Query().Get("room")
	if room == "" {
		http.Error(w, "room is missing", http.StatusBadRequest)
	}
	return room
}

// Serve serves h with net/http until SIGTERM. It is the whole of main for the
// libraries that take over connections of net/http.
func Serve(h http.Handler) {
	ln, err := net.Listen("tcp", Address())
	if err != nil {
		Fail(err)
	}
	server := &http.Server{Handler: h}
	go func() { // ends with the process
		if err := server.Serve(ln); err != nil {
			Fail(err)
		}
	}()
	Wait()
}

// Wait says that the program is ready, and returns at SIGTERM.
func Wait() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	fmt.Println("ready")
	<-stop
}

// Fail ends the program with an error.
func Fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
