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
	if code != wrong || stdout != "" || stderr != "nonudify: stdin: broken pipe\n" {
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

func TestCensus(t *testing.T) {
	c := &census{Checker: new(policy.Guard)}
	for _, r := range []rule.Rule{
		{Name: "a.example", Trigger: rule.Exact, Action: rule.Block},
		{Name: "a.example", Trigger: rule.Below, Action: rule.Block},   // adds to the former
		{Name: "a.example", Trigger: rule.Subtree, Action: rule.Block}, // says the same again
		{Name: "x.a.example", Trigger: rule.Exact, Action: rule.Block}, // covered
		{Name: "p.a.example", Trigger: rule.Subtree, Action: rule.Pass},
		{Name: "y.p.a.example", Trigger: rule.Exact, Action: rule.Block}, // below an exception: not covered
		{Name: "b.example", Trigger: rule.Exact, Action: rule.Block},
		{Name: "x.b.example", Trigger: rule.Exact, Action: rule.Block}, // below an exact rule: not covered
	} {
		if err := c.Check(r); err != nil {
			t.Fatal(err)
		}
	}
	if c.Check(rule.Rule{Name: "example", Trigger: rule.Exact, Action: rule.Block}) == nil {
		t.Error("a single label was let in")
	}
	if c.blocks != 7 || c.passes != 1 || c.duplicates != 1 || c.covered() != 1 {
		t.Errorf("%d blocks, %d passes, %d duplicates, %d covered", c.blocks, c.passes, c.duplicates, c.covered())
	}
}

func TestReadLines(t *testing.T) {
	long := strings.Repeat("x", 200<<10)
	text := "one\n" + long + "\nthree\nfour"
	want := map[int]string{2: "", 3: "", 4: "", 9: ""}
	if err := readLines(strings.NewReader(text), want); err != nil {
		t.Fatal(err)
	}
	if want[2] != long[:list.MaxLine] || want[3] != "three\n" || want[4] != "four" || want[9] != "" {
		t.Errorf("line 2 has %d bytes, 3 is %q, 4 is %q", len(want[2]), want[3], want[4])
	}
	if err := readLines(iotest.ErrReader(errBroken), map[int]string{1: ""}); !errors.Is(err, errBroken) {
		t.Errorf("error %v", err)
	}
}

func TestCommentOf(t *testing.T) {
	for _, c := range []struct {
		line   string
		format list.Format
		want   string
	}{
		{"badsite.example", list.Domains, ""},
		{"badsite.example # since=2026 # and more\n", list.Domains, "since=2026 # and more"},
		{"badsite.example\t# since=2026\r\n", list.Wildcard, "since=2026"},
		{"badsite.example#none", list.Domains, ""},
		{"0.0.0.0 badsite.example#here", list.Hosts, "here"},
		{"badsite.example CNAME . ; here # too", list.RPZ, "here # too"},
		{"address=/badsite.example/#", list.Dnsmasq, ""},
		{"badsite.example # \x1b[31mred\x00 \xffb\u00fccher\u202e", list.Domains, "[31mred bücher"},
	} {
		if got := commentOf(c.line, c.format); got != c.want {
			t.Errorf("%q: got %q, want %q", c.line, got, c.want)
		}
	}
}

// TestMatchLost has a list change between being loaded and being searched: the
// verdict stands, without a line.
func TestMatchLost(t *testing.T) {
	j := &judge{}
	got := j.match("www.badsite.example", policy.Verdict{
		Action: rule.Block, Trigger: rule.Subtree, Labels: 2, List: "demo",
	})
	want := place{List: "demo", Action: rule.Block, Trigger: rule.Subtree, Rule: "badsite.example"}
	if *got != want {
		t.Errorf("got %+v", got)
	}
}
