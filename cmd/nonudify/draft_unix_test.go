//go:build unix

package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestDraftInterrupted has somebody press Ctrl-C, or the machine go down, while a file is
// written, which is how merge, sign, convert, fetch, keygen and page write theirs.
func TestDraftInterrupted(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		name := write(t, "out.txt", "before")
		_, err := newDraftBy(name, func(w io.Writer) error {
			if _, err := io.WriteString(w, "half"); err != nil {
				return err
			}
			if err := syscall.Kill(os.Getpid(), s); err != nil {
				return err
			}
			for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); { // a signal comes when it comes
				if _, err := io.WriteString(w, ""); err != nil {
					return err
				}
			}
			return nil
		}, 0o644)
		if left := contents(t, filepath.Dir(name)); !errors.Is(err, errUnwritten) || len(left) != 1 || left["out.txt"] != "before" {
			t.Errorf("%v: %v, and there are %q", s, err, left)
		}
	}
}

// TestMergePermissions: notes of editors are not for everybody, so whoever could not read
// them cannot read what merge makes of them.
func TestMergePermissions(t *testing.T) {
	const entry = "badsite.example # sources=a,b note=\"for editors\"\n"
	for _, c := range []struct {
		name      string
		in, there os.FileMode // 0: it is not there
		want      os.FileMode
	}{
		{"into what was closed", 0o644, 0o600, 0o600}, {"into what a group had", 0o600, 0o640, 0o640}, {"into what everybody had", 0o600, 0o644, 0o644},
		{"of what is closed", 0o640, 0, 0o600}, {"of what everybody has", 0o644, 0, 0o644},
	} {
		in, out := write(t, "in.txt", entry), filepath.Join(t.TempDir(), "out.txt")
		err := os.Chmod(in, c.in)
		if c.there != 0 {
			err = errors.Join(err, os.WriteFile(out, []byte(entry), 0o600), os.Chmod(out, c.there))
		}
		if err != nil {
			t.Fatal(err)
		}
		succeed(t, "merge", "-o", out, write(t, "theirs.txt", entry), in)
		if info, err := os.Stat(out); err != nil || info.Mode().Perm()&^c.want != 0 || c.there != 0 && info.Mode().Perm() != c.want {
			t.Errorf("%s: %v, %v, want %v", c.name, err, info.Mode(), c.want)
		}
	}
}

// TestFilesFull has the file of each verb break off: what was there stays, and nothing
// else is left. The limit is in blocks of 512 bytes, or of 1024.
func TestFilesFull(t *testing.T) {
	path, err := plainTool()
	if err != nil {
		t.Fatal(err)
	}
	in, key := bigSource(t, 5000, "court"), publishing(t, 1)
	secret, small := key[slices.Index(key, "-key")+1], write(t, "small.txt", strings.Join([]string{
		"# List-ID: x.example", "# Serial: 1", "# Issued: 2026-01-02", "# Expires: 2999-12-06", "# Entries: 1", "badsite.example", ""}, "\n"))
	for _, c := range []struct{ limit, args string }{
		{"16", "merge IN"}, {"0", "sign -key KEY SMALL"}, {"16", "page -help https://help.example/"}, {"0", "keygen -nopass -force"},
		{"16", "convert -to domains IN"}, {"16", "convert -to rpz IN"}, {"16", "convert -to hashes IN"}, {"16", "convert -to cdb IN"},
	} {
		out := filepath.Join(t.TempDir(), "out")
		args := strings.Fields(strings.NewReplacer("IN", in, "KEY", secret, "SMALL", small).Replace(c.args))
		old := before(t, out, args[0])
		sh := append([]string{"-c", `ulimit -f ` + c.limit + `; exec "$0" "$@"`, path}, append(args, "-o", out)...)
		msg, err := exec.CommandContext(t.Context(), "sh", sh...).CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != wrong || !strings.Contains(string(msg), "file too large") {
			t.Errorf("%s: %v: %s", c.args, err, msg)
		}
		if left := files(contents(t, filepath.Dir(out))); !slices.Equal(left, old) {
			t.Errorf("%s: left are %q, there were %q", c.args, left, old)
		}
	}
}

// before makes what the verb finds where it is to write, and returns it.
func before(t *testing.T, out, verb string) []string {
	t.Helper()
	switch verb {
	case "page":
		succeed(t, "page", "-help", "https://help.example/old", "-o", out)
	case "keygen":
		succeed(t, "keygen", "-nopass", "-o", out)
	default:
		if err := os.WriteFile(out, []byte("before"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return files(contents(t, filepath.Dir(out)))
}

// files returns names and what is in the files, in order.
func files(of map[string]string) (all []string) {
	for name, text := range of {
		all = append(all, name+"="+text)
	}
	slices.Sort(all)
	return all
}
