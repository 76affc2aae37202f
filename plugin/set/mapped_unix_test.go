//go:build unix

package set

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/nonudify/nonudify/plugin/rule"
)

// mapFile maps a file of these bytes.
func mapFile(t *testing.T, data []byte) (path string, memory []byte) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "list.compiled")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	memory, err = syscall.Mmap(int(f.Fd()), 0, len(data), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Munmap(memory) })
	return path, memory
}

// TestMappedCut cuts the file off below a set that is in use. What would end the process
// makes names missing, and is noted.
func TestMappedCut(t *testing.T) {
	rules := append(blocked(syntheticNames(50_000)), rule.Rule{Name: "a.b.example", Trigger: rule.Exact, Action: rule.Pass})
	names := syntheticNames(50_000)
	path, memory := mapFile(t, compiled(t, build(t, rules), ""))
	s := opened(t, memory, OpenConfig{Mapped: path})
	if s.Damaged() || match(s, names[0].FQDN()).Action != rule.Block {
		t.Fatal("Before it is cut, the list does not work.")
	}
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	for _, n := range names[:1000] {
		match(s, n.FQDN())
	}
	if !s.Damaged() {
		t.Fatal("Nothing of the list is missing: the file was not cut.")
	}
	use(s, names[:100])
	if err := s.Compile(new(bytes.Buffer), nil); err == nil {
		t.Error("What cannot be read was compiled.")
	}
	if _, _, err := Open(memory, OpenConfig{Mapped: path}); err == nil {
		t.Error("What cannot be read was opened.")
	}
}

// TestMappedPanics: a panic that is about something else goes on.
func TestMappedPanics(t *testing.T) {
	data := compiled(t, build(t, blocked(syntheticNames(100))), "")
	s := opened(t, data, OpenConfig{Mapped: &data})
	defer func() {
		if r := recover(); r != "mine" {
			t.Errorf("recovered %v", r)
		}
		if s.Damaged() {
			t.Error("The set is said to be damaged.")
		}
	}()
	for range s.All() {
		panic("mine")
	}
}
