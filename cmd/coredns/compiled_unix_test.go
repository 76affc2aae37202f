//go:build unix

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nonudify/nonudify/plugin/feed"
)

// compiledFile writes a compiled list of this text to a file, in the place of what is there.
func compiledFile(t *testing.T, path, text string) {
	t.Helper()
	l, err := feed.Load(bytes.NewReader([]byte(text)), time.Time{}, feed.LoadConfig{})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := feed.Compile(&b, l); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".new", b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// TestCompiled serves a compiled list, from a mapped copy and from memory. Neither an edition
// that takes its place nor one that is cut off under the server's eyes does it any harm.
func TestCompiled(t *testing.T) {
	t.Parallel()
	up := newUpstream(t)
	together(t, map[string]string{"state": "\n state ", "memory": ""}, func(t *testing.T, state string) {
		dir := t.TempDir()
		file := filepath.Join(dir, "own.compiled")
		compiledFile(t, file, edition(2))
		if state != "" {
			state += filepath.Join(dir, "state")
		}
		name := "compiled-" + filepath.Base(t.Name())
		s := serve(t, up, "list "+file+" name "+name+state)
		s.want("always.example", denies, "www.edition2.example", denies, "other.example", passes)
		compiledFile(t, file, edition(3))
		s.until("edition3.example", denies)
		s.want("edition2.example", passes)

		if err := os.Truncate(file, 400); err != nil { // the operator's own file, half-written
			t.Fatal(err)
		}
		untilFailing(t, name, "format")
		s.want("always.example", denies, "edition3.example", denies, "other.example", passes)
		compiledFile(t, file, edition(4))
		s.until("edition4.example", denies)
		if state == "" {
			return
		}
		untilMetric(t, name, "unread", 0)
		copies, err := filepath.Glob(filepath.Join(dir, "state", "*.list"))
		if err != nil || len(copies) != 1 {
			t.Fatalf("Copies: %v, %v", copies, err)
		}
		if err := os.Truncate(copies[0], 0); err != nil { // what is mapped
			t.Fatal(err)
		}
		s.until("edition4.example", denies) // it was gone until the file was read once more
		s.want("always.example", denies, "other.example", passes)
		untilMetric(t, name, "unread", 1)
	})
}
