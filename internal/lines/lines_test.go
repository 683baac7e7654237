package lines

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"barrage/internal/bounds"
)

const patience = 30 * time.Second

func note(n uint64) []byte { return fmt.Appendf(nil, "missing %d\n", n) }

// account adds up the lines of a log and those that it says are missing; the lines must
// be in order, each behind as many missing as the log has said.
func account(t *testing.T, log io.Reader) (lines, missing uint64) {
	t.Helper()
	s := bufio.NewScanner(log)
	for s.Scan() {
		var n uint64
		if _, err := fmt.Sscanf(s.Text(), "missing %d", &n); err == nil {
			missing += n
			continue
		}
		if _, err := fmt.Sscanf(s.Text(), "line %d", &n); err != nil || n != lines+missing {
			t.Fatalf("%.40q after %d lines and %d missing: %v", s.Text(), lines, missing, err)
		}
		lines++
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return lines, missing
}

// A gigabyte into a pipe that nobody reads: nobody waits, little is kept, and what is
// missing is counted and said when somebody reads again.
func TestStoppedPipe(t *testing.T) {
	r, end, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w := New(end, note)
	padding := strings.Repeat(".", 1000)
	total, written := uint64(0), 0
	for ; written < 1<<30; total++ {
		n, err := fmt.Fprintf(w, "line %d %s\n", total, padding)
		if err != nil {
			t.Fatal(err)
		}
		written += n
	}
	if d := w.Dropped(); d.Failed != 0 || d.Full < total*9/10 {
		t.Errorf("%+v of %d, want most of them", d, total)
	}
	type sums struct{ lines, missing uint64 }
	got := make(chan sums)
	go func() { // ends when the pipe is closed
		lines, missing := account(t, r)
		got <- sums{lines, missing}
	}()
	w.Close(patience)
	_ = end.Close()
	s, d := <-got, w.Dropped()
	if s.missing != d.Full || s.lines+s.missing != total || s.lines*uint64(len(padding)) > 2*bounds.LogLines {
		t.Errorf("read %+v, counted %+v, of %d", s, d, total)
	}
}

// Close does not wait for a reader who never comes.
func TestCloseIsBounded(t *testing.T) {
	r, end, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	w := New(end, note)
	for range 2000 {
		_, _ = w.Write(bytes.Repeat([]byte("x"), 100))
	}
	w.Close(10 * time.Millisecond)
	select {
	case <-w.done:
		t.Fatal("nobody reads, but all is written")
	default:
	}
	_ = r.Close() // lets the goroutine go
	<-w.done
}

// disk is a file on a disk that is full at times.
type disk struct {
	mu   sync.Mutex // guards what follows
	text bytes.Buffer
	room int
}

func (d *disk) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := min(len(p), d.room)
	d.text.Write(p[:n])
	d.room -= n
	if n < len(p) {
		return n, unix.ENOSPC
	}
	return n, nil
}

func (d *disk) free(room int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.room = room
}

// What a full disk does not take is counted, and said where it is missing; a line of
// which a part was written ends there.
func TestFullDisk(t *testing.T) {
	d := &disk{room: 20}
	w := New(d, note)
	for i := range 10 {
		fmt.Fprintf(w, "line %d\n", i) // the third finds room for a part
	}
	await(t, func() bool { return w.Dropped().Failed == 8 })
	d.free(1000)
	fmt.Fprintf(w, "line 10\n")
	w.Close(patience)
	if got, want := d.text.String(), "line 0\nline 1\nline 2\nmissing 8\nline 10\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// /dev/full is a disk without room, of the kernel's.
func TestDevFull(t *testing.T) {
	f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := New(f, note)
	for range 100 {
		_, _ = w.Write([]byte("x\n"))
	}
	w.Close(patience)
	if d := w.Dropped(); d != (Dropped{Failed: 100}) {
		t.Errorf("%+v", d)
	}
}

// A descriptor that another process has set to not wait loses nothing.
func TestNonBlocking(t *testing.T) {
	var p [2]int
	if err := unix.Pipe2(p[:], 0); err != nil {
		t.Fatal(err)
	}
	end := os.NewFile(uintptr(p[1]), "pipe") // blocking, as far as os knows
	if err := unix.SetNonblock(p[1], true); err != nil {
		t.Fatal(err)
	}
	w := New(end, note)
	const lines = 2000
	line := strings.Repeat(".", 100)
	for i := range lines {
		fmt.Fprintf(w, "line %d %s\n", i, line)
	}
	got := make(chan uint64)
	r := os.NewFile(uintptr(p[0]), "pipe")
	go func() { // ends when the pipe is closed
		n, _ := account(t, r)
		got <- n
	}()
	w.Close(patience)
	_ = end.Close()
	if n := <-got; n != lines {
		t.Errorf("%d lines, want %d", n, lines)
	}
	_ = r.Close()
}

// After Close lines are counted, not kept.
func TestAfterClose(t *testing.T) {
	var b bytes.Buffer
	w := New(&b, note)
	w.Close(patience)
	if n, err := w.Write([]byte("late\n")); n != 5 || err != nil || b.Len() != 0 || w.Dropped().Full != 1 {
		t.Errorf("%d, %v: %q, %+v", n, err, &b, w.Dropped())
	}
}

func await(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited in vain")
		}
	}
}
