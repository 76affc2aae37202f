//go:build unix

package set

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/nonudify/nonudify/plugin/dnsname"
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

// TestMappedCutExceptions cuts the exceptions off and leaves the names that are blocked:
// nothing is blocked that was an exception, and no denial says that there is nothing below.
func TestMappedCutExceptions(t *testing.T) {
	rules := blocked([]dnsname.Name{"badsite.example"})
	passed := syntheticNames(20_000)
	for i, n := range passed {
		passed[i] = n + ".badsite.example"
		rules = append(rules, rule.Rule{Name: passed[i], Trigger: rule.Subtree, Action: rule.Pass})
	}
	data := compiled(t, build(t, rules), "")
	path, memory := mapFile(t, data)
	s := opened(t, memory, OpenConfig{Mapped: path})
	if match(s, "www."+passed[0].FQDN()).Action != rule.Pass || match(s, "badsite.example.").Action != rule.Block {
		t.Fatal("Before it is cut, the list does not work.")
	}
	if err := os.Truncate(path, int64(os.Getpagesize())); err != nil {
		t.Fatal(err)
	}
	for _, n := range passed[:1000] {
		var k Key
		k.Reset("www." + n.FQDN())
		if got := s.Match(&k).Action; got != rule.Pass {
			t.Fatalf("%s: %v", n, got)
		}
		if s.Passes(&k).Labels == 0 {
			t.Fatalf("%s does not pass.", n)
		}
	}
	if !s.Damaged() {
		t.Fatal("Nothing of the list is missing: the file was not cut.")
	}
	if m := match(s, "badsite.example."); m.Action == rule.Block && !m.Open {
		t.Error("A denial would say that there is nothing below.")
	}
	if got := match(s, "badsite.example.").Action; got != rule.Block {
		t.Errorf("What is no exception, and can be read, is not blocked: %v", got)
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
