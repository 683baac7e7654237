// Gws is a room server on github.com/lxzan/gws as its README broadcasts: one
// Broadcaster for a message, called for each connection.
//
// Choices: one goroutine a connection, which reads; it does not keep the request
// alive. Read buffers are 1 KB, enough for viewers who say little. Writing is the
// Broadcaster's: it queues a job on the connection and starts a goroutine when
// none is at work there. That queue has no bound, the library's custom, so that
// nothing is lost, and a slow member costs memory. No deadline: the library leaves
// heartbeats to the application, and TCP keepalive of net/http's listener finds
// the dead.
package main

import (
	"iter"
	"net/http"
	"runtime"

	"barrage/loadtest/peers/peer"

	"github.com/lxzan/gws"
)

// handler forgets what members say; the rest is the library's.
type handler struct{ gws.BuiltinEventHandler }

// OnMessage gives the message's buffer back.
func (handler) OnMessage(_ *gws.Conn, message *gws.Message) { message.Close() }

func main() {
	// Queueing makes no system call, but takes a lock and starts a goroutine for
	// most members: work for all cores.
	hub := peer.NewHub(runtime.GOMAXPROCS(0), deliver)
	upgrader := gws.NewUpgrader(handler{}, &gws.ServerOption{ReadBufferSize: 1024})
	peer.Serve(peer.Handler(func(w http.ResponseWriter, r *http.Request, room string) {
		conn, err := upgrader.Upgrade(w, r)
		if err != nil {
			return // Upgrade has answered
		}
		leave := hub.Join(room, conn)
		go func() {
			conn.ReadLoop()
			leave()
		}()
	}, hub.Publish))
}

// deliver hands one message to the queues of all.
func deliver(members iter.Seq[*gws.Conn], payload []byte) {
	broadcaster := gws.NewBroadcaster(gws.OpcodeText, payload)
	defer broadcaster.Close()
	for conn := range members {
		broadcaster.Broadcast(conn) // its error is that the connection is closed: ReadLoop ends
	}
}
