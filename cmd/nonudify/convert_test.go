package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nonudify/nonudify/plugin/feed"
	"github.com/nonudify/nonudify/plugin/list"
)

// manyNames returns a list of n names, every hundredth with an exception below it.
func manyNames(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "||site%d.example^\n", i)
		if i%100 == 0 {
			fmt.Fprintf(&b, "@@||ok.site%d.example^\n", i)
		}
	}
	return b.String()
}

// loadConverted loads a list as convert does.
func loadConverted(t *testing.T, text string) *converted {
	t.Helper()
	l := new(converted)
	var err error
	l.List, err = feed.Load(strings.NewReader(text), time.Time{}, feed.LoadConfig{Format: list.Adblock, Seen: l.see})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestConvertInterrupted has somebody press Ctrl-C while a file is written: what was
// there before stays, and nothing else does.
func TestConvertInterrupted(t *testing.T) {
	dir := t.TempDir()
	c := convertFlags{WriteConfig: list.WriteConfig{To: list.ToRPZ}, out: filepath.Join(dir, "out.rpz")}
	if err := os.WriteFile(c.out, []byte("before"), 0o644); err != nil {
		t.Fatal(err)
	}
	e := &env{bar: &progress{now: time.Now}}
	l := loadConverted(t, manyNames(2*watched))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.replace(ctx, e, l); err == nil || err.Error() != "interrupted: nothing is written" {
		t.Errorf("got %v", err)
	}
	files, err := os.ReadDir(dir)
	if text, _ := os.ReadFile(c.out); string(text) != "before" || len(files) != 1 || err != nil {
		t.Errorf("%q, %v, %v", text, files, err)
	}
	if _, err := c.replace(t.Context(), e, l); err != nil {
		t.Error(err)
	}
	if text, _ := os.ReadFile(c.out); !bytes.Contains(text, []byte("\n*.ok.site0.example CNAME rpz-passthru.\n")) {
		t.Errorf("%.500s", text)
	}
}

// TestConvertOpen finds the names with an exception below them, and no others.
func TestConvertOpen(t *testing.T) {
	l := loadConverted(t, "||a.example^\n@@||x.a.example^\n||x-a.example^\n||b.example^\n@@||*.b.example^\n||c.example^\n@@|c.example^\n")
	var got []string
	for e := range l.entries(t.Context(), &progress{now: time.Now}) {
		got = append(got, fmt.Sprintf("%s %v %v %v", e.Name, e.Block, e.Pass, e.Open))
	}
	want := "a.example subtree trigger(0) true, x-a.example subtree trigger(0) false, x.a.example trigger(0) subtree false, " +
		"b.example subtree below true, c.example subtree exact false"
	if text := strings.Join(got, ", "); text != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
}

// TestConvertWhole has every target of a list of some size read back: each name is
// blocked or let through as it was.
func TestConvertWhole(t *testing.T) {
	l := loadConverted(t, manyNames(3000))
	for _, to := range list.Targets() {
		f := to.Format()
		if f == list.Auto || f == list.Hashes {
			continue
		}
		var out bytes.Buffer
		done, err := list.Write(&out, l.entries(t.Context(), &progress{now: time.Now}), list.WriteConfig{To: to})
		if err != nil {
			t.Fatal(err)
		}
		back, err := feed.Load(&out, time.Time{}, feed.LoadConfig{Format: f})
		if err != nil {
			t.Fatal(err)
		}
		kept := 0
		for name, both := range merge(entriesOf(l.Set, true), entriesOf(back.Set, true)) {
			if both[0] == both[1] {
				kept++
			} else if both[1].Block&^both[0].Block != 0 || both[1].Pass&^both[0].Pass != 0 {
				t.Errorf("%v: %s: %v became %v", to, name, both[0], both[1])
			}
		}
		if want := l.Set.Len() - done.Left - done.Narrowed - done.Exceptions; kept != want || back.Stats.Refused > 0 {
			t.Errorf("%v: %d names kept, want %d; lost %+v", to, kept, want, done.Loss)
		}
	}
	if l.Set.Len() != 3030 || !l.passes || l.comments {
		t.Errorf("%d rules, exceptions %v, comments %v", l.Set.Len(), l.passes, l.comments)
	}
}

// TestConvertBar has a bar for reading a list, and for each round of writing it.
func TestConvertBar(t *testing.T) {
	path := write(t, "list.txt", manyNames(3*watched))
	c := &clock{time.Unix(1, 0)}
	var term, out bytes.Buffer
	bar := &progress{w: &term, now: func() time.Time { c.pass(patience); return c.Time }}
	e := &env{stdout: bufio.NewWriter(&out), stderr: &term, now: time.Now, bar: bar}
	if code := e.run([]string{"convert", "-to", "rpz", "-o", filepath.Join(t.TempDir(), "out.rpz"), path}); code != fine {
		t.Fatal(term.String())
	}
	for _, want := range []string{"list.txt [", "writing, round 1 [", "writing, round 2 [##"} {
		if !strings.Contains(term.String(), want) {
			t.Errorf("no bar %q in %q", want, term.String())
		}
	}
	if strings.LastIndex(term.String(), "\r\x1b[K") < strings.LastIndex(term.String(), "writing") {
		t.Errorf("the bar stays: %q", term.String())
	}
}
