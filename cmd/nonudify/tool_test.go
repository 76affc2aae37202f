package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/nonudify/nonudify/plugin/builtin"
	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/feed"
	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/rule"
)

// tool runs the program and returns its exit code and what it writes.
func tool(t *testing.T, stdin io.Reader, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = run(args, stdin, &out, &err)
	return code, out.String(), err.String()
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestBuiltin asks for every name of the built-in list: each is blocked, by
// its own line.
func TestBuiltin(t *testing.T) {
	s := list.NewScanner(bytes.NewReader(builtin.List()), list.Config{Format: list.Domains})
	lines := map[dnsname.Name]int{}
	args := []string{"check", "-json"}
	for s.Scan() {
		lines[s.Rule().Name] = s.Line()
		args = append(args, string(s.Rule().Name))
	}
	code, stdout, stderr := tool(t, nil, args...)
	if code != finding || stderr != "" {
		t.Fatalf("code %d, stderr %q", code, stderr)
	}
	n := 0
	for line := range strings.Lines(stdout) {
		var v struct {
			Name    dnsname.Name
			Verdict string
			Match   struct {
				File, Comment string
				Line          int
			}
		}
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatal(err)
		}
		n++
		if v.Verdict != blocked || v.Match.File != builtin.Name || v.Match.Line != lines[v.Name] ||
			!strings.Contains(v.Match.Comment, "category=") {
			t.Errorf("%s", line)
		}
	}
	if n != len(lines) || n == 0 {
		t.Errorf("%d judgements on %d names", n, len(lines))
	}
	_, stdout, _ = tool(t, nil, args[0], args[2])
	if want := fmt.Sprintf("line        builtin:%d\n", lines[dnsname.Name(args[2])]); !strings.Contains(stdout, want) {
		t.Errorf("got %q, want %q in it", stdout, want)
	}
}

// TestUsage has every flag in the line of usage, and that line in the manual.
func TestUsage(t *testing.T) {
	manual, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range verbs {
		_, stdout, _ := tool(t, nil, "help", v.name)
		line, rest, _ := strings.Cut(stdout, "\n")
		_, flags, ok := strings.Cut(rest, "\nflags:\n")
		if !ok || !strings.Contains(string(manual), "//	nonudify "+v.name+" "+v.args+"\n") {
			t.Errorf("%s: flags %v, or a line of usage that the manual does not have", v.name, ok)
		}
		for f := range strings.Lines(flags) {
			if title, _, _ := strings.Cut(strings.TrimSpace(f), "  "); !strings.Contains(line, "["+title) {
				t.Errorf("%s: no %s in %q", v.name, title, line)
			}
		}
	}
}

// TestImports keeps the server out of the tool.
func TestImports(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for path := range strings.FieldsSeq(string(out)) {
		if path == "github.com/nonudify/nonudify/plugin" || strings.HasPrefix(path, "github.com/coredns/coredns") ||
			strings.HasPrefix(path, "github.com/prometheus/") || path == "github.com/coredns/caddy" {
			t.Errorf("imports %s", path)
		}
	}
	if !strings.Contains(string(out), "caddyfile") {
		t.Error("go list does not show what is imported")
	}
}

// TestUnwritable has the results go nowhere.
func TestUnwritable(t *testing.T) {
	var stderr bytes.Buffer
	code := run([]string{"help"}, nil, broken{}, &stderr)
	if code != wrong || stderr.String() != "nonudify: "+errBroken.Error()+"\n" {
		t.Errorf("code %d, stderr %q", code, stderr.String())
	}
}

var errBroken = errors.New("broken pipe")

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errBroken }

