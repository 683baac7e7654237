// Package probe looks at a server under load from outside: its processes in
// /proc, its metrics over HTTP, and the machine that both run on.
//
// Every figure is the kernel's or the server's own, none is guessed: what cannot
// be read is negative, which means not known. CPU times of processes come in
// ticks of 10 ms, so short measurements of little work are rough. Reading /proc
// costs the server nothing, but answering its metrics does: about a millisecond
// of CPU each time for one written in Go.
//
// A Server belongs to one goroutine. The functions may be called from any. The
// package is for Linux.
package probe

// Environment is what a reader of a report needs to know of the machine.
type Environment struct {
	Kernel  string            `json:"kernel"`
	CPU     string            `json:"cpu"`
	Cores   int               `json:"cores"`
	Memory  uint64            `json:"memory"` // bytes
	NoFile  uint64            `json:"nofile"` // the load test's own limit of open files
	Sysctls map[string]string `json:"sysctls"`
	Go      string            `json:"go"`
	Version string            `json:"version"` // of this program
	Commit  string            `json:"commit"`
	Server  string            `json:"server,omitempty"` // the target's executable and version, as far as known
}

// Sample is the state of the server at one moment. Negative figures are not
// known.
type Sample struct {
	CPU      float64 // seconds used, of all processes
	RSS      int64   // bytes
	Heap     int64   // in use, by the server's metrics
	Stack    int64
	Kernel   int64   // kernel memory of the machine (slab and socket buffers)
	Sends    float64 // system calls that delivered messages, by Barrage's metrics
	Delivers float64
	GCs      float64 // garbage collections since the server began
	GCPause  float64 // seconds, the longest pause of the recent collections
}

// Unknown is a Sample of which nothing is known.
func Unknown() Sample {
	return Sample{CPU: -1, RSS: -1, Heap: -1, Stack: -1, Kernel: -1, Sends: -1, Delivers: -1, GCs: -1, GCPause: -1}
}
