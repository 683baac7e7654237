// Package client is a client of a Barrage server for Go programs: rooms, publishing, and
// coming back by itself.
//
//	c, err := client.New("wss://example.com/ws", client.Options{})
//	defer c.Close()
//	room, err := c.Join("lobby", client.JoinOptions{History: 10})
//	published, err := room.Publish(ctx, "hello", client.PublishOptions{})
//	for {
//		event, err := room.Next(ctx) // a client.Message, client.Gap or client.Joined
//	}
//
// One connection carries all rooms. Over any number of cuts, restarts and changes of the
// server, the messages of a room come in order and each once; what cannot be had any more
// is told as a Gap, with the reason. A Publish is tried again, with one key, until it is
// answered or its context ends.
//
// # Ownership
//
// One goroutine, run, owns all that a client knows; others post functions to it, and it
// waits for nobody. Each connection has two goroutines more, one that connects and reads,
// and one that writes; a token that is renewed has one while it is asked for. They end with
// Close, which waits for them, or when the server says not to come back. Between run and
// Next is a bounded buffer: a room whose events nobody takes is left when it is full, and
// joined again behind what was taken in when it is empty, so that it holds up no other.
package client
