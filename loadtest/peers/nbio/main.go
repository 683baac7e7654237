// Nbio is a room server on github.com/lesismal/nbio in non-blocking mode: its
// HTTP engine and its WebSocket, no goroutine for a connection.
//
// Choices: the engine as the author's own benchmark configures it (non-blocking,
// payload buffers released, no read deadline for members who never speak).
// WriteMessage is called for each member by as many goroutines as there are cores;
// it writes at once, and what the kernel does not take waits in nbio's write
// buffer, which has no bound by default, so that nothing is lost. The library has
// no prepared message: each member's frame is built anew.
package main

import (
	"iter"
	"net/http"
	"runtime"
	"time"

	"barrage/loadtest/peers/peer"

	"github.com/lesismal/nbio/logging"
	"github.com/lesismal/nbio/nbhttp"
	"github.com/lesismal/nbio/nbhttp/websocket"
)

func main() {
	logging.SetLevel(logging.LevelError)
	hub := peer.NewHub(runtime.GOMAXPROCS(0), deliver)
	upgrader := websocket.NewUpgrader()
	upgrader.OnMessage(func(*websocket.Conn, websocket.MessageType, []byte) {})
	upgrader.OnClose(func(c *websocket.Conn, _ error) {
		if leave, ok := c.SessionWithLock().(func()); ok {
			leave()
		}
	})
	engine := nbhttp.NewEngine(nbhttp.Config{
		Network:                 "tcp",
		Addrs:                   []string{peer.Address()},
		IOMod:                   nbhttp.IOModNonBlocking,
		ReleaseWebsocketPayload: true,
		Handler: peer.Handler(func(w http.ResponseWriter, r *http.Request, room string) {
			conn, err := upgrader.Upgrade(w, r, nil)
			if err != nil {
				return // Upgrade has answered
			}
			conn.SetReadDeadline(time.Time{})
			conn.SetSession(hub.Join(room, conn))
		}, hub.Publish),
	})
	if err := engine.Start(); err != nil {
		peer.Fail(err)
	}
	peer.Wait()
}

// deliver writes one message to all.
func deliver(members iter.Seq[*websocket.Conn], payload []byte) {
	for conn := range members {
		conn.WriteMessage(websocket.TextMessage, payload) // its error is that the connection is closed: OnClose follows
	}
}
