package main

// The wall clock of one process, which a test can step while the process runs.

import (
	"bytes"
	"debug/elf"
	endian "encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// wallClock is that of a child. Programs ask the time of a piece of code that the
// kernel maps into them, the vDSO; in the child it is replaced before the child's
// first step by code that asks the kernel and adds what the test says, to the wall
// clock only. (libfaketime does not reach Go programs, which ask the vDSO by
// themselves, and time namespaces do not shift the wall clock.)
type wallClock struct {
	t     *testing.T
	mem   *os.File
	words []int64 // where what is added lies: seconds
}

// clockCode is amd64 code in place of a function of the vDSO. It ends in the word
// that is added, whose distance from the end of the instruction before wordFrom has
// to be filled in.
type clockCode struct {
	code     []byte
	wordFrom int
}

var clockCodes = map[string]clockCode{
	// mov eax, SYS_clock_gettime; syscall; test edi, edi; jne over;
	// mov rcx, [word]; add [rsi], rcx; over: ret
	"__vdso_clock_gettime": {[]byte("\xb8\xe4\x00\x00\x00\x0f\x05\x85\xff\x75\x0a\x48\x8b\x0d\x00\x00\x00\x00\x48\x01\x0e\xc3"), 18},
	// mov eax, SYS_gettimeofday; syscall; test rdi, rdi; je over;
	// mov rcx, [word]; add [rdi], rcx; over: ret
	"__vdso_gettimeofday": {[]byte("\xb8\x60\x00\x00\x00\x0f\x05\x48\x85\xff\x74\x0a\x48\x8b\x0d\x00\x00\x00\x00\x48\x01\x0f\xc3"), 19},
	// mov eax, SYS_time; syscall; add rax, [word]; test rdi, rdi; je over;
	// mov [rdi], rax; over: ret
	"__vdso_time": {[]byte("\xb8\xc9\x00\x00\x00\x0f\x05\x48\x03\x05\x00\x00\x00\x00\x48\x85\xff\x74\x03\x48\x89\x07\xc3"), 14},
}

// startClocked starts a process with a clock of its own, which is off by so much,
// or skips the test.
func startClocked(t *testing.T, cmd *exec.Cmd, off time.Duration) (*wallClock, error) {
	t.Helper()
	if runtime.GOARCH != "amd64" {
		t.Skip("the clock's code is for amd64")
	}
	runtime.LockOSThread() // only the thread that starts the child may change it
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr.Ptrace = true
	if err := cmd.Start(); errors.Is(err, syscall.EPERM) {
		t.Skipf("no process can be traced here: %v", err)
	} else if err != nil {
		return nil, err
	}
	c := &wallClock{t: t}
	t.Cleanup(func() { _ = c.mem.Close() }) // it may never have been opened
	err := c.install(cmd.Process.Pid)
	if err == nil {
		err = c.add(off)
	}
	if err == nil {
		err = syscall.PtraceDetach(cmd.Process.Pid)
	}
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // always "killed"
		t.Skipf("no clock of its own can be given to a process here: %v", err)
	}
	return c, nil
}

// install replaces the code in a child that stands before its first step.
func (c *wallClock) install(pid int) error {
	var status syscall.WaitStatus
	_, err := syscall.Wait4(pid, &status, 0, nil)
	for errors.Is(err, syscall.EINTR) {
		_, err = syscall.Wait4(pid, &status, 0, nil)
	}
	if err != nil || !status.Stopped() {
		return fmt.Errorf("it does not stop at its start: %v, %v", status, err)
	}
	base, err := vdsoBase(pid)
	if err != nil {
		return err
	}
	if c.mem, err = os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0); err != nil {
		return err
	}
	symbols, err := c.symbols(base)
	if err != nil {
		return err
	}
	for _, s := range symbols {
		patch, ok := clockCodes[s.Name]
		if !ok {
			continue
		}
		code := append([]byte(nil), patch.code...)
		at := base + int64(s.Value)
		word := (at + int64(len(code)) + 7) &^ 7 // aligned, so that nobody sees half of a step
		if int64(s.Size) < word+8-at {
			return fmt.Errorf("%s has only %d bytes", s.Name, s.Size)
		}
		endian.LittleEndian.PutUint32(code[patch.wordFrom-4:], uint32(word-at-int64(patch.wordFrom)))
		if _, err := syscall.PtracePokeData(pid, uintptr(at), code); err != nil {
			return err
		}
		c.words = append(c.words, word)
	}
	if len(c.words) != len(clockCodes) {
		return fmt.Errorf("the vDSO has %d of %d functions", len(c.words), len(clockCodes))
	}
	return nil
}

// symbols reads what functions the vDSO has.
func (c *wallClock) symbols(base int64) ([]elf.Symbol, error) {
	image := make([]byte, 2*os.Getpagesize())
	n, err := c.mem.ReadAt(image, base)
	if n == 0 {
		return nil, err
	}
	file, err := elf.NewFile(bytes.NewReader(image[:n]))
	if err != nil {
		return nil, err
	}
	return file.DynamicSymbols()
}

// vdsoBase finds where the vDSO is mapped.
func vdsoBase(pid int) (int64, error) {
	const sysinfoEhdr = 33 // of getauxval(3)
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/auxv", pid))
	for ; len(text) >= 16; text = text[16:] {
		if endian.LittleEndian.Uint64(text) == sysinfoEhdr {
			return int64(endian.LittleEndian.Uint64(text[8:])), nil
		}
	}
	return 0, fmt.Errorf("no vDSO, %w", err)
}

// set makes the clock differ from the machine's.
func (c *wallClock) set(off time.Duration) {
	c.t.Helper()
	if err := c.add(off); err != nil {
		c.t.Fatal(err)
	}
}

func (c *wallClock) add(off time.Duration) error {
	for _, word := range c.words {
		if _, err := c.mem.WriteAt(endian.LittleEndian.AppendUint64(nil, uint64(off/time.Second)), word); err != nil {
			return err
		}
	}
	return nil
}
