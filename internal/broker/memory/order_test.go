package memory_test

// What happens while a room's Deliver takes its time.

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"barrage/internal/bounds"
	"barrage/internal/broker"
	"barrage/internal/broker/brokertest"
	"barrage/internal/broker/memory"
)

// A slowReceiver holds up the first Deliver in one room.
type slowReceiver struct {
	*brokertest.Receiver
	entered, release chan struct{}
	held             bool // guarded by the room's turn
}

const heldRoom = "held"

func newSlow() *slowReceiver {
	r := &slowReceiver{Receiver: brokertest.NewReceiver(), entered: make(chan struct{}), release: make(chan struct{})}
	r.SetMembers(heldRoom, 3)
	return r
}

func (r *slowReceiver) Deliver(m *broker.Message) int {
	if m.Room == heldRoom && !r.held {
		r.held = true
		close(r.entered)
		<-r.release
	}
	return r.Receiver.Deliver(m)
}

// soon fails the test if f waits for the held room.
func soon(t *testing.T, r *slowReceiver, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		close(r.release)
		<-done
		t.Fatalf("%s waits for the receiver", what)
	}
}

func numbered(i int) *broker.Publication {
	return &broker.Publication{Room: heldRoom, Format: broker.Text, Payload: []byte(fmt.Sprint(i)), Key: fmt.Sprint("k", i)}
}

// TestHeldRoom: while a room's receiver is at work, publishing there does not block,
// other rooms go on, the history has what is to come, and a key that is repeated
// gets the first receipt when there is one.
func TestHeldRoom(t *testing.T) {
	const count = 100
	r := newSlow()
	m := newMemory(t, memory.Config{Rules: all(1000, time.Hour)}, r)
	ctx := context.Background()
	first := make(chan broker.Receipt, 1)
	go func() { r, _ := m.Publish(ctx, numbered(0)); first <- r }()
	<-r.entered
	told := make(chan broker.Receipt, 2*count)
	soon(t, r, "TryPublish", func() {
		for i := range count {
			if !m.TryPublish(numbered(i), func(r broker.Receipt, _ error) { told <- r }) {
				t.Errorf("message %d was refused", i)
			}
		}
	})
	waiting := make(chan broker.Receipt, 1)
	go func() { r, _ := m.Publish(ctx, numbered(count-1)); waiting <- r }()
	soon(t, r, "another room", func() {
		for i := range 1000 {
			send(t, m, broker.Publication{Room: fmt.Sprint("room", i), Payload: []byte("x")})
		}
	})
	soon(t, r, "History", func() {
		if page := history(t, m, heldRoom, broker.Query{}); len(page.Messages) != count {
			t.Errorf("the history has %d messages, want %d", len(page.Messages), count)
		}
	})
	if got := r.Count(heldRoom); got != 0 || len(told) != 0 {
		t.Errorf("%d messages were delivered, %d receipts given, while the first is held", got, len(told))
	}
	limited, cancel := context.WithCancel(ctx)
	go func() { // its time is over once the message is accepted, not before
		defer cancel()
		for {
			if page, err := m.History(ctx, heldRoom, broker.Query{}); err != nil || len(page.Messages) > count {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	if _, err := m.Publish(limited, numbered(count)); !errors.Is(err, context.Canceled) {
		t.Errorf("Publish with no time left: %v", err)
	}
	close(r.release)

	want := <-first
	if again := <-told; want.Members != 3 || want.Replayed || !again.Replayed || again.ID != want.ID || again.Position != want.Position || again.Members != 3 {
		t.Errorf("receipt %+v, of the repetition %+v", want, again)
	}
	for i := 1; i < count; i++ {
		if got := <-told; got.Replayed || got.Members != 3 || got.Position.Offset != uint64(i+1) {
			t.Errorf("receipt %d is %+v", i, got)
		}
	}
	if got := <-waiting; !got.Replayed || got.Position.Offset != count || got.Members != 3 {
		t.Errorf("receipt %+v of a repetition that waited", got)
	}
	for r.Count(heldRoom) < count+1 {
		time.Sleep(time.Millisecond)
	}
	for i, got := range r.Messages(heldRoom) {
		if got.Offset != uint64(i+1) || string(got.Payload) != fmt.Sprint(i) {
			t.Fatalf("message %d is %+v", i, *got)
		}
	}
	for _, wrong := range r.Wrongs() {
		t.Error(wrong)
	}
}

// TestOverloaded: what waits in a room is bounded, and other rooms do not suffer.
func TestOverloaded(t *testing.T) {
	r := newSlow()
	m := newMemory(t, memory.Config{}, r)
	try := func(room string) bool { return m.TryPublish(&broker.Publication{Room: room, Format: broker.Text}, nil) }
	go try(heldRoom)
	<-r.entered
	accepted := 1
	soon(t, r, "TryPublish", func() {
		for try(heldRoom) {
			accepted++
		}
		if _, err := m.Publish(context.Background(), &broker.Publication{Room: heldRoom}); !errors.Is(err, broker.ErrOverloaded) {
			t.Errorf("Publish in a room where too much waits: %v", err)
		}
		if !try("another") {
			t.Error("another room refuses")
		}
	})
	if accepted > bounds.TurnMessages+1 || accepted < bounds.TurnMessages/4 {
		t.Errorf("%d messages wait", accepted)
	}
	close(r.release)
	for !try(heldRoom) {
		time.Sleep(time.Millisecond)
	}
	for accepted++; r.Count(heldRoom) < accepted; {
		time.Sleep(time.Millisecond)
	}
}

// TestCloseWaits: what was accepted is delivered before Close returns.
func TestCloseWaits(t *testing.T) {
	const count = 100
	r := newSlow()
	m := newMemory(t, memory.Config{Rules: all(1000, time.Hour)}, r)
	for i := range count {
		go m.TryPublish(numbered(i), nil)
	}
	<-r.entered
	for m.Stats().Messages < count {
		time.Sleep(time.Millisecond)
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		m.Close()
		r.Seal()
	}()
	for m.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	if _, err := m.Publish(context.Background(), numbered(count)); !errors.Is(err, broker.ErrClosed) {
		t.Errorf("Publish while it closes: %v", err)
	}
	select {
	case <-closed:
		t.Error("Close returned during a delivery")
	default:
	}
	close(r.release)
	<-closed
	if got := r.Count(heldRoom); got != count {
		t.Errorf("%d messages of %d were delivered before Close returned", got, count)
	}
	for _, wrong := range r.Wrongs() {
		t.Error(wrong)
	}
}

// A faultyReceiver panics once.
type faultyReceiver struct {
	nobody
	panicked bool
}

func (r *faultyReceiver) Deliver(*broker.Message) int {
	if !r.panicked {
		r.panicked = true
		panic("once")
	}
	return 1
}

// TestPanic: a receiver that panics below a publisher, who survives it, holds up
// nobody else.
func TestPanic(t *testing.T) {
	m := newMemory(t, memory.Config{}, &faultyReceiver{})
	func() {
		defer func() { recover() }()
		m.TryPublish(numbered(0), nil)
		t.Error("it did not panic")
	}()
	if got := send(t, m, *numbered(1)); got.Members != 1 {
		t.Errorf("receipt %+v after a panic", got)
	}
	if got := send(t, m, *numbered(0)); !got.Replayed || got.Members != 0 {
		t.Errorf("receipt %+v of what the receiver panicked at", got)
	}
}
