package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// mustMap maps, or finds out that this system cannot.
func mustMap(t *testing.T, m *Mapping, err error) *Mapping {
	t.Helper()
	if runtime.GOOS == "windows" {
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Fatalf("%v, want %v", err, errors.ErrUnsupported)
		}
		t.Skip("files are not mapped on Windows")
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestSpoolMap maps a spool of a state directory, before and after it became the copy, and
// the copy. The bytes stay what they are when another copy takes its place.
func TestSpoolMap(t *testing.T) {
	c := &Copy{Dir: t.TempDir(), Source: "l"}
	defer c.Unlock()
	text := bytes.Repeat([]byte("badsite.example\n"), 3000)
	s := c.Spool(0)
	if _, err := s.Map(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("an empty spool: %v", err)
	}
	s.Write(text)
	m, err := s.Map()
	m = mustMap(t, m, err)
	if err := c.Save(s, Meta{}); err != nil {
		t.Fatal(err)
	}
	s.Close()
	saved, err := c.Load()
	if err != nil {
		t.Fatal(err)
	}
	again, err := saved.Map()
	again = mustMap(t, again, err)
	saved.Close()
	next := c.Spool(0)
	next.Write([]byte("other.example\n"))
	if err := c.Save(next, Meta{}); err != nil {
		t.Fatal(err)
	}
	next.Close()
	for range 2 {
		for what, m := range map[string]*Mapping{"spool": m, "copy": again} {
			if !bytes.Equal(m.Data, text) {
				t.Errorf("%s: the bytes are others", what)
			}
			m.Forget()
		}
	}
}

// TestSpoolMapElsewhere: only files of a state directory are mapped, as nobody else writes
// there.
func TestSpoolMapElsewhere(t *testing.T) {
	s := NewSpool(t.TempDir(), 0)
	defer s.Close()
	s.Write([]byte("badsite.example\n"))
	if _, err := s.Map(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v, want %v", err, errors.ErrUnsupported)
	}
}

// TestCompiled keeps something beside a copy, replaces it, and drops it. What fails leaves
// what was there.
func TestCompiled(t *testing.T) {
	c := &Copy{Dir: t.TempDir(), Source: "l"}
	defer c.Unlock()
	if _, err := c.LoadCompiled(); !errors.Is(err, ErrNoCopy) {
		t.Errorf("%v, want %v", err, ErrNoCopy)
	}
	save := func(text string, fails error) (*Mapping, error) {
		return c.SaveCompiled(func(w io.Writer) error {
			_, err := io.WriteString(w, text)
			return errors.Join(err, fails)
		})
	}
	m, err := save("first", nil)
	m = mustMap(t, m, err)
	if _, err := save("second", errDamagedDisk); !errors.Is(err, errDamagedDisk) {
		t.Errorf("%v, want %v", err, errDamagedDisk)
	}
	m2, err := c.LoadCompiled()
	if err != nil || string(m2.Data) != "first" {
		t.Fatalf("%q, %v", m2.Data, err)
	}
	if _, err := save("third", nil); err != nil {
		t.Fatal(err)
	}
	if m3, err := c.LoadCompiled(); err != nil || string(m3.Data) != "third" || string(m.Data) != "first" {
		t.Fatalf("%q and %q, %v", m3.Data, m.Data, err)
	}
	if _, err := save("", nil); err == nil {
		t.Error("Nothing was mapped.")
	}
	for range 2 {
		if err := c.DropCompiled(); err != nil {
			t.Fatal(err)
		}
	}
	if files, _ := filepath.Glob(filepath.Join(c.Dir, "*")); len(files) != 1 { // the lock
		t.Errorf("left over: %q", files)
	}
}

var errDamagedDisk = errors.New("the disk is full")

// TestMappingsEnd: mappings that nobody uses any more are given back.
func TestMappingsEnd(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the number of mappings is read from /proc")
	}
	c := &Copy{Dir: t.TempDir(), Source: "l"}
	defer c.Unlock()
	const n = 50
	for i := range n {
		m, err := c.SaveCompiled(func(w io.Writer) error { _, err := fmt.Fprintln(w, i); return err })
		if err != nil || string(m.Data) != fmt.Sprintln(i) {
			t.Fatalf("%q, %v", m.Data, err)
		}
	}
	for range 1000 {
		runtime.GC() // after which the cleanups run, in a goroutine of the runtime
		runtime.Gosched()
		maps, err := os.ReadFile("/proc/self/maps")
		if err != nil {
			t.Fatal(err)
		}
		if left := bytes.Count(maps, []byte(c.Dir)); left == 0 {
			return
		}
	}
	t.Error("Mappings are left.")
}
