package source

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestStateFile(t *testing.T) {
	f := StateFile{Dir: filepath.Join(t.TempDir(), "state"), Name: "RPZ.example.", Suffix: ".zone"}
	if _, err := f.Read(10); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Without a file: %v", err)
	}
	for _, text := range []string{"first", "0123456789", ""} {
		if err := f.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := f.Read(10); string(got) != text || err != nil {
			t.Errorf("Wrote %q, read %q, %v", text, got, err)
		}
	}
	if err := f.Write([]byte("01234567890")); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read(10); !errors.Is(err, ErrTooLarge) {
		t.Errorf("A file of a byte too many: %v", err)
	}
	if !strings.HasPrefix(f.Base(), "rpz.example.-") || !strings.HasSuffix(f.Base(), ".zone") {
		t.Errorf("The file is called %s", f.Base())
	}
}

// TestStateFileSwept: what a killed process left behind goes with the next write,
// unless it could be that of a process that writes at this moment.
func TestStateFileSwept(t *testing.T) {
	f := StateFile{Dir: t.TempDir(), Name: "rpz.example.", Suffix: ".zone"}
	stem := strings.TrimSuffix(f.Base(), ".zone")
	old, fresh := filepath.Join(f.Dir, stem+".0123456789abcdef.new"), filepath.Join(f.Dir, stem+".fedcba9876543210.new")
	for _, path := range []string{old, fresh} {
		if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	past := time.Now().Add(-2 * smallAge)
	if err := os.Chtimes(old, past, past); err != nil {
		t.Fatal(err)
	}
	if err := f.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(old); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("What is old is still there: %v", err)
	}
	if _, err := os.Stat(fresh); err != nil {
		t.Errorf("What is fresh is gone: %v", err)
	}
}
