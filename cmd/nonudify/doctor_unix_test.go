//go:build linux || darwin || freebsd

package main

import (
	"os"
	"os/user"
	"strings"
	"testing"
)

// TestDoctorState has a state directory that belongs to somebody else, or that its owner
// cannot write.
func TestDoctorState(t *testing.T) {
	if _, err := user.Lookup("nobody"); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "nonudify-state") // those of t are for root only
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	examine := func(as string) string {
		x := healthy(t, "")
		x.user = as
		x.lookAtState(dir)
		if len(x.found) == 0 {
			t.Fatal("nothing is said")
		}
		return x.found[0].String()
	}
	if got := examine("nobody"); !strings.HasPrefix(got, "wrong  state: "+dir+" belongs to ") || !strings.HasSuffix(got, ", and the service runs as nobody. 'chown -R nobody: "+dir+"'") {
		t.Error(got)
	}
	if got := examine("no-such-user"); got != "fine   state: "+dir+" can be written" {
		t.Error(got)
	}
	if os.Geteuid() == 0 { // whom nothing keeps from writing
		if err := giveTo(dir, "nobody"); err != nil {
			t.Fatal(err)
		}
		if got := examine("nobody"); got != "fine   state: "+dir+" can be written" {
			t.Error(got)
		}
	}
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	if got := examine("no-such-user"); !strings.HasPrefix(got, "wrong  state: open "+dir) || !strings.Contains(got, "permission denied. Have the user that the server runs as own it") {
		t.Error(got)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestMachineLimits asks this system what doctor asks.
func TestMachineLimits(t *testing.T) {
	t.Parallel()
	if n, who, err := fileLimit(); n <= 0 || who == "" || err != nil {
		t.Errorf("%d files, %q, %v", n, who, err)
	}
	if n, err := freeSpace(t.TempDir()); n <= 0 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	if _, err := freeSpace("/nowhere/at/all"); err == nil {
		t.Error("there is room where nothing is")
	}
}
