package main

// Event streams through proxies.

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// streams: an event comes through when it is said, not when a buffer of the proxy is full,
// and so does what is posted, however the proxy passes it on.
func (f *front) streams() {
	f.t.Helper()
	const from = "127.0.0.41"
	viewer := f.dial(from, f.proxy.addr)
	host := viewer.conn.RemoteAddr().String()
	_, err := fmt.Fprintf(viewer.conn, "GET /sse?room=stream HTTP/1.1\r\nHost: %s\r\n\r\n", host)
	if err != nil {
		f.t.Fatal(err)
	}
	resp, err := http.ReadResponse(viewer.r, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream; charset=utf-8" {
		f.t.Fatalf("status %d, %v", resp.StatusCode, resp.Header)
	}
	events := bufio.NewReader(resp.Body)
	until := func(what string) {
		f.t.Helper()
		for line := ""; !strings.Contains(line, what); {
			if line, err = events.ReadString('\n'); err != nil {
				f.t.Fatalf("%v instead of %q", err, what)
			}
		}
	}
	until("event: joined")
	poster := f.dial(from, f.proxy.addr)
	for i, body := range []string{
		"Content-Length: 32\r\n\r\n" + `{"room":"stream","data":"first"}`,
		"Transfer-Encoding: chunked\r\n\r\n" + "10\r\n" + `{"room":"stream"` + "\r\n10\r\n" + `,"data":"second"` + "\r\n1\r\n}\r\n0\r\n\r\n",
	} {
		if _, err := io.WriteString(poster.conn, "POST /publish HTTP/1.1\r\nHost: "+host+"\r\n"+body); err != nil {
			f.t.Fatal(err)
		}
		resp, err := http.ReadResponse(poster.r, nil)
		if err != nil {
			f.t.Fatal(err)
		}
		answer, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != http.StatusOK {
			f.t.Fatalf("status %d: %s", resp.StatusCode, answer)
		}
		until([]string{`"data":"first"`, `"data":"second"`}[i])
	}
	_ = viewer.conn.Close()
	_ = poster.conn.Close()
	// HAProxy finds out that a viewer is gone when it has something for them.
	await(f.t, "the viewer to be gone", func() bool {
		f.node.do("POST", "/v1/rooms/stream/messages", "", "anybody?")
		return f.node.metrics()["barrage_connections"] == 0
	})
}
