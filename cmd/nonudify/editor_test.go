package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nonudify/nonudify/plugin/builtin"
	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/rule"
)

// today is the day of the tests below.
var today = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// toolAt is tool at a moment.
func toolAt(t *testing.T, now time.Time, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	w := bufio.NewWriter(&out)
	e := &env{stdin: strings.NewReader(""), stdout: w, stderr: &err, now: func() time.Time { return now }, bar: &progress{now: time.Now}}
	code = e.run(args)
	w.Flush()
	return code, out.String(), err.String()
}

// issuesOf returns what lint says of a list, as "line severity code".
func issuesOf(t *testing.T, now time.Time, text string, flags ...string) (issues []string, code int) {
	t.Helper()
	code, stdout, stderr := toolAt(t, now, append([]string{"lint", "-json", write(t, "list.txt", text)}, flags...)...)
	var reports []report
	if err := json.Unmarshal([]byte(stdout), &reports); err != nil || len(reports) != 1 || stderr != "" {
		t.Fatalf("%v: %s%s", err, stdout, stderr)
	}
	for _, x := range reports[0].Issues {
		issues = append(issues, fmt.Sprintf("%d %s %s", x.Line, x.Severity, x.Code))
	}
	return issues, code
}

// TestIssues has each kind of issue found, and a list like it without.
func TestIssues(t *testing.T) {
	const rest = " category=nudify confidence=medium review=2026-11-01"
	const two = "sources=press@2026-01-02,https://paper.example/a"
	tests := []struct{ name, line, want string }{
		{"nothing", "badsite.example # " + two + rest, ""},
		{"everything", "badsite.example # since=2026-01-02 seen=2026-11-01 " + two + rest + ` appeal=rejected:2026-02-03 note="a shop, \"they\" say"`, ""},
		{"no comment", "badsite.example", "error no-provenance"},
		{"a remark", "badsite.example # bad", "error remark"},
		{"unreadable", "badsite.example # sources=a,b confidence=sure", "error provenance"},
		{"no source", "badsite.example # category=nudify confidence=low review=2026-11-01", "error no-source"},
		{"one source", "badsite.example # sources=a" + rest, "hint few-sources"},
		{"one source, two copies", "badsite.example # sources=a@2026-01-01,a@2026-02-01" + rest, "hint few-sources"},
		{"one source, two pages", "badsite.example # sources=https://www.paper.example/a,https://paper.example/b" + rest, "hint few-sources"},
		{"one source in two letter cases", "badsite.example # sources=a@1,A@2" + rest, "hint few-sources"},
		{"one source but for its scheme", "badsite.example # sources=http://paper.example/a,https://paper.example/a,paper.example/a" + rest, "hint few-sources"},
		{"one source but for a slash", "badsite.example # sources=https://paper.example/a,https://paper.example/a/,https://PAPER.example:443/A" + rest, "hint few-sources"},
		{"one source and its day", "badsite.example # sources=https://paper.example/a@2026-01-01,paper.example@2026-02-01" + rest, "hint few-sources"},
		{"one source and its archive", "badsite.example # sources=https://paper.example/a,https://archive.example/web/2026/http://www.paper.example/a" + rest, "hint few-sources"},
		{"one address", "badsite.example # sources=http://192.0.2.1/a,https://192.0.2.1/b" + rest, "hint few-sources"},
		{"two blogs of a platform", "badsite.example # sources=https://a.github.io/x,https://b.github.io/x" + rest, ""},
		{"two ids", "badsite.example # sources=list/a@2026,list/b@2026" + rest, ""},
		{"a page with a link", "badsite.example # sources=https://paper.example/?u=http://other.example/,https://other.example/" + rest, ""},
		{"two addresses", "badsite.example # sources=http://192.0.2.1/a,http://192.0.2.2/a" + rest, ""},
		{"one source and certain", "badsite.example # sources=a category=nudify confidence=high review=2026-11-01", "warning few-sources"},
		{"link", "badsite.example # sources=a,https://www.badsite.example/" + rest, "error link"},
		{"an address of mail", "badsite.example # sources=a,Jane.Doe@mail.example" + rest, "error private"},
		{"the same as a URL", "badsite.example # sources=a,Mailto:jane@mail.example" + rest, "error private"},
		{"a phone number", "badsite.example # sources=a,+43-1-234567" + rest, "error private"},
		{"the same as a URL", "badsite.example # sources=a,tel:112" + rest, "error private"},
		{"a password", "badsite.example # sources=a,https://jane:secret@paper.example/" + rest, "error private"},
		{"a password in what an archive has", "badsite.example # sources=a,https://archive.example/1/http://jane@paper.example" + rest, "error private"},
		{"no address of mail", "badsite.example # sources=a@v1.2,b@2026-06,c@1,d@,@e,https://paper.example/@jane.example,https://paper.example?at=x@y.example" + rest, ""},
		{"no phone number", "badsite.example # sources=+1,2026-11-22,0012345678" + rest, ""},
		{"no link", "badsite.example # sources=a,https://notbadsite.example/?u=badsite.example" + rest, ""},
		{"no category", "badsite.example # confidence=low review=2026-11-01 " + two, "hint no-category"},
		{"no confidence", "badsite.example # category=nudify review=2026-11-01 " + two, "hint no-confidence"},
		{"the last day before a review", "badsite.example # review=2026-08-25 category=nudify confidence=low " + two, ""},
		{"the day of a review", "badsite.example # review=2026-08-24 category=nudify confidence=low " + two, "warning review-due"},
		{"tomorrow somewhere", "badsite.example # seen=2026-11-23 " + two + rest, ""},
		{"still to come", "badsite.example # seen=2026-11-24 " + two + rest, "error future"},
		{"review still to come", "badsite.example # review=2027-01-01 category=nudify confidence=low " + two, "error future"},
		{"order", "badsite.example # since=2026-03-02 seen=2026-03-01 " + two + rest, "error order"},
		{"a year ago", "badsite.example # seen=2025-11-23 " + two + rest, ""},
		{"longer ago", "badsite.example # seen=2025-11-21 " + two + rest, "hint stale"},
		{"appeal", "badsite.example # appeal=open:2026-11-09 " + two + rest, "hint appeal-open"},
		{"an old appeal", "badsite.example # appeal=open:2026-11-07 " + two + rest, "warning appeal-due"},
		{"a right appeal", "badsite.example # appeal=upheld:2026-11-07 " + two + rest, "error appeal-upheld"},
		{"spared", "clothingarts.com # " + two + rest, "error never"},
		{"below a spared name", "shop.clothingarts.com # " + two + rest, "error never"},
		{"beside a spared name", "shopclothingarts.com # " + two + rest, ""},
		{"below a platform", "nude.vercel.app # " + two + rest, ""},
		{"below another platform", "nude.zproxy.org # " + two + rest, ""},
		{"another platform", "zproxy.org # " + two + rest, "error never"},
		{"above a protected name is refused", "telegram.org # " + two + rest, ""},
		{"the same label", "telegram.example # " + two + rest, "warning look-alike"},
		{"looks the same", "te1egram.example # " + two + rest, "warning look-alike"},
		{"one letter", "telegran.example # " + two + rest, "warning look-alike"},
		{"two letters", "telegnan.example # " + two + rest, ""},
		{"mixed", "bаdsite.example # " + two + rest, "warning mixed-script"},
		{"confusable", "раура.example # " + two + rest, "warning confusable"},
		{"another script", "сайт.example # " + two + rest, ""},
		{"person", "emma-watkins.example # " + two + rest, "hint person"},
	}
	head := "# Serial: 1\nfirst.example # " + two + rest + "\n" // without one the list could be no source
	for _, tt := range tests {
		got, code := issuesOf(t, today, head+tt.line+"\n")
		var want []string
		if tt.want != "" {
			want = []string{"3 " + tt.want}
		}
		wantCode := fine
		if tt.want != "" && !strings.HasPrefix(tt.want, "hint") || strings.HasPrefix(tt.line, "telegram.org") {
			wantCode = finding
		}
		if !slices.Equal(got, want) || code != wantCode {
			t.Errorf("%s: %v, want %v; code %d, want %d", tt.name, got, want, code, wantCode)
		}
	}
}

