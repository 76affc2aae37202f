package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/gzip"

	"github.com/nonudify/nonudify/plugin/builtin"
	"github.com/nonudify/nonudify/plugin/list"
)

// suggestions runs suggest on the built-in list.
func suggestions(t *testing.T, in io.Reader, flags ...string) (found []match, stderr string) {
	t.Helper()
	listed := write(t, "nudify.txt", string(builtin.List()))
	code, stdout, stderr := tool(t, in, append([]string{"suggest", "-json", listed}, flags...)...)
	for d := json.NewDecoder(strings.NewReader(stdout)); d.More(); {
		var m match
		if err := d.Decode(&m); err != nil {
			t.Fatal(err)
		}
		found = append(found, m)
	}
	if want := min(len(found), finding); code != want {
		t.Fatalf("code %d: %s", code, stderr)
	}
	return found, stderr
}

// TestSuggestSpared: neither a listed name nor one that must never be listed is
// suggested, nor anything below them.
func TestSuggestSpared(t *testing.T) {
	var in strings.Builder
	for s := list.NewScanner(bytes.NewReader(builtin.List()), list.Config{Format: list.Domains}); s.Scan(); {
		fmt.Fprintf(&in, "%s\nwww.%[1]s\n", s.Rule().Name)
	}
	for row := range strings.Lines(string(builtin.Lookalikes())) {
		name, _, _ := strings.Cut(row, "\t")
		fmt.Fprintf(&in, "%s\nx.%[1]s\n", name)
	}
	found, stderr := suggestions(t, strings.NewReader(in.String()))
	if len(found) > 0 || !strings.Contains(stderr, " 0 possible mirrors found") {
		t.Errorf("%v\n%s", found, stderr)
	}
}

// TestSuggestBest keeps the likeliest of many, in any order, and counts the others.
func TestSuggestBest(t *testing.T) {
	var in strings.Builder
	for i := range 500 {
		fmt.Fprintf(&in, "clothoff%d.test\nclothoff.x%d.test\ngetclothoff%[1]d.test\n", i, i)
	}
	in.WriteString("clothoff.test\ncloth-off.test\n")
	found, stderr := suggestions(t, strings.NewReader(in.String()), "-max", "3")
	if len(found) != 3 || found[0].Name != "clothoff.test" || found[1].Name != "cloth-off.test" || found[2].Name != "clothoff0.test" ||
		!strings.Contains(stderr, "1002 possible mirrors found, the likeliest 3 shown") {
		t.Errorf("%v\n%s", found, stderr)
	}
}

// TestSuggestLimits reads a name at the limit of a line, and lines beyond it.
func TestSuggestLimits(t *testing.T) {
	const name = "clothoff.test"
	for _, tt := range []struct {
		line string
		want int
		bad  bool
	}{
		{name, 1, false},
		{name + "\t" + strings.Repeat("x", 1<<20), 1, false},
		{"# " + strings.Repeat("x", 1<<20), 0, false},
		{strings.Repeat("x", list.MaxLine-1), 0, true},
		{strings.Repeat("x", 1<<20), 0, true},
	} {
		for _, end := range []string{"", "\n", "\r\n", "\nhonest.test\n"} {
			found, stderr := suggestions(t, strings.NewReader(tt.line+end))
			if len(found) != tt.want || strings.Contains(stderr, "could not be read as names, the first: stdin:1: ") != tt.bad {
				t.Errorf("%.40q and %q: %v\n%s", tt.line, end, found, stderr)
			}
		}
	}
}

// TestSuggestSpare leaves out as many names as are held, and refuses one more.
func TestSuggestSpare(t *testing.T) {
	var names strings.Builder
	for i := range maxSpared {
		fmt.Fprintf(&names, "x%d.test\n", i)
	}
	in := write(t, "list.txt", "clothoff.example\n")
	for more, want := range map[string]string{"x7.test\n": "", "clothoff.test\n": fmt.Sprintf("spare.txt:%d: %d names are left out already", maxSpared+1, maxSpared)} {
		spare := write(t, "spare.txt", names.String()+more)
		code, _, stderr := tool(t, strings.NewReader("honest.test\n"), "suggest", "-spare", spare, in)
		if code != fine && want == "" || !strings.Contains(stderr, want) || want != "" && code != wrong {
			t.Errorf("and %q: code %d: %s", more, code, stderr)
		}
	}
}

// TestSuggestStream: the size of the file does not matter. A hundred times as many
// names leave as much in memory.
func TestSuggestStream(t *testing.T) {
	live := func(n int) uint64 {
		r, w := io.Pipe()
		go func() {
			z := gzip.NewWriter(w)
			for i := range n {
				fmt.Fprintf(z, "honest%d.test\n", i)
			}
			z.Close()
			w.Close()
		}()
		s, err := suggestFlags{max: 10}.searcher(&env{stdin: r, bar: &progress{}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.file(&env{stdin: r, bar: &progress{}}, "-"); err != nil || s.names != n {
			t.Fatalf("%d names of %d: %v", s.names, n, err)
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		runtime.KeepAlive(s)
		return m.HeapAlloc
	}
	few := live(2000)
	if many := live(200_000); many > few+1<<20 {
		t.Errorf("%d bytes after 2,000 names, %d after 200,000", few, many)
	}
}

// TestSuggestBroken has the file of names break off.
func TestSuggestBroken(t *testing.T) {
	in := io.MultiReader(strings.NewReader("clothoff.test\n"), iotest.ErrReader(errBroken))
	code, stdout, stderr := tool(t, in, "suggest", write(t, "nudify.txt", string(builtin.List())))
	if code != wrong || stdout != "" || stderr != "nonudify: stdin: broken pipe\n" {
		t.Errorf("code %d, %q, %q", code, stdout, stderr)
	}
}

// FuzzNameOf: what a line begins with is a name, is left alone, or is refused in a
// short and printable way.
func FuzzNameOf(f *testing.F) {
	for _, s := range []string{"clothoff.test", "*.a.example\t3600", "# x", "", " x", "bücher.example,1", "\xff", "a..b", "\uFEFFa.example"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		name, ok, err := nameOf(line, len(line) >= list.MaxLine)
		if ok != (name != "") || ok && err != nil {
			t.Fatalf("%q: %q %v %v", line, name, ok, err)
		}
		if err != nil && (len(err.Error()) > 400 || printable(err.Error()) != err.Error()) {
			t.Fatalf("%q: %q", line, err)
		}
		if errors.Is(err, list.ErrLineTooLong) && len(line) < list.MaxLine {
			t.Fatalf("%q is not long", line)
		}
	})
}
