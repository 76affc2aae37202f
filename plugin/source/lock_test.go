package source

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// The test binary runs itself as another process that does what childVar says
// with the copy in the directory childDir.
const (
	childVar = "NONUDIFY_SOURCE_TEST_CHILD"
	childDir = "NONUDIFY_SOURCE_TEST_DIR"
)

var children = map[string]func(*Copy){"hold the lock": holdLock, "save": saveEditions}

// init takes the place of the tests in such a process.
func init() {
	if child := children[os.Getenv(childVar)]; child != nil {
		child(&Copy{Dir: os.Getenv(childDir), Source: "https://lists.example/nudify.txt"})
		os.Exit(0)
	}
}

// child starts another process, which ends at the latest with the test. What it
// prints can be read.
func child(t *testing.T, what, dir string) (*exec.Cmd, io.Reader) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Env = append(os.Environ(), childVar+"="+what, childDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, out
}

func holdLock(c *Copy) {
	fmt.Println(c.Lock())
	io.Copy(io.Discard, os.Stdin) // ends with the parent, should that be killed
}

// TestLockProcess: a process that has the lock keeps others from saving, and one
// that is killed does not.
func TestLockProcess(t *testing.T) {
	c := newCopy(t)
	save(t, c, []byte("one.example\n"), Meta{})
	closed(t, c.unlocker())
	cmd, out := child(t, "hold the lock", c.Dir)
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "<nil>\n" {
		t.Fatalf("The other process says %q, %v", line, err)
	}
	refusedLock(t, c)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("The other process was not killed")
	}
	save(t, c, []byte("two.example\n"), Meta{})
}

// refusedLock fails unless another has the lock of c. The list in the spool can
// be used all the same.
func refusedLock(t *testing.T, c *Copy) {
	t.Helper()
	before, _ := loaded(t, c)
	if err := c.Lock(); !errors.Is(err, ErrLocked) {
		t.Errorf("Lock: %v, want %v", err, ErrLocked)
	}
	s := c.Spool(0)
	defer closed(t, s)
	fill(t, s, []byte("lost.example\n"))
	if err := c.Save(s, Meta{}); !errors.Is(err, ErrLocked) {
		t.Errorf("Save: %v, want %v", err, ErrLocked)
	}
	holds(t, s, []byte("lost.example\n"))
	if after, _ := loaded(t, c); string(after) != string(before) {
		t.Errorf("Loaded %q, want %q", after, before)
	}
	if left := files(t, c.Dir, "*.tmp"); left != nil {
		t.Errorf("Without the lock %v was made", left)
	}
}

// TestLockTwice: in one process, too, only one saves. A spool that was made
// while the other had the lock can be saved when it has no more.
func TestLockTwice(t *testing.T) {
	c := newCopy(t)
	other := &Copy{Dir: c.Dir, Source: c.Source}
	defer other.Unlock()
	save(t, c, []byte("one.example\n"), Meta{})
	if err := c.Lock(); err != nil {
		t.Errorf("Lock of what it has locked: %v", err)
	}
	refusedLock(t, other)
	s := other.Spool(0)
	defer closed(t, s)
	fill(t, s, []byte("two.example\n"))
	closed(t, c.unlocker())
	closed(t, c.unlocker())
	if err := other.Save(s, Meta{}); err != nil {
		t.Errorf("Save: %v", err)
	}
	if got, _ := loaded(t, c); string(got) != "two.example\n" {
		t.Errorf("Loaded %q", got)
	}
	refusedLock(t, c)
	another := &Copy{Dir: c.Dir, Source: c.Source + "2"}
	if err := another.Lock(); err != nil {
		t.Errorf("Lock of another list: %v", err)
	}
	closed(t, another.unlocker())
}

// TestLockSweeps: what killed processes leave is removed, and nothing else.
func TestLockSweeps(t *testing.T) {
	c := newCopy(t)
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	ours := []string{".0123456789abcdef.tmp", ".ffffffffffffffff.tmp", ".0123456789abcdef.new"}
	others := []string{".list", ".held", ".approved", ".tmp", ".0123456789abcde.tmp", ".0123456789ABCDEF.tmp", ".0123456789abcdef.tmp~",
		".0123456789abcdeg.tmp", "x.0123456789abcdef.tmp", ".ffffffffffffffff.new"}
	for _, name := range slices.Concat(ours, others) {
		write(t, filepath.Join(c.Dir, c.name()+name), "", old.Add(-time.Hour))
	}
	write(t, filepath.Join(c.Dir, c.name()+".ffffffffffffffff.new"), "", time.Now()) // is being written
	foreign := "x" + c.name() + ".0123456789abcdef.tmp"
	write(t, filepath.Join(c.Dir, foreign), "", old)
	if err := os.Mkdir(filepath.Join(c.Dir, c.name()+".1111111111111111.tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := c.Lock(); err != nil {
		t.Fatal(err)
	}
	want := []string{foreign, c.name() + ".1111111111111111.tmp", c.name() + ".lock"}
	for _, name := range others {
		want = append(want, c.name()+name)
	}
	var got []string
	for _, path := range files(t, c.Dir, "*") {
		got = append(got, filepath.Base(path))
	}
	slices.Sort(want)
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("There are\n%q, want\n%q", got, want)
	}
}

// TestLockSpoolSwept: who unlocks gives up the spools that are not saved; the
// old copy stays.
func TestLockSpoolSwept(t *testing.T) {
	c := newCopy(t)
	save(t, c, []byte("one.example\n"), Meta{})
	s := c.Spool(0)
	fill(t, s, []byte("two.example\n"))
	closed(t, c.unlocker())
	if err := c.Save(s, Meta{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Save: %v", err)
	}
	holds(t, s, []byte("two.example\n"))
	closed(t, s)
	if got, _ := loaded(t, c); string(got) != "one.example\n" {
		t.Errorf("Loaded %q", got)
	}
}

// TestLockNoDirectory: where no directory can be made, there is no copy and all
// else works.
func TestLockNoDirectory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	write(t, path, "", old)
	c := &Copy{Dir: filepath.Join(path, "state"), Source: "https://lists.example/nudify.txt"}
	var pathError *os.PathError
	if err := c.Lock(); !errors.As(err, &pathError) || errors.Is(err, ErrLocked) {
		t.Errorf("Lock: %v", err)
	}
	s := c.Spool(0)
	defer closed(t, s)
	fill(t, s, []byte("one.example\n"))
	if err := c.Save(s, Meta{}); !errors.As(err, &pathError) {
		t.Errorf("Save: %v", err)
	}
	holds(t, s, []byte("one.example\n"))
	if _, err := c.Load(); err == nil {
		t.Error("Loaded")
	}
	closed(t, c.unlocker())
}
