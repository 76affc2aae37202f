package server

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Signal is what a process can be told.
type Signal = syscall.Signal

// Reload tells CoreDNS to read its Corefile again.
const Reload = unix.SIGUSR1

// attach has the system kill a server whose caller dies.
func attach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL} }

// Cores returns the cores that this process may use.
func Cores() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("asking for the cores: %w", err)
	}
	var cores []int
	for i := range len(set) * strconv.IntSize {
		if set.IsSet(i) {
			cores = append(cores, i)
		}
	}
	return cores, nil
}

// onCore calls a function in a thread that has one core only. What it starts is born
// with the same.
func onCore(core int, f func() error) error {
	runtime.LockOSThread()
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	if err := pin(0, core); err != nil {
		return err
	}
	err := f()
	if e := unix.SchedSetaffinity(0, &before); e != nil {
		return e // the thread stays locked: it is not to be used for anything else
	}
	runtime.UnlockOSThread()
	return err
}

func pin(thread, core int) error {
	var set unix.CPUSet
	set.Set(core)
	if err := unix.SchedSetaffinity(thread, &set); err != nil {
		return fmt.Errorf("pinning to core %d: %w", core, err)
	}
	return nil
}

// Pin has this process use one core only. A thread that is born meanwhile gets it from
// the one that bears it, hence the second look.
func Pin(core int) error {
	for range 2 {
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		for _, t := range threads {
			id, err := strconv.Atoi(t.Name())
			if err != nil {
				return err
			}
			if err := pin(id, core); err != nil {
				return err
			}
		}
	}
	return nil
}

// CPU returns the processor time that the server has used so far, in the system and
// outside, of all its threads. The clock is the one of clock_getcpuclockid(3), which
// counts nanoseconds.
func (p *Process) CPU() (time.Duration, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^p.cmd.Process.Pid)<<3|2, &ts); err != nil {
		return 0, fmt.Errorf("the processor time of the server: %w", err)
	}
	return time.Duration(ts.Nano()), nil
}

// RSS returns the memory of the server that is resident now, in bytes.
func (p *Process) RSS() (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(text) {
		if value, ok := bytes.CutPrefix(line, []byte("VmRSS:")); ok {
			kilobytes, err := strconv.ParseInt(string(bytes.TrimSpace(bytes.TrimSuffix(bytes.TrimSpace(value), []byte("kB")))), 10, 64)
			return kilobytes << 10, err
		}
	}
	return 0, fmt.Errorf("the server's memory is not told: it has ended")
}
