package main

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCommittedFiles fails when the facts were changed and the files were not
// made anew, or when a made file was changed by hand.
func TestCommittedFiles(t *testing.T) {
	made, err := generate(os.DirFS(".."))
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range made {
		got, err := os.ReadFile(filepath.Join("..", file))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the facts give: run go generate ./plugin/builtin", file)
		}
	}
}

// tree is a small set of facts.
var tree = map[string]string{
	headerFile:  "key\tvalue\nTitle\tTest\nList-ID\ttest.list.example\nSerial\t2026112201\nHomepage\thttps://list.example\nAppeals\tmailto:appeals@list.example\nLicense\tCC0-1.0\n",
	sourcesFile: "id\tkind\tfrom\tto\twhat\na@2026-01-02\tadult-list\t2026-01-02\t2026-01-02\tA list\nb\tpress\t\t\tA paper\n",
	entriesFile: "name\tconfidence\tsources\tnote\nworse.example\tmedium\tb\t\nbad.example\thigh\tb,a@2026-01-02\tsaid twice\n",
	hostsFile:   "host\tcategory\tbasis\twhy\nwww.help.example\thelpline\thelplines\tXX Help\n",
}

const treeList = `# Title: Test
# List-ID: test.list.example
# Serial: 2026112201
# Issued: 2026-11-22T00:00:00Z
# Expires: 2027-02-20T00:00:00Z
# Entries: 2
# Homepage: https://list.example
# Appeals: mailto:appeals@list.example
# License: CC0-1.0
bad.example # since=2026-01-02 seen=2026-01-02 sources=a@2026-01-02,b category=nudify confidence=high
worse.example # sources=b category=nudify confidence=medium
`

const treeHelp = `# Title: Names of those who help, protected with everything below them
# Entries: 1
# License: CC0-1.0
help.example # category=helpline basis=helplines
`

// plant writes the tree into a new directory.
func plant(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for file, text := range tree {
		write(t, filepath.Join(dir, file), text)
	}
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestRunWrites(t *testing.T) {
	dir := plant(t)
	if code := run([]string{dir}, t.Output()); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	for file, want := range map[string]string{listFile: treeList, helpFile: treeHelp} {
		got, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil || string(got) != want {
			t.Errorf("%s:\n%s\nwant:\n%s", file, got, want)
		}
	}
	if code := run([]string{dir}, t.Output()); code != 0 {
		t.Errorf("the same facts again: exit code %d", code)
	}
}

func TestRunRefuses(t *testing.T) {
	if code := run([]string{"a", "b"}, io.Discard); code != 2 {
		t.Errorf("two directories: exit code %d, want 2", code)
	}
	var stderr strings.Builder
	if code := run([]string{t.TempDir()}, &stderr); code != 1 || !strings.Contains(stderr.String(), headerFile) {
		t.Errorf("no facts: exit code %d, %q", code, stderr.String())
	}
}

// TestUpdateWantsNewSerial changes an entry with and without a new serial.
func TestUpdateWantsNewSerial(t *testing.T) {
	dir := plant(t)
	if err := update(dir); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, entriesFile), strings.Replace(tree[entriesFile], "worse", "worst", 1))
	write(t, filepath.Join(dir, hostsFile), strings.Replace(tree[hostsFile], "www.help", "www.aid", 1))
	if err := update(dir); !errors.Is(err, errSerialUsed) {
		t.Fatalf("error %v, want %v", err, errSerialUsed)
	}
	for file, want := range map[string]string{listFile: treeList, helpFile: treeHelp} {
		if got, err := os.ReadFile(filepath.Join(dir, file)); err != nil || string(got) != want {
			t.Errorf("%s was changed by a refused update", file)
		}
	}
	write(t, filepath.Join(dir, headerFile), strings.Replace(tree[headerFile], "2026112201", "2026112202", 1))
	if err := update(dir); err != nil {
		t.Errorf("with a new serial: %v", err)
	}
}

// TestUpdateKeepsUnreadable checks that a list that cannot be read is not taken
// for one that is not there.
func TestUpdateKeepsUnreadable(t *testing.T) {
	dir := plant(t)
	if err := os.Mkdir(filepath.Join(dir, listFile), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := update(dir); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}
