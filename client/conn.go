package client

// This file is one WebSocket: how it is made, read and written.

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"
)

const (
	// maxFrame bounds what one frame of the server may make this client hold.
	maxFrame  = 16 << 20
	writeTime = 10 * time.Second
)

// conn is a connection, or the try of one. What it reads is posted to run.
type conn struct {
	client *Client
	ctx    context.Context
	cancel context.CancelFunc
	out    chan []byte // frames to write; run never waits for room in it

	// Of run:
	bye   *bye
	token string // what it was made with, or a newer one
}

// run is the connection's goroutine.
func (k *conn) run(refused string) {
	how := k.talk(refused)
	k.cancel()
	k.client.post(func() { k.client.lost(k, how) })
}

func (k *conn) talk(refused string) (how ending) {
	token, err := "", error(nil)
	if k.client.opt.Token != nil {
		if token, err = k.client.opt.Token(k.ctx); err != nil {
			return ending{code: 1006, err: fmt.Errorf("getting a token: %w", err)}
		}
	}
	if token != "" && token == refused {
		return ending{final: true, err: errors.New("the token has expired, and there is no newer one")}
	}
	defer func() { how.token = token }()
	socket, response, err := k.dial(token)
	if err != nil {
		return notConnected(response, err)
	}
	defer func() { _ = socket.CloseNow() }()
	if socket.Subprotocol() != "barrage.v1" {
		return ending{final: true, err: errors.New("the server does not speak barrage.v1")}
	}
	socket.SetReadLimit(maxFrame)
	k.client.post(func() { k.token = token })
	k.client.wg.Go(func() { k.write(socket) })
	return k.read(socket)
}

func (k *conn) dial(token string) (*websocket.Conn, *http.Response, error) {
	header := http.Header{}
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	return websocket.Dial(k.ctx, k.client.url, &websocket.DialOptions{
		HTTPClient: k.client.opt.HTTPClient, HTTPHeader: header, Subprotocols: []string{"barrage.v1"},
		CompressionMode: websocket.CompressionNoContextTakeover,
	})
}

func (k *conn) read(socket *websocket.Conn) ending {
	for {
		_, frame, err := socket.Read(k.ctx)
		if err != nil {
			return ended(err)
		}
		all, err := decode(frame)
		if err != nil {
			return ending{code: 1006, err: err}
		}
		taken := k.client.post(func() {
			k.client.link.heard = time.Now()
			k.client.link.asked = false
			for _, what := range all {
				if k.client.link.now == k {
					k.client.take(what)
				}
			}
		})
		if !taken {
			return ending{err: ErrClosed}
		}
	}
}

func (k *conn) write(socket *websocket.Conn) {
	for {
		select {
		case frame := <-k.out:
			ctx, cancel := context.WithTimeout(k.ctx, writeTime)
			err := socket.Write(ctx, websocket.MessageText, frame)
			cancel()
			if err != nil {
				_ = socket.CloseNow() // the reader tells
				return
			}
		case <-k.ctx.Done():
			return
		}
	}
}

// ended is how a connection ended that there was.
func ended(err error) ending {
	e, ok := errors.AsType[websocket.CloseError](err)
	if !ok {
		return ending{code: 1006, err: err}
	}
	return ending{code: int(e.Code), err: fmt.Errorf("the server closed the connection with %d: %s", e.Code, e.Reason)}
}

// notConnected is how a try ended: docs/interfaces.md, "Refused handshakes".
func notConnected(response *http.Response, err error) ending {
	how := ending{code: 1006, err: err}
	if response == nil || response.StatusCode < 400 {
		return how
	}
	why := response.Header.Get("Barrage-Error")
	how.err = fmt.Errorf("the server refuses the connection with %s %s", response.Status, why)
	how.old = why == "token_expired" || strings.HasPrefix(why, "token_not_yet")
	switch status := response.StatusCode; {
	case status == http.StatusRequestTimeout || status == http.StatusTooManyRequests || status >= 500:
		if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && seconds > 0 {
			how.wait = time.Duration(min(seconds, 3600)) * time.Second
		}
	default:
		how.final = true
	}
	return how
}