// TestUnreadable has a file break off, which is no fault of its content.
func TestUnreadable(t *testing.T) {
	in := io.MultiReader(strings.NewReader("badsite.example\n"), iotest.ErrReader(errBroken))
	code, stdout, stderr := tool(t, in, "lint", "-")
	if code != wrong || stdout != "" || stderr != "nonudify: stdin: could not be read to its end: broken pipe\n" {
		t.Errorf("code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
}

func TestCorefileLimit(t *testing.T) {
	text := ".:53 {\n    nonudify\n}\n#"
	for extra, want := range map[int]int{0: fine, 1: wrong} {
		path := write(t, "Corefile", text+strings.Repeat("x", maxCorefile-len(text)+extra))
		code, _, stderr := tool(t, nil, "check", "-conf", path, "good.example")
		if code != want || (code == wrong) != strings.HasSuffix(stderr, "larger than 8.0 MiB\n") {
			t.Errorf("%d bytes: code %d, stderr %q", maxCorefile+extra, code, stderr)
		}
	}
}

// TestExpires has the clock pass the end of a list's life.
func TestExpires(t *testing.T) {
	expires := time.Date(2026, 12, 6, 0, 0, 0, 0, time.UTC)
	for after, want := range map[time.Duration]int{0: 0, time.Second: 1} {
		r := &report{Header: header{Expires: expires, Serial: 1}}
		if r.judge(expires.Add(after)); len(r.Findings) != want {
			t.Errorf("%v after: findings %q", after, r.Findings)
		}
	}
}

// TestExplains accepts every number that a publisher may have counted.
func TestExplains(t *testing.T) {
	r := &report{Rules: 10, Refused: 2, names: 7}
	for n, want := range map[int]bool{7: true, 10: true, 12: true, 8: false, 11: false} {
		if got := r.explains(n); got != want {
			t.Errorf("%d entries: %v", n, got)
		}
	}
}

// TestCounts tells rules that say the same again from those that add to others,
// and names that are covered from those that only look so.
func TestCounts(t *testing.T) {
	for _, c := range []struct {
		test                string
		format              list.Format
		text                string
		duplicates, covered int
	}{
		{"none", list.Domains, "a.example\nb.example\n", 0, 0},
		{"twice, and three times", list.Domains, "a.example\nb.example\na.example\nA.example\nb.example\n", 3, 0},
		{"names on a line", list.Hosts, "0.0.0.0 a.example a.example\n", 1, 0},
		{"covered", list.Domains, "a.example\nx.a.example\ny.x.a.example\nxa.example\n", 0, 2},
		{"below an exact rule", list.Adblock, "|a.example^\n||x.a.example^\n", 0, 0},
		{"only what is below", list.Adblock, "||*.a.example^\n||x.a.example^\n", 0, 1},
		{"an exception", list.Adblock, "||a.example^\n@@||p.a.example^\n||y.p.a.example^\n||x.a.example^\n", 0, 1},
		{"an exception of the same name", list.Adblock, "||a.example^\n@@||a.example^\n||x.a.example^\n", 0, 0},
		{"an exception is no block", list.Adblock, "@@||a.example^\n||x.a.example^\n@@||x.a.example^\n", 0, 0},
		{"more of the same name", list.Adblock, "|a.example^\n||a.example^\n", 1, 0},
		{"two halves", list.RPZ, "a.example CNAME .\n*.a.example CNAME .\nb.example CNAME .\n", 0, 0},
		{"two halves twice", list.RPZ, "a.example CNAME .\n*.a.example CNAME .\na.example CNAME .\n", 1, 0},
	} {
		l, err := feed.Load(strings.NewReader(c.text), time.Time{}, feed.LoadConfig{Format: c.format})
		if err != nil {
			t.Fatal(err)
		}
		if got, above := duplicates(l), covered(l.Set); got != c.duplicates || above != c.covered {
			t.Errorf("%s: %d duplicates, %d covered", c.test, got, above)
		}
	}
}

func TestPrintable(t *testing.T) {
	if got := printable("\x1b[31mred\x00 \xffb\u00fccher\u202e"); got != "[31mred bücher" {
		t.Errorf("got %q", got)
	}
}

// TestMatchLost has a verdict by a rule that stands nowhere: it is shown without
// a line.
func TestMatchLost(t *testing.T) {
	j := &judge{}
	got := j.match("www.badsite.example", policy.Verdict{
		Action: rule.Block, Trigger: rule.Subtree, Labels: 2, List: "demo",
	})
	want := foundRule{List: "demo", Action: rule.Block, Trigger: rule.Subtree, Rule: "badsite.example"}
	if *got != want {
		t.Errorf("got %+v", got)
	}
}
