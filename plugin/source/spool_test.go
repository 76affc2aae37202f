package source

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/iotest"
)

// noise returns bytes that are the same for the same number.
func noise(seed uint64, n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)}).Read(b)
	return b
}

// fill writes to a spool in uneven pieces.
func fill(t *testing.T, s *Spool, data []byte) {
	t.Helper()
	n, err := io.CopyBuffer(s, struct{ io.Reader }{bytes.NewReader(data)}, make([]byte, 1009))
	if n != int64(len(data)) || err != nil {
		t.Fatalf("Wrote %d of %d bytes, %v", n, len(data), err)
	}
}

// holds fails unless a spool gives back what was written, twice.
func holds(t *testing.T, s *Spool, data []byte) {
	t.Helper()
	for range 2 {
		got, err := io.ReadAll(s.Reader())
		if !bytes.Equal(got, data) || err != nil {
			t.Errorf("Read %d bytes back, %v, want the same %d", len(got), err, len(data))
		}
	}
	if s.Size() != int64(len(data)) || s.Sum() != sha256.Sum256(data) {
		t.Errorf("Size %d, Sum %x are not those of the bytes", s.Size(), s.Sum())
	}
}

// closed closes a spool.
func closed(t *testing.T, c io.Closer) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// files returns the names in a directory that match a pattern.
func files(t *testing.T, dir, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestSpool(t *testing.T) {
	for _, size := range []int{0, 1, chunkSize, chunkSize + 1, 3*chunkSize - 1} {
		dir := t.TempDir()
		s := NewSpool(dir, 0)
		data := noise(1, size)
		fill(t, s, data)
		holds(t, s, data)
		if err := s.Err(); err != nil {
			t.Errorf("Err: %v", err)
		}
		if len(s.rest) != 0 {
			t.Errorf("%d bytes: some are in memory", size)
		}
		closed(t, s)
		closed(t, s)
		if left := files(t, dir, "*"); left != nil {
			t.Errorf("Left behind: %v", left)
		}
	}
}

// TestSpoolTemporary uses the system's directory for temporary files.
func TestSpoolTemporary(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	t.Setenv("TMP", dir)
	s := NewSpool("", 0)
	defer closed(t, s)
	f, ok := s.file.(*os.File)
	if !ok || filepath.Dir(f.Name()) != dir {
		t.Fatalf("The file is %v, want one in %s", s.file, dir)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && os.PathSeparator == '/' {
		t.Errorf("Others may do %v", mode)
	}
}

// TestSpoolNoDirectory: memory has to do.
func TestSpoolNoDirectory(t *testing.T) {
	s := NewSpool(filepath.Join(t.TempDir(), "missing"), 0)
	defer closed(t, s)
	data := noise(2, 5*chunkSize/2)
	fill(t, s, data)
	holds(t, s, data)
	if err := s.Err(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Err: %v", err)
	}
}

func TestSpoolLimit(t *testing.T) {
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "missing")} {
		s := NewSpool(dir, 10)
		defer closed(t, s)
		fill(t, s, []byte("0123456789"))
		holds(t, s, []byte("0123456789"))
		for _, p := range []string{"x", ""} {
			if n, err := s.Write([]byte(p)); n != 0 || !errors.Is(err, ErrTooLarge) {
				t.Errorf("Wrote %d bytes beyond the limit, %v", n, err)
			}
		}
		holds(t, s, []byte("0123456789"))
		c := &Copy{Dir: t.TempDir(), Source: "https://lists.example/a"}
		if err := c.Save(s, Meta{}); !errors.Is(err, ErrTooLarge) {
			t.Errorf("Saved what is not complete: %v", err)
		}
	}
}

// smallDisk is a file on a disk with room for some bytes.
type smallDisk struct {
	spoolFile
	room   int64
	writes int // that failed
}

func (d *smallDisk) WriteAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) <= d.room {
		return d.spoolFile.WriteAt(p, off)
	}
	d.writes++
	n, err := d.spoolFile.WriteAt(p[:max(0, d.room-off)], off)
	if err == nil {
		err = syscall.ENOSPC
	}
	return n, err
}

// TestSpoolFullDisk fills the disk at every kind of place: the list can be used
// and no copy be made of it.
func TestSpoolFullDisk(t *testing.T) {
	data := noise(3, 3*chunkSize)
	for _, room := range []int64{0, 1, 1009, 1010, chunkSize, 2*chunkSize + 1, 3*chunkSize - 1} {
		c := &Copy{Dir: t.TempDir(), Source: "https://lists.example/a"}
		s := c.Spool(int64(len(data)))
		disk := &smallDisk{spoolFile: s.file, room: headerSize + room}
		s.file = disk
		fill(t, s, data)
		holds(t, s, data)
		if s.stored != room || disk.writes != 1 {
			t.Errorf("%d bytes are on a disk for %d, after %d writes that failed, want 1", s.stored, room, disk.writes)
		}
		if err := s.Err(); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("Err: %v", err)
		}
		if err := c.Save(s, Meta{}); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("Save: %v", err)
		}
		if _, err := s.Write([]byte{0}); !errors.Is(err, ErrTooLarge) {
			t.Errorf("Wrote beyond the limit into memory: %v", err)
		}
		holds(t, s, data)
		closed(t, s)
		closed(t, c.unlocker())
		if left := files(t, c.Dir, "*.tmp"); left != nil {
			t.Errorf("Left behind: %v", left)
		}
	}
}

// TestSpoolCutOff: a file that was cut off must not pass for a shorter list.
func TestSpoolCutOff(t *testing.T) {
	s := NewSpool(t.TempDir(), 0)
	defer closed(t, s)
	fill(t, s, noise(4, 1000))
	if err := s.file.(*os.File).Truncate(999); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(iotest.HalfReader(s.Reader())); err != io.ErrUnexpectedEOF {
		t.Errorf("Read %d bytes, %v, want %v", len(got), err, io.ErrUnexpectedEOF)
	}
}

func TestSpoolClosed(t *testing.T) {
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "missing")} {
		s := NewSpool(dir, 0)
		fill(t, s, []byte("one.example\n"))
		closed(t, s)
		if _, err := s.Write([]byte("two.example\n")); err != os.ErrClosed {
			t.Errorf("Write: %v", err)
		}
		if got, err := io.ReadAll(s.Reader()); err == nil {
			t.Errorf("Read %q of a closed spool", got)
		}
	}
}
