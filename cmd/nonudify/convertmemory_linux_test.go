package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
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
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
		peak := usage.Maxrss << 10 // it counts KiB
		t.Logf("%s: %d names: %d MiB, %v", to, names, peak>>20, cmd.ProcessState.UserTime())
		if peak > promise || peak < 4<<20 {
			t.Errorf("%s: %d names took %d MiB, promised %d", to, names, peak>>20, promise>>20)
		}
	}
}
