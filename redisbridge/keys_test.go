package redisbridge

// The names in Redis. They are for good: other versions of Barrage must find the
// same ones.

import (
	"fmt"
	"strings"
	"testing"
)

// golden is what must not change: the partitions of two names, and a tag.
const golden = "9 890bd"

func TestKeySlot(t *testing.T) {
	// From the Redis Cluster specification and redis-cli's CLUSTER KEYSLOT.
	for key, want := range map[string]int{"123456789": 0x31C3, "foo": 12182, "": 0} {
		if got := keySlot(key); got != want {
			t.Errorf("slot of %q: %d, want %d", key, got, want)
		}
	}
}

func TestLayout(t *testing.T) {
	l := newLayout("room:")
	for p, tag := range l.tags {
		if slot := keySlot(tag); len(tag) != tagLen || slot/(clusterSlots/partitions) != p {
			t.Errorf("tag %q of partition %d has slot %d", tag, p, slot)
		}
	}
	tag := l.tag("lobby")
	for got, want := range map[string]string{
		l.message("lobby"):               "barrage:{" + tag + "}:msg:room:lobby",
		l.meta("lobby"):                  "barrage:{" + tag + "}:meta:room:lobby",
		l.log("lobby"):                   "barrage:{" + tag + "}:log:room:lobby",
		l.plain("lobby"):                 "room:lobby",
		l.result("lobby", "", "", "n-1"): "barrage:{" + tag + "}:idem:i:n-1",
		fmt.Sprint(l.partition("lobby"), l.partition(""), tag): golden,
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	seen := make(map[string]bool)
	for _, scope := range [][3]string{{"a", "b", "c"}, {"ab", "", "c"}, {"a", "bc", ""}, {"", "ab", "c"}} {
		key := l.result(scope[0], scope[1], scope[2], "")
		_, key, _ = strings.Cut(key, "}")
		if seen[key] {
			t.Errorf("%q has another one's key", scope)
		}
		seen[key] = true
	}
}

func TestRoomOfMessage(t *testing.T) {
	l := newLayout("room:")
	for _, room := range []string{"", "a", "ключ ключ", "{x}", "}:msg:room:", strings.Repeat("r", 300)} {
		if got, ok := l.roomOfMessage(l.message(room)); !ok || got != room {
			t.Errorf("%q came back as %q, %v", room, got, ok)
		}
	}
	for _, channel := range []string{"", "room:a", "barrage:", "barrage:{000}:probe:n", "barrage:{000}:msg:other:a", "barrage:{000}:msg:roo"} {
		if room, ok := l.roomOfMessage(channel); ok {
			t.Errorf("%q was taken for room %q's", channel, room)
		}
	}
}

// Rooms spread over the partitions.
func TestPartitionsAreEven(t *testing.T) {
	l := newLayout("room:")
	var count [partitions]int
	const rooms = 100 * partitions
	for i := range rooms {
		count[l.partition(fmt.Sprint("room-", i))]++
	}
	for p, n := range count {
		if n < 50 || n > 200 {
			t.Errorf("partition %d has %d of %d rooms", p, n, rooms)
		}
	}
}
