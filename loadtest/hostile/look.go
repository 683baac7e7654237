// What is seen of the server and of Redis from outside.

package hostile

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
	"github.com/redis/go-redis/v9"
)

// memory is the resident memory of a process in bytes, and the most it ever was.
func memory(pid int) (now, most int64, err error) {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return 0, 0, fmt.Errorf("hostile: the server's process: %w", err)
	}
	s, err := p.NewStatus()
	if err != nil {
		return 0, 0, fmt.Errorf("hostile: the server's memory: %w", err)
	}
	return int64(s.VmRSS), int64(s.VmHWM), nil
}

// processor is how many seconds a process has computed for, and how many its threads have
// waited for a processor that others had.
func processor(pid int) (used, waited float64) {
	threads, err := procfs.AllThreads(pid)
	if err != nil {
		return 0, 0 // it has ended, which others tell
	}
	for _, t := range threads {
		if s, err := t.Schedstat(); err == nil { // else it has just ended
			used += float64(s.RunningNanoseconds) / 1e9
			waited += float64(s.WaitingNanoseconds) / 1e9
		}
	}
	return used, waited
}

// others is how many seconds of the processors' time went to programs that have no part in
// a trial, which are all but this one and what it has started, and to other machines on
// the same hardware.
func others() (float64, error) {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return 0, fmt.Errorf("hostile: the machine's processors: %w", err)
	}
	all, err := fs.Stat()
	if err != nil {
		return 0, fmt.Errorf("hostile: the machine's processors: %w", err)
	}
	procs, err := fs.AllProcs()
	if err != nil {
		return 0, fmt.Errorf("hostile: the machine's processes: %w", err)
	}
	parents, times := make(map[int]int), make(map[int]float64)
	for _, p := range procs {
		if s, err := p.Stat(); err == nil { // else it has just ended
			parents[p.PID] = s.PPID
			times[p.PID] = s.CPUTime() + float64(s.CUTime+s.CSTime)/ticks // those of children that have ended
		}
	}
	c := all.CPUTotal
	rest, self := c.User+c.Nice+c.System+c.Steal, os.Getpid()
	for pid, time := range times {
		of := pid
		for of != self && of > 1 {
			of = parents[of]
		}
		if of == self {
			rest -= time
		}
	}
	return rest, nil
}

const ticks = 100 // a second, of what the kernel tells programs (USER_HZ)

// Redis is its figures.
type Redis struct {
	Keys         int // of attackersRoom
	Memory, Sent int64
}

func lookAtRedis(ctx context.Context, url string) (r Redis, err error) {
	o, err := redis.ParseURL(url)
	if err != nil {
		return r, fmt.Errorf("hostile: Redis: %w", err)
	}
	c := redis.NewClient(o)
	defer c.Close()
	keys, seen := c.Scan(ctx, 0, "*"+attackersRoom+"*", 1000).Iterator(), make(map[string]bool)
	for keys.Next(ctx) {
		seen[keys.Val()] = true // it may come twice
	}
	r.Keys = len(seen)
	if err := keys.Err(); err != nil {
		return r, fmt.Errorf("hostile: Redis: %w", err)
	}
	info, err := c.Info(ctx, "memory", "stats").Result()
	if err != nil {
		return r, fmt.Errorf("hostile: Redis: %w", err)
	}
	r.Memory, r.Sent = figure(info, "used_memory"), figure(info, "total_net_output_bytes")
	return r, nil
}

// figure is a line of what INFO says; 0 if it is not there.
func figure(info, name string) int64 {
	_, rest, _ := strings.Cut(info, "\n"+name+":")
	text, _, _ := strings.Cut(rest, "\r")
	n, _ := strconv.ParseInt(text, 10, 64) // "" is not there
	return n
}
