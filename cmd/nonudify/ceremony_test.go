//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestCeremony walks through the key ceremony of docs/security.md: every command as it
// stands there, in one directory, with directories in the place of sticks. Only the keys
// have no passphrase, as it is read from the terminal: keygen_terminal.txtar has that.
func TestCeremony(t *testing.T) {
	if there, err := installed("installed:minisign"); err != nil || !there {
		if err != nil {
			t.Fatal(err)
		}
		t.Skip("minisign is not installed; make setup does")
	}
	text, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	_, ceremony, found := strings.Cut(string(text), "\n## Key ceremony\n")
	blocks := regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllStringSubmatch(ceremony, -1)
	if !found || len(blocks) < 8 {
		t.Fatalf("docs/security.md has %d blocks of commands for the ceremony", len(blocks))
	}
	dir := t.TempDir()
	script := strings.Builder{}
	script.WriteString("nonudify() { verb=$1; shift; [ $verb != keygen ] || set -- -nopass \"$@\"; command nonudify $verb \"$@\"; }\n")
	for _, b := range blocks {
		script.WriteString(strings.ReplaceAll(b[1], "/media/", dir+"/"))
	}
	for _, stick := range []string{"daily", "safe", "out"} {
		if err := os.Mkdir(filepath.Join(dir, stick), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("sh", "-eu")
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(script.String())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if n := strings.Count(string(out), "made with a key that is not pinned"); n != 1 {
		t.Errorf("%d signatures were refused, want that of the thief alone:\n%s", n, out)
	}
	if n := strings.Count(string(out), "Signature and comment signature verified"); n != 3 {
		t.Errorf("minisign has verified %d signatures, want 3:\n%s", n, out)
	}
	for name, mode := range map[string]os.FileMode{"lists.key": 0o600, "spare.key": 0o600, "next.key": 0o600} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}
