//go:build unix

package source

import (
	"path/filepath"
	"syscall"
	"testing"
)

// TestFilePipe: a pipe without a writer must not hold up the round.
func TestFilePipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skipf("No pipes on this file system: %v", err)
	}
	_, err := File{Path: path}.Open(t.Context(), "")
	if want := "read " + path + ": not a regular file"; err == nil || err.Error() != want {
		t.Errorf("A pipe: %v, want %s", err, want)
	}
}
