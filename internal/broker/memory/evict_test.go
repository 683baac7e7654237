package memory_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"barrage/internal/broker"
	"barrage/internal/broker/memory"
)

// from is a publication of a client at an address.
func from(address byte, user, room, payload string) broker.Publication {
	return broker.Publication{
		Room: room, Format: broker.Text, Payload: []byte(payload), Sender: broker.Sender{User: user, Conn: "c"},
		From: netip.AddrFrom4([4]byte{10, 0, 0, address}),
	}
}

func kept(t *testing.T, m *memory.Broker, room string) int {
	t.Helper()
	return len(history(t, m, room, broker.Query{}).Messages)
}

// TestEvictShares: sockets that fill the memory for histories lose their own messages,
// however many rooms they use, and nobody else's: not other viewers', not a backend's,
// and above all not what waits for users.
func TestEvictShares(t *testing.T) {
	const bound, rooms = 1 << 20, 20
	for _, flood := range []struct {
		name  string
		rooms int
		cfg   memory.Config
		size  int
	}{
		{"bytes in one room", 1, memory.Config{MaxBytes: bound}, 8 << 10},
		{"bytes in many rooms", 200, memory.Config{MaxBytes: bound}, 8 << 10},
		{"rooms", 5000, memory.Config{MaxRooms: 200}, 1},
	} {
		t.Run(flood.name, func(t *testing.T) {
			flood.cfg.Rules = all(1000, time.Hour)
			m := newMemory(t, flood.cfg, nobody{})
			for i := range rooms {
				for k := range 10 {
					send(t, m, from(byte(100+(i+k)%10), "", fmt.Sprint("honest", i), "hello"))
				}
			}
			publish(t, m, "news", strings.Repeat("x", 10_000))
			waiting := from(150, "ada", "user:bob", "important")
			waiting.Confirm = true
			send(t, m, waiting)
			send(t, m, from(1, "", "honest0", "a guest of the room")) // is not its death
			for i := range 5000 {
				send(t, m, from(byte(1+i%2), fmt.Sprint("u", i%25), fmt.Sprint("flood", i%flood.rooms), strings.Repeat("x", flood.size)))
			}
			for i := range rooms {
				if n := kept(t, m, fmt.Sprint("honest", i)); n < 10 {
					t.Errorf("honest room %d has %d of its 10 messages", i, n)
				}
			}
			if kept(t, m, "news") != 1 || kept(t, m, "user:bob") != 1 {
				t.Error("a backend's message is gone, or one that waits for a user")
			}
			if got := m.Stats(); got.EvictedTotal == 0 || flood.cfg.MaxBytes > 0 && got.Bytes > bound || flood.cfg.MaxRooms > 0 && got.Rooms > 200 {
				t.Errorf("stats %+v, which are out of bounds or show nothing evicted", got)
			}
			if err := m.Audit(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestMailboxesShared: users who fill mailboxes are refused, before anything that waits
// is evicted, and others find room.
func TestMailboxesShared(t *testing.T) {
	const bound = 1 << 20
	m := newMemory(t, memory.Config{Rules: all(1000, time.Hour), MaxBytes: bound}, nobody{})
	send(t, m, from(100, "ada", "user:bob", "important"))
	send(t, m, from(100, "", "lobby", "hello"))
	refused := 0
	for i := range 2000 {
		p := from(byte(1+i%2), "eve", fmt.Sprint("user:", i%50), strings.Repeat("x", 4<<10))
		if _, err := m.Publish(context.Background(), &p); errors.Is(err, broker.ErrOverloaded) {
			refused++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if got := m.Stats(); refused == 0 || got.Bytes > bound*5/8 || got.EvictedTotal != 0 {
		t.Errorf("%d were refused, stats %+v: want half of the bytes taken at most, and nothing evicted", refused, got)
	}
	send(t, m, from(101, "cy", "user:bob", strings.Repeat("x", 4<<10)))
	if kept(t, m, "user:bob") != 2 || kept(t, m, "lobby") != 1 {
		t.Error("what others said is gone")
	}
	// What is read and forgotten makes room again.
	for i := range 50 {
		if err := m.Clear(context.Background(), fmt.Sprint("user:", i)); err != nil {
			t.Fatal(err)
		}
	}
	send(t, m, from(1, "eve", "user:0", strings.Repeat("x", 4<<10)))
}
