package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/provenance"
)

// sourceText returns a source with names at random, and what it says of them.
func sourceText(r *rand.Rand) (text string, known map[dnsname.Name]provenance.Record) {
	known = map[dnsname.Name]provenance.Record{}
	pick := func(s ...string) string { return s[r.IntN(len(s))] }
	for range r.IntN(20) {
		name := dnsname.Name(pick("a", "b", "c", "d", "e") + pick("", "1", "2", "3") + pick(".example", ".test"))
		if _, twice := known[name]; twice {
			continue
		}
		p := provenance.Record{
			Since: provenance.Day(pick("", "2026-01-01", "2026-02-02")), Seen: provenance.Day(pick("", "2026-03-03", "2026-04-04")),
			Confidence: provenance.Confidence(pick("", "low", "medium", "high")), Category: pick("", "nudify"),
			Sources: slices.Compact(slices.Sorted(slices.Values([]string{pick("x", "y"), pick("y", "z")}))),
		}
		known[name] = p
		text += fmt.Sprintf("%s # %s\n", name, p)
	}
	return text + "end.example\n", known
}

// TestMergeModel merges lists at random and compares with what each name should have.
func TestMergeModel(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	for range 100 {
		want := map[dnsname.Name]provenance.Record{"end.example": {}}
		args := []string{"merge"}
		for range 1 + r.IntN(3) {
			text, known := sourceText(r)
			args = append(args, write(t, "list.txt", text))
			for name, p := range known {
				want[name], _ = want[name].Merge(p)
			}
		}
		code, stdout, stderr := tool(t, nil, args...)
		if code != fine || stderr != "" {
			t.Fatalf("seed %d: code %d: %s", seed, code, stderr)
		}
		got := map[dnsname.Name]provenance.Record{}
		var order []dnsname.Name
		for s := list.NewScanner(strings.NewReader(stdout), list.Config{Format: list.Domains}); s.Scan(); {
			p, err := provenance.Parse(s.Comment())
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			got[s.Rule().Name] = p
			order = append(order, s.Rule().Name)
		}
		if !maps.EqualFunc(got, want, provenance.Record.Equal) || !slices.IsSorted(order) || len(order) != len(want) {
			t.Fatalf("seed %d: got %v\nwant %v\n%s", seed, got, want, stdout)
		}
		if header := fmt.Sprintf("# Entries: %d\n", len(want)); !strings.HasPrefix(stdout, header) {
			t.Fatalf("seed %d: %q is missing", seed, header)
		}
	}
}

// bigSource writes a source of n names.
func bigSource(t *testing.T, n int, word string) string {
	t.Helper()
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, "x%d.example # sources=press,%s category=nudify confidence=high\n", i, word)
	}
	return write(t, "big.txt", b.String())
}

// TestMergeKilled: whenever the program is killed, the file is the old one or the new
// one, whole.
func TestMergeKilled(t *testing.T) {
	path, err := plainTool()
	if err != nil {
		t.Fatal(err)
	}
	in := bigSource(t, 20_000, "court")
	out := filepath.Join(t.TempDir(), "out.txt")
	const before = "old.example\n"
	start := time.Now()
	if msg, err := exec.CommandContext(t.Context(), path, "merge", "-o", out, in).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, msg)
	}
	took := time.Since(start)
	want, err := os.ReadFile(out)
	if err != nil || bytes.Count(want, []byte("\n")) != 20_001 {
		t.Fatalf("%d bytes: %v", len(want), err)
	}
	killed := 0
	for i := range 12 {
		if err := os.WriteFile(out, []byte(before), 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(path, "merge", "-o", out, in)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(took*time.Duration(i+1)/12, func() { cmd.Process.Kill() })
		if cmd.Wait() != nil {
			killed++
		}
		timer.Stop()
		got, err := os.ReadFile(out)
		if err != nil || string(got) != before && !bytes.Equal(got, want) {
			t.Errorf("run %d leaves %d bytes: %v", i, len(got), err)
		}
	}
	if killed == 0 {
		t.Error("no run was killed") // the first has a twelfth of the time that is needed
	}
}

// TestMergeFull: where a file cannot be written to its end, the one that was there
// stays, and nothing else is left.
func TestMergeFull(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no limit on the size of files.")
	}
	path, err := plainTool()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	out := filepath.Join(dir, "out.txt")
	if err := os.WriteFile(out, []byte("old.example\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	msg, err := exec.CommandContext(t.Context(), "sh", "-c", `ulimit -f 16; exec "$0" "$@"`, path, "merge", "-o", out, bigSource(t, 5000, "court")).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != wrong || !strings.Contains(string(msg), "file too large") {
		t.Errorf("%v: %s", err, msg)
	}
	left, err := fs.Glob(os.DirFS(dir), "*")
	hidden, _ := fs.Glob(os.DirFS(dir), ".*")
	if text, _ := os.ReadFile(out); err != nil || string(text) != "old.example\n" || len(left)+len(hidden) != 1 {
		t.Errorf("left are %v %v with %.40q: %v", left, hidden, text, err)
	}
}

// TestFullOutput has the results of each verb go to a disk that is full.
func TestFullOutput(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skipf("There is no device that is always full: %v", err)
	}
	defer full.Close()
	in := bigSource(t, 10, "court")
	other := write(t, "other.txt", "x1.test\nx1000.test\n")
	for _, args := range [][]string{{"merge", in}, {"stats", in}, {"stats", "-json", in}, {"lint", in}, {"diff", in, other}, {"diff", "-summary", in, other}} {
		var stderr bytes.Buffer
		code := run(args, strings.NewReader(""), full, &stderr)
		if code != wrong || !strings.Contains(stderr.String(), "no space left on device") {
			t.Errorf("%v: code %d: %s", args, code, &stderr)
		}
	}
}
