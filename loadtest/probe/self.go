// Measures this process and the machine.

package probe

import (
	"os"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// Self is the CPU time that this process has used, in seconds; that of its
// children is not in it.
func Self() float64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0 // cannot happen: both arguments are valid
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// Threads is the CPU time of each thread of this process in seconds, by thread
// id. A goroutine that never rests stays on its thread, so an event loop that is
// at its limit shows as a thread that uses a whole core.
func Threads() map[int]float64 {
	all, err := procfs.AllThreads(os.Getpid())
	if err != nil {
		return nil
	}
	threads := make(map[int]float64, len(all))
	for _, t := range all {
		if s, err := t.Stat(); err == nil { // else it has just ended
			threads[t.PID] = s.CPUTime()
		}
	}
	return threads
}

// Machine is the time that the machine's cores were busy since boot, and all the
// time they had, in seconds; zeros if it cannot be told. The difference between
// two calls tells whether any CPU was left in between.
func Machine() (busy, total float64) { return here.cpu() }

// KernelMemory is what sockets cost this machine's kernel, in bytes: slab objects and
// the pages of TCP's buffers.
func KernelMemory() (slab, buffers int64, ok bool) { return here.kernelMemory() }
