// Gorilla is the chat example of github.com/gorilla/websocket as a room server:
// a hub, and for each connection a goroutine that reads and one that writes.
//
// Choices, all in its favour where the documentation knows something better than
// the example: a message is prepared once for all (PreparedMessage), write
// buffers are pooled (WriteBufferPool), and the queue of a connection is as deep
// as it needs to be, not a channel of fixed depth. As in the example, a member
// whose queue is full is closed; 16,384 messages are more than any run of the
// bench sends, so that nobody is.
package main

import (
	"iter"
	"net/http"
	"sync"
	"time"

	"barrage/loadtest/peers/peer"

	"github.com/gorilla/websocket"
)

// The example's own.
const (
	writeWait  = 10 * time.Second
	pongWait   = 60 * time.Second
	pingPeriod = pongWait * 9 / 10
	bufferSize = 1024
)

const queueDepth = 16384

type client struct {
	conn  *websocket.Conn
	queue *peer.Queue[*websocket.PreparedMessage]
}

func main() {
	hub := peer.NewHub(1, deliver)
	upgrader := &websocket.Upgrader{
		ReadBufferSize:  bufferSize,
		WriteBufferSize: bufferSize,
		WriteBufferPool: &sync.Pool{},
	}
	peer.Serve(peer.Handler(func(w http.ResponseWriter, r *http.Request, room string) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return // Upgrade has answered
		}
		c := &client{conn: conn, queue: peer.NewQueue[*websocket.PreparedMessage](queueDepth)}
		leave := hub.Join(room, c)
		go c.writePump()
		// A goroutine of its own lets go of the request's memory.
		go func() {
			c.readPump()
			leave()
			c.queue.Close()
		}()
	}, hub.Publish))
}

// deliver queues one message for all.
func deliver(members iter.Seq[*client], payload []byte) {
	message, err := websocket.NewPreparedMessage(websocket.TextMessage, payload)
	if err != nil {
		return
	}
	for c := range members {
		if !c.queue.Push(message) {
			c.conn.Close() // and readPump sees it
		}
	}
}

// readPump reads and forgets until the connection ends.
func (c *client) readPump() {
	defer c.conn.Close()
	c.conn.SetReadLimit(512)
	c.conn.SetReadDeadline(time.Now().Add(pongWait))
	c.conn.SetPongHandler(func(string) error { return c.conn.SetReadDeadline(time.Now().Add(pongWait)) })
	for {
		if _, _, err := c.conn.NextReader(); err != nil {
			return
		}
	}
}

// writePump writes what is queued, until the queue is closed or a write fails.
func (c *client) writePump() {
	ticker := time.NewTicker(pingPeriod)
	defer ticker.Stop()
	defer c.conn.Close()
	for {
		select {
		case <-c.queue.Wake():
			messages, open := c.queue.Take()
			if !open {
				return
			}
			for _, message := range messages {
				c.conn.SetWriteDeadline(time.Now().Add(writeWait))
				if c.conn.WritePreparedMessage(message) != nil {
					return
				}
			}
		case <-ticker.C:
			if c.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeWait)) != nil {
				return
			}
		}
	}
}
