package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
)

// TestSame builds the same commit a second time, from the source on, in another
// directory, with another umask, time zone and home, and wants the same bytes.
func TestSame(t *testing.T) {
	t.Parallel()
	r := releaseOf(t)
	if changes, err := r.git("status", "--porcelain"); err != nil || changes != "" {
		t.Skipf("the programs are not those of a commit: %v\n%s", err, changes)
	}
	clone := filepath.Join(t.TempDir(), "elsewhere")
	run(t, "git", "clone", "-q", r.root, clone)
	second := &release{root: clone, bin: filepath.Join(clone, "build/linux"), tool: filepath.Join(clone, "build/linux", runtime.GOARCH, "nonudify"), out: t.TempDir()}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `umask 077 && cd "$1" && make programs PACKAGED="$2" && cd deploy/packages && go run . -tool ../../build/linux/"$2"/nonudify -o "$3" "$2"`,
		"sh", clone, runtime.GOARCH, second.out)
	cmd.Env = append(os.Environ(), "TZ=Pacific/Kiritimati", "LC_ALL=C", "MAKEFLAGS=", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	first, err := os.ReadFile(filepath.Join(r.out, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := os.ReadFile(filepath.Join(second.out, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(first, again) {
		t.Errorf("first\n%s\nagain\n%s", first, again)
	}
}
