package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// nobody is a user other than root.
const nobody = 65534

// TestOtherUser has root fetch and approve for a server that runs as another user,
// with an umask that keeps others from reading. That user then takes what was
// approved, and removes the approval.
func TestOtherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be two users")
	}
	path, err := plainTool()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "nonudify-state") // those of t are for root only
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := newRemote(t, goodHeader+"a.example\nb.example\nc.example\nd.example\n")
	conf := filepath.Join(dir, "Corefile")
	text := ".:53 {\n nonudify {\n  " + s.property() + "\n  state " + dir + "/state\n }\n}\n"
	for _, err := range []error{
		os.WriteFile(conf, []byte(text), 0o644), os.Chmod(conf, 0o644), os.Chmod(dir, 0o755),
		os.Mkdir(dir+"/state", 0o755), os.Chown(dir+"/state", nobody, nobody),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	as := func(user uint32, want int, said string, args ...string) {
		t.Helper()
		cmd := exec.Command(path, args...)
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		_ = cmd.Run() // the exit code tells
		if code := cmd.ProcessState.ExitCode(); code != want || !strings.Contains(out.String(), said) {
			t.Errorf("as %d, %v: code %d, %s", user, args, code, out.String())
		}
	}
	umask := syscall.Umask(0o077)
	defer syscall.Umask(umask)

	as(0, fine, "a: new, 4 rules", "fetch", "-conf", conf) // before the first start
	owned(t, dir+"/state", 2)
	as(nobody, fine, "a: unchanged, 4 rules", "fetch", "-conf", conf)
	s.publish(t, goodHeader+"a.example\nb.example\n")
	as(nobody, finding, "a: refused, shrunk", "fetch", "-conf", conf)
	as(0, fine, "a: approved", "approve", "-state", dir+"/state", "a", "2")
	owned(t, dir+"/state", 4)
	as(nobody, fine, "a: new, 2 rules", "fetch", "-conf", conf)
	owned(t, dir+"/state", 2)
	as(0, fine, "nothing is held back", "approve", "-conf", conf)

	// A directory of root, in which another user may write by way of the group.
	for _, err := range []error{os.Chown(dir+"/state", 0, nobody), os.Chmod(dir+"/state", 0o775)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	s.publish(t, goodHeader+"a.example\n")
	as(nobody, finding, "a: refused, shrunk", "fetch", "-conf", conf)
	as(0, fine, "a: approved", "approve", "-conf", conf, "a", "1")
	as(nobody, fine, "a: new, 1 rules", "fetch", "-conf", conf)
}

// owned checks how many files a directory has, and that nobody owns them all.
func owned(t *testing.T, dir string, want int) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != want {
		t.Errorf("%v, %v; want %d files", entries, err, want)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			t.Fatal(err)
		}
		if s := info.Sys().(*syscall.Stat_t); s.Uid != nobody || s.Gid != nobody {
			t.Errorf("%s is of %d:%d", entry.Name(), s.Uid, s.Gid)
		}
	}
}
