package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestConvertMemory has a large list converted by the program as it is made for its
// users, and looks how much memory it took at most: what the names take in the set of
// the resolver, and not what the lines of the list or of the file would.
func TestConvertMemory(t *testing.T) {
	const names, promise = 1_000_000, 96 << 20
	program, err := plainTool()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "list.txt")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(f)
	for i := range names {
		fmt.Fprintf(w, "a-name-of-usual-length%d.example # since=2026-02-10 sources=press,court\n", i)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	f.Close()
	for _, to := range []string{"rpz", "hashes"} {
		cmd := exec.Command(program, "convert", "-to", to, "-o", filepath.Join(t.TempDir(), "out"), path)
		peak := highWater(t, cmd)
		t.Logf("%s: %d names: %d MiB, %v", to, names, peak>>20, cmd.ProcessState.UserTime())
		if peak > promise || peak < 4<<20 {
			t.Errorf("%s: %d names took %d MiB, promised %d", to, names, peak>>20, promise>>20)
		}
	}
}

// highWater runs a command and returns the most that it had in memory, in bytes, when it
// was last looked at: the kernel keeps count, but what it tells of a process that has
// ended includes what this one had when it started the other.
func highWater(t *testing.T, cmd *exec.Cmd) (peak int) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	status := fmt.Sprintf("/proc/%d/status", cmd.Process.Pid)
	for tick := time.Tick(2 * time.Millisecond); ; <-tick {
		text, err := os.ReadFile(status)
		if _, after, ok := strings.Cut(string(text), "VmHWM:"); err == nil && ok {
			kib := 0
			if _, err := fmt.Sscan(after, &kib); err != nil {
				t.Fatal(err)
			}
			peak = max(peak, kib<<10)
		}
		select {
		case err := <-ended:
			if err != nil {
				t.Fatal(err)
			}
			return peak
		default:
		}
	}
}
