//go:build unix

package main

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestKeyModes makes a key that only its owner can read, whatever the umask.
func TestKeyModes(t *testing.T) {
	for umask, public := range map[int]os.FileMode{0: 0o644, 0o022: 0o644, 0o077: 0o600} {
		before := syscall.Umask(umask)
		name := newKey(t)
		syscall.Umask(before)
		for suffix, want := range map[string]os.FileMode{".key": 0o600, ".pub": public} {
			info, err := os.Stat(name + suffix)
			if err != nil || info.Mode().Perm() != want {
				t.Errorf("umask %#o: %s has mode %v, want %v: %v", umask, suffix, info.Mode(), want, err)
			}
		}
	}
}

// TestNoTerminal asks nobody for a passphrase where there is no terminal: it
// does not wait, and does not take one from the standard input unasked.
func TestNoTerminal(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command("nonudify", "keygen", "-o", filepath.Join(dir, "test"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Stdin = strings.NewReader("correct horse\ncorrect horse\n")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err := cmd.Run()
	if cmd.ProcessState.ExitCode() != wrong || !strings.Contains(stderr.String(), "no terminal to ask for the passphrase of "+dir) {
		t.Errorf("%v, stderr %q", err, stderr.String())
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestKeygenKilled kills the program at random moments of its writing. There is
// never half a key, and a key that was there is there or replaced by another whole
// one.
func TestKeygenKilled(t *testing.T) {
	path, err := plainTool()
	if err != nil {
		t.Fatal(err)
	}
	cut, whole := 0, 0
	for i := range 60 {
		name := filepath.Join(t.TempDir(), "test")
		args := []string{"keygen", "-nopass", "-o", name}
		if i%2 == 1 {
			if err := exec.Command(path, args...).Run(); err != nil {
				t.Fatal(err)
			}
			args = append(args, "-force")
		}
		if killWhileWriting(t, exec.Command(path, args...), filepath.Dir(name)) {
			cut++
		}
		if usable(t, name+".key") {
			whole++
		} else if i%2 == 1 {
			t.Fatal("the key that was there is lost")
		}
		if _, err := publicKey(name + ".pub"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("half a public key: %v", err)
		}
	}
	t.Logf("%d of 60 were killed; a key was there after %d", cut, whole)
	if cut == 0 {
		t.Error("none was killed: nothing was tried")
	}
}

// killWhileWriting runs a command and kills it soon after something has come
// into a directory. It reports whether the command did not come to its end.
func killWhileWriting(t *testing.T, cmd *exec.Cmd, dir string) bool {
	t.Helper()
	before, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // killed or not
	}()
	soon := time.Duration(rand.Int64N(int64(2 * time.Millisecond)))
	for {
		select {
		case <-ended:
			return !cmd.ProcessState.Success()
		default:
		}
		if now, err := os.ReadDir(dir); err != nil || len(now) > len(before) {
			break
		}
	}
	kill := time.AfterFunc(soon, func() { _ = cmd.Process.Kill() }) // may have ended
	<-ended
	kill.Stop()
	return !cmd.ProcessState.Success()
}

// usable reports whether there is a secret key, and fails when it is not whole.
func usable(t *testing.T, name string) bool {
	t.Helper()
	e := &env{stderr: os.Stderr, bar: &progress{}}
	_, err := e.secretKey(name, "")
	if err != nil && !os.IsNotExist(err) {
		t.Errorf("half a key: %v", err)
	}
	return err == nil
}
