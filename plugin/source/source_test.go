package source

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// old is a time that no Settle reaches back to.
var old = time.Now().Add(-time.Hour)

// write puts a file in place with a time of modification.
func write(t *testing.T, path, text string, modified time.Time) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, modified, modified); err != nil {
		t.Fatal(err)
	}
}

// open returns what a source that has something new holds, and its version.
func open(t *testing.T, s interface {
	Open(ctx context.Context, have Version) (Body, error)
}, have Version) (string, Version) {
	t.Helper()
	body, err := s.Open(t.Context(), have)
	if err != nil {
		t.Fatalf("Open(have %q): %v", have, err)
	}
	defer body.Close()
	text, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	if body.Version == "" || body.Version == have {
		t.Errorf("Open(have %q) brings version %q", have, body.Version)
	}
	return string(text), body.Version
}

// unmodified fails unless the source says that it has nothing new.
func unmodified(t *testing.T, f File, have Version) {
	t.Helper()
	if body, err := f.Open(t.Context(), have); err != ErrNotModified {
		t.Errorf("Open(have %q) = version %q, %v, want %v", have, body.Version, err, ErrNotModified)
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list.txt")
	modified := time.Date(2026, 11, 22, 0, 0, 0, 123456789, time.UTC)
	write(t, path, "one.example\n", modified)
	f := File{Path: path}
	body, err := f.Open(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if text, err := io.ReadAll(body); string(text) != "one.example\n" || err != nil {
		t.Errorf("Read %q, %v", text, err)
	}
	if !body.Modified.Equal(modified) {
		t.Errorf("Modified = %v, want %v", body.Modified, modified)
	}
	unmodified(t, f, body.Version)
}

// TestFileChanges makes each change to a file that has been read and wants it
// noticed, once.
func TestFileChanges(t *testing.T) {
	tests := []struct {
		name   string
		change func(t *testing.T, path string)
		want   string
	}{
		{"renamed over", func(t *testing.T, path string) {
			write(t, path+".new", "two.example\n", old.Add(time.Minute))
			if err := os.Rename(path+".new", path); err != nil {
				t.Fatal(err)
			}
		}, "two.example\n"},
		{"renamed over by an older file", func(t *testing.T, path string) {
			write(t, path+".new", "two.example\n", old.Add(-time.Minute))
			if err := os.Rename(path+".new", path); err != nil {
				t.Fatal(err)
			}
		}, "two.example\n"},
		{"written in place", func(t *testing.T, path string) { write(t, path, "two.example\n", old.Add(time.Nanosecond)) }, "two.example\n"},
		{"grown within one tick of the clock", func(t *testing.T, path string) { write(t, path, "one.example\ntwo.example\n", old) }, "one.example\ntwo.example\n"},
		{"shrunk to nothing", func(t *testing.T, path string) { write(t, path, "", old.Add(time.Minute)) }, ""},
		{"touched", func(t *testing.T, path string) { write(t, path, "one.example\n", old.Add(time.Minute)) }, "one.example\n"},
		{"dated into the future", func(t *testing.T, path string) {
			write(t, path, "two.example\n", time.Now().Add(time.Hour))
		}, "two.example\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "list.txt")
			f := File{Path: path, Settle: time.Minute}
			write(t, path, "one.example\n", old)
			_, v := open(t, f, "")
			unmodified(t, f, v)
			tt.change(t, path)
			text, v := open(t, f, v)
			if text != tt.want {
				t.Errorf("Read %q, want %q", text, tt.want)
			}
			unmodified(t, f, v)
		})
	}
}

// TestFileSettles: a file that is being written is not read, but for the first
// time.
func TestFileSettles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list.txt")
	f := File{Path: path, Settle: 10 * time.Minute}
	write(t, path, "one.example\n", time.Now())
	_, v := open(t, f, "")
	write(t, path, "one.exa", time.Now().Add(-9*time.Minute))
	unmodified(t, f, v)
	write(t, path, "one.example\ntwo.example\n", time.Now().Add(-11*time.Minute))
	if text, _ := open(t, f, v); text != "one.example\ntwo.example\n" {
		t.Errorf("Read %q", text)
	}
}

// TestFileLink follows links as Kubernetes mounts them: the file is a link
// through a directory that is a link, and that one is swapped.
func TestFileLink(t *testing.T) {
	dir := t.TempDir()
	for i, text := range []string{"one.example\n", "two.example\n"} {
		edition := filepath.Join(dir, text[:3])
		if err := os.Mkdir(edition, 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(edition, "list.txt"), text, old.Add(time.Duration(i)*time.Second))
	}
	link := func(target, name string) {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Skipf("No links on this file system: %v", err)
		}
	}
	link("one", "data")
	link(filepath.Join("data", "list.txt"), "list.txt")
	f := File{Path: filepath.Join(dir, "list.txt"), Settle: time.Minute}
	_, v := open(t, f, "")
	unmodified(t, f, v)
	link("two", "data.new")
	if err := os.Rename(filepath.Join(dir, "data.new"), filepath.Join(dir, "data")); err != nil {
		t.Fatal(err)
	}
	if text, _ := open(t, f, v); text != "two.example\n" {
		t.Errorf("Read %q after the swap", text)
	}
}

func TestFileErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list.txt")
	f := File{Path: path}
	if _, err := f.Open(t.Context(), ""); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("No file: %v", err)
	}
	write(t, path, "one.example\n", old)
	_, v := open(t, f, "")
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Open(t.Context(), v); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("File gone: %v", err)
	}
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
	unmodified(t, f, v) // back as it was

	dir := t.TempDir()
	_, err := File{Path: dir}.Open(t.Context(), "")
	if want := "read " + dir + ": not a regular file"; err == nil || err.Error() != want {
		t.Errorf("A directory: %v, want %s", err, want)
	}
}

func TestBytes(t *testing.T) {
	b := Bytes{Data: []byte("one.example\n")}
	text, v := open(t, b, "")
	if text != "one.example\n" {
		t.Errorf("Read %q", text)
	}
	if _, err := b.Open(t.Context(), v); err != ErrNotModified {
		t.Errorf("The second time: %v, want %v", err, ErrNotModified)
	}
	if text, _ := open(t, b, "another version"); text != "one.example\n" {
		t.Errorf("Read %q over another version", text)
	}
}