// TestIssuesOfList are those that take more than one line to see.
func TestIssuesOfList(t *testing.T) {
	const known = " # sources=a,b category=nudify confidence=low"
	const seen = known + " review=2026-11-01"
	var many strings.Builder
	for i := range sourceHead - 1 {
		fmt.Fprintf(&many, "x%d.example\n", i)
	}
	tests := []struct {
		name, text string
		flags      []string
		want       []string
	}{
		{"duplicate", "a.example" + seen + "\nA.example" + seen + "\n", nil, []string{"2 error duplicate"}},
		{"covered, whichever comes first", "x.a.example" + seen + "\na.example" + seen + "\ny.x.a.example" + seen + "\nb.example" + seen + "\n", nil,
			[]string{"1 warning covered", "3 warning covered"}},
		{"reviewed with the edition", "# Issued: 2026-08-25T00:00:00Z\na.example" + known + "\n", nil, nil},
		{"due with the edition", "# Issued: 2026-08-20T00:00:00Z\na.example" + known + "\nb.example" + seen + "\n", nil, []string{"0 warning review-due"}},
		{"never reviewed", "a.example" + known + "\n", nil, []string{"0 warning no-review"}},
		{"no source", "a.example\nb.example # since=2026-01-01\n", nil, nil},
		{"no source, and said to be one", "a.example\nb.example # since=x\n", []string{"-provenance"}, []string{"1 error no-provenance", "2 error provenance"}},
		{"named in time", many.String() + "last.example" + known + "\n", []string{"-max", "1"}, []string{"1 error no-provenance"}},
		{"named too late", many.String() + "y.example\nlast.example" + known + "\nbeyond.example" + known + "\n", nil, []string{"1001 error late-source"}},
		{"other formats", "! Serial: 1\n||a.example^" + seen + "\n@@||ok.a.example^\n||b.example^\n", nil, []string{"4 error no-provenance"}},
		{"above one that must not be listed", "mit.edu" + seen + "\nx.example" + seen + "\nmit.edu" + seen + "\n", nil, []string{"1 error never", "3 error duplicate"}},
		{"the name alone above it", "! Serial: 1\n|mit.edu^" + seen + "\n", nil, nil},
		{"above it, and excepted", "! Serial: 1\n||mit.edu^" + seen + "\n@@||media.mit.edu^\n", nil, nil},
		{"above it, and something else excepted", "! Serial: 1\n@@||mit.edu.example^\n@@||x.detectfakes.media.mit.edu^\n||mit.edu^" + seen + "\n", nil, []string{"4 error never"}},
		{"a blinded list", "# Salt: 000102030405060708090a0b0c0d0e0f\n5c0177c336babfdfcefe048cc66b814f\n", []string{"-provenance"}, nil},
	}
	for _, tt := range tests {
		if got, _ := issuesOf(t, today, tt.text, tt.flags...); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestIssueLimit: as many are shown as -max says, and all are counted.
func TestIssueLimit(t *testing.T) {
	text := "a.example # sources=a,b\n" + strings.Repeat("a.example # sources=a,b category=nudify confidence=low review=2026-11-01\n", 9)
	_, stdout, _ := toolAt(t, today, "lint", "-max", "3", write(t, "l.txt", text))
	// the first entry has no category, no confidence and no review
	if strings.Count(stdout, "l.txt:") != 3+2 || !strings.Contains(stdout, "9 × duplicate") || !strings.Contains(stdout, "l.txt: 9 issues more, which -max 0 shows") {
		t.Errorf("%s", stdout)
	}
	_, all, _ := toolAt(t, today, "lint", "-max", "0", write(t, "l.txt", text))
	if strings.Count(all, "(duplicate)") != 9 || strings.Contains(all, "-max 0") {
		t.Errorf("%s", all)
	}
}

// TestHeld: beyond the limit entries are not compared, and the report says so. The
// same holds for two editions, and a union is refused.
func TestHeld(t *testing.T) {
	rep := &report{max: 1}
	rep.editor = &editor{now: today, demand: true, famous: &famous{}, report: rep.note}
	u := &union{say: func(string, ...any) {}}
	x := new(oneEdition)
	var err error
	for i := range maxHeld {
		name := dnsname.Name(fmt.Sprintf("x%d.example", i))
		rep.editor.twice(listed{name: name, line: i + 1}, func(severity, string, string, ...any) { t.Errorf("%s twice", name) })
		x.remember(name, "sources=a")
		err = errors.Join(err, u.add(rule.Rule{Name: name, Trigger: rule.Subtree, Action: rule.Block}, i+1, ""))
	}
	if rep.editor.over || x.over || err != nil {
		t.Errorf("over the limit at it: %v %v %v", rep.editor.over, x.over, err)
	}
	const more = "one.example"
	for range 2 {
		rep.editor.twice(listed{name: more, line: 1}, func(severity, string, string, ...any) { t.Error("compared beyond the limit") })
	}
	x.remember(more, "sources=a")
	err = u.add(rule.Rule{Name: more, Trigger: rule.Subtree, Action: rule.Block}, 1, "")
	if !rep.editor.over || !x.over || err == nil {
		t.Errorf("not over the limit above it: %v %v %v", rep.editor.over, x.over, err)
	}
	rep.edit(list.Header{})
	if len(rep.Notes) != 1 || !strings.Contains(rep.Notes[0], "262144") {
		t.Errorf("notes: %q", rep.Notes)
	}
	if err := u.add(rule.Rule{Name: "x0.example", Trigger: rule.Subtree, Action: rule.Block}, 1, ""); err != nil {
		t.Error(err)
	}
}

// TestGuide: the source that the guide shows is one without faults, and the guide has
// every code that lint knows.
func TestGuide(t *testing.T) {
	guide, err := os.ReadFile("../../docs/publisher.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(guide), "```\n# Title: ")
	text, _, ok := strings.Cut(rest, "```\n")
	issues, code := issuesOf(t, today, "# Title: "+text)
	if !ok || code != fine || len(issues) > 0 {
		t.Errorf("code %d: %v", code, issues)
	}
	program, err := os.ReadFile("editor.go")
	if err != nil {
		t.Fatal(err)
	}
	codes := regexp.MustCompile(`(?:say\(|Severity: |, )is(?:Error|Warning|Hint), "([a-z-]+)"|"([a-z-]+)", is(?:Error|Warning|Hint)|Code: "([a-z-]+)"`).FindAllStringSubmatch(string(program), -1)
	if len(codes) < 20 {
		t.Fatalf("only %d codes are found", len(codes))
	}
	for _, c := range codes {
		if code := cmp.Or(c[1], c[2], c[3]); !strings.Contains(string(guide), "`"+code+"`") {
			t.Errorf("the guide does not have %s", code)
		}
	}
}

// TestBuiltinIssues: the built-in list keeps its own rules on the day of its edition.
func TestBuiltinIssues(t *testing.T) {
	code, stdout, _ := toolAt(t, today, "lint", write(t, "nudify.txt", string(builtin.List())))
	if code != fine || !strings.Contains(stdout, "provenance  of 100 of 100 entries") || strings.Contains(stdout, "person") {
		t.Errorf("code %d\n%s", code, stdout)
	}
	late := today.Add(reviewEvery + 48*time.Hour)
	if code, stdout, _ := toolAt(t, late, "lint", write(t, "nudify.txt", string(builtin.List()))); code != finding || !strings.Contains(stdout, "(review-due)") {
		t.Errorf("code %d\n%s", code, stdout)
	}
}

// TestMergeRemarks keeps comments in front of a list up to the limit, and does not
// replace the list of which one more would be lost.
func TestMergeRemarks(t *testing.T) {
	const line = "# " + "0123456789abcdef\n"
	kept := strings.Repeat(line, maxRemarks/16)
	for text, want := range map[string]int{kept: fine, kept + line: finding} {
		path := write(t, "list.txt", text+"badsite.example\n")
		code, _, stderr := toolAt(t, today, "merge", "-o", path, path)
		after, err := os.ReadFile(path)
		if err != nil || code != want || strings.Count(string(after), "cdef") != strings.Count(text, "cdef") {
			t.Errorf("code %d, want %d; %d of %d comments there; %v %s", code, want, strings.Count(string(after), "cdef"), strings.Count(text, "cdef"), err, stderr)
		}
	}
}
