//go:build unix

package authority

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestKeyMode: the key must be closed to everybody else.
func TestKeyMode(t *testing.T) {
	cfg := newRoot(t).sign(t, intermediate()).config(t)
	for _, mode := range []os.FileMode{0o600, 0o400, 0o640, 0o604, 0o620, 0o602, 0o700, 0o644, 0o777} {
		if err := os.Chmod(cfg.Key, mode); err != nil {
			t.Fatal(err)
		}
		want := ""
		if mode != 0o600 && mode != 0o400 {
			want = fmt.Sprintf("mode %04o is open to others: chmod 600", mode)
		}
		_, err := Load(cfg)
		checkLoad(t, err, ErrKey, want)
	}
}

// TestKeyOwner: a key of somebody else is refused.
func TestKeyOwner(t *testing.T) {
	cfg := newRoot(t).sign(t, intermediate()).config(t)
	if err := os.Chown(cfg.Key, 12345, -1); err != nil {
		t.Skipf("Only root can give a file away: %v", err)
	}
	_, err := Load(cfg)
	checkLoad(t, err, ErrKey, fmt.Sprintf("belongs to user 12345, but this program runs as user %d: chown %[1]d", os.Geteuid()))
}

// TestKeyPipe: a pipe without a writer must not hold up the start.
func TestKeyPipe(t *testing.T) {
	cfg := newRoot(t).sign(t, intermediate()).config(t)
	cfg.Key = filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(cfg.Key, 0o600); err != nil {
		t.Skipf("No pipes on this file system: %v", err)
	}
	_, err := Load(cfg)
	checkLoad(t, err, ErrKey, "not a regular file")
}
