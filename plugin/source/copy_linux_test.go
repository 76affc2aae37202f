package source

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// disk mounts a file system of some size, for which one must be root.
func disk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("No file system can be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil { // busy: a file was not closed
			t.Errorf("Unmount: %v", err)
			syscall.Unmount(dir, syscall.MNT_DETACH)
		}
	})
	return dir
}

// TestCopyFullDisk has a disk with room for one small copy and not for a large
// one, as a router may have.
func TestCopyFullDisk(t *testing.T) {
	c := &Copy{Dir: filepath.Join(disk(t, "64k"), "state"), Source: "https://lists.example/nudify.txt"}
	save(t, c, []byte("one.example\n"), Meta{Serial: 1})
	for range 3 {
		s := c.Spool(0)
		data := noise(7, 200_000)
		fill(t, s, data)
		holds(t, s, data)
		if s.stored == 0 || len(s.rest) == 0 {
			t.Errorf("%d bytes are on the disk", s.stored)
		}
		if err := s.Err(); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("Err: %v", err)
		}
		if err := c.Save(s, Meta{Serial: 2}); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("Save: %v", err)
		}
		holds(t, s, data)
		if got, m := loaded(t, c); string(got) != "one.example\n" || m.Serial != 1 {
			t.Errorf("Loaded %q, %+v", got, m)
		}
		// All that is left is no room even for a header, nor for a note.
		if err := c.Hold(Held{Reason: strings.Repeat("x", 10_000)}); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("Hold: %v", err)
		}
		second := c.Spool(0)
		fill(t, second, data)
		holds(t, second, data)
		if err := c.Save(second, Meta{}); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("Save: %v", err)
		}
		closed(t, second)
		closed(t, s)
	}
	if left := files(t, c.Dir, "*"); len(left) != 2 {
		t.Errorf("Left behind: %v", left)
	}
	// There is room for two copies that are not too large.
	save(t, c, noise(8, 8000), Meta{Serial: 2})
	if got, m := loaded(t, c); !bytes.Equal(got, noise(8, 8000)) || m.Serial != 2 {
		t.Errorf("Loaded %d bytes, %+v", len(got), m)
	}
	closed(t, c.unlocker())
}

// TestCopyJustFits: what fits on the disk as a spool fits as a copy, header and
// all.
func TestCopyJustFits(t *testing.T) {
	c := &Copy{Dir: disk(t, "64k"), Source: "https://lists.example/nudify.txt"}
	s := c.Spool(0)
	for s.Err() == nil {
		fill(t, s, make([]byte, 100))
	}
	most := s.stored
	closed(t, s)
	data := noise(10, int(most))
	save(t, c, data, exampleMeta)
	if got, _ := loaded(t, c); !bytes.Equal(got, data) || most < 32<<10 {
		t.Errorf("Loaded %d of %d bytes", len(got), most)
	}
	closed(t, c.unlocker())
}

// TestCopyReadOnly has a directory that nobody can write to, not even root.
func TestCopyReadOnly(t *testing.T) {
	dir := disk(t, "1m")
	c := &Copy{Dir: dir, Source: "https://lists.example/nudify.txt"}
	save(t, c, []byte("one.example\n"), Meta{Serial: 1})
	closed(t, c.unlocker())
	other := &Copy{Dir: dir, Source: "https://other.example/nudify.txt"}
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*Copy{c, other} { // with and without a file to lock
		if err := c.Lock(); !errors.Is(err, syscall.EROFS) || errors.Is(err, ErrLocked) {
			t.Errorf("Lock: %v", err)
		}
		s := c.Spool(0)
		fill(t, s, []byte("two.example\n"))
		if err := c.Save(s, Meta{}); !errors.Is(err, syscall.EROFS) {
			t.Errorf("Save: %v", err)
		}
		holds(t, s, []byte("two.example\n"))
		closed(t, s)
		for _, err := range []error{c.Hold(exampleHeld), c.Approve(exampleHeld.Sum)} {
			if !errors.Is(err, syscall.EROFS) {
				t.Errorf("Hold or Approve: %v", err)
			}
		}
		closed(t, c.unlocker())
	}
	if got, m := loaded(t, c); string(got) != "one.example\n" || m.Serial != 1 {
		t.Errorf("Loaded %q, %+v", got, m)
	}
}

// TestCopyTurnsReadOnly: the disk fails while the lock is held, as file systems
// turn read-only after an error.
func TestCopyTurnsReadOnly(t *testing.T) {
	dir := disk(t, "1m")
	c := &Copy{Dir: dir, Source: "https://lists.example/nudify.txt"}
	save(t, c, []byte("one.example\n"), Meta{Serial: 1})
	closed(t, c.unlocker())
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	s := c.spool(0)
	data := noise(9, 100_000)
	fill(t, s, data)
	holds(t, s, data)
	if err := s.Err(); !errors.Is(err, syscall.EROFS) {
		t.Errorf("Err: %v", err)
	}
	if err := c.Save(s, Meta{}); !errors.Is(err, syscall.EROFS) {
		t.Errorf("Save: %v", err)
	}
	closed(t, s)
}

// TestCopyPipe: a pipe without a writer must not hold up a start.
func TestCopyPipe(t *testing.T) {
	c := heldCopy(t)
	for _, suffix := range []string{".list", ".held", ".approved"} {
		if err := syscall.Mkfifo(filepath.Join(c.Dir, c.name()+suffix), 0o600); err != nil {
			t.Skipf("No pipes on this file system: %v", err)
		}
	}
	if _, err := c.Load(); err == nil || !strings.HasSuffix(err.Error(), ": not a regular file") {
		t.Errorf("Load: %v", err)
	}
	if _, err := c.Held(); err == nil || !strings.HasSuffix(err.Error(), ": not a regular file") {
		t.Errorf("Held: %v", err)
	}
	if c.Approved([32]byte{}) {
		t.Error("Approved by a pipe")
	}
	save(t, c, []byte("one.example\n"), Meta{}) // takes the pipe's place
	if got, _ := loaded(t, c); string(got) != "one.example\n" {
		t.Errorf("Loaded %q", got)
	}
}

// TestCopyUmask: the umask is respected.
func TestCopyUmask(t *testing.T) {
	before := syscall.Umask(0o027)
	defer syscall.Umask(before)
	c := newCopy(t)
	save(t, c, []byte("one.example\n"), Meta{})
	for path, want := range map[string]os.FileMode{c.Path(): 0o640, c.Dir: 0o750} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); mode != want {
			t.Errorf("%s has mode %v, want %v", path, mode, want)
		}
	}
}

// TestSpoolNameless: a spool outside of a state directory leaves nothing, however
// the process ends.
func TestSpoolNameless(t *testing.T) {
	dir := t.TempDir()
	s := NewSpool(dir, 0)
	defer closed(t, s)
	fill(t, s, []byte("one.example\n"))
	if left := files(t, dir, "*"); left != nil {
		t.Errorf("There is %v", left)
	}
	if got, err := io.ReadAll(s.Reader()); string(got) != "one.example\n" || err != nil {
		t.Errorf("Read %q, %v", got, err)
	}
}
