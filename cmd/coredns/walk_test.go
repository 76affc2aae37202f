//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The tests in files called walk*_test.go go through the guides as a reader does: what
// stands between fences is run, or given to the program that it is for, or held by
// another test. What is none of it stands in passageRows with the reason.

// passage is what stands between two fences of a guide.
type passage struct {
	guide    string // its path, from the root of the repository
	line     int
	language string // what stands behind the first fence
	text     string
}

func (p passage) String() string { return fmt.Sprintf("%s:%d", p.guide, p.line) }

// walkedGuides are all texts of the repository that tell people what to do.
func walkedGuides(t *testing.T) (files []string) {
	t.Helper()
	for _, pattern := range []string{"*.md", "docs/*.md", "plugin/README.md", "deploy/*.md", "deploy/*/*.md"} {
		found, err := filepath.Glob(filepath.Join("../..", pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	return files
}

// passages returns all of a guide's, in their order.
func passages(t *testing.T, file string) (all []passage) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	guide, err := filepath.Rel("../..", file)
	if err != nil {
		t.Fatal(err)
	}
	fence := regexp.MustCompile("^( *)(```|~~~) ?([\\w-]*)")
	var open []string // the parts of the fence that is open
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		m := fence.FindStringSubmatch(line)
		switch {
		case m != nil && open == nil:
			open = m
			all = append(all, passage{guide: guide, line: n, language: m[3]})
		case m != nil && m[2] == open[2]:
			open = nil
		case open != nil:
			all[len(all)-1].text += strings.TrimPrefix(line, open[1])
		}
	}
	if open != nil {
		t.Errorf("%s: the last fence is not closed", guide)
	}
	return all
}

// everyPassage returns those of all guides.
func everyPassage(t *testing.T) (all []passage) {
	t.Helper()
	for _, file := range walkedGuides(t) {
		all = append(all, passages(t, file)...)
	}
	return all
}

// passageRow says what becomes of passages. Of by, why, check and walk it has one.
type passageRow struct {
	guide    string // "" for those of every guide
	language string // "" for those in any language, or in none
	text     string // that is in the passage

	by    string                        // the test that holds it
	why   string                        // why it is not run
	check func(t *testing.T, p passage) // gives it to the program that it is for
	walk  *doing                        // how it is run
}

// doing is how a passage is run by walk.
type doing struct {
	save   string   // it is saved as this file, and not run
	prints []string // what its last line prints in the end; it is asked again until it does
	code   int      // with which it ends
	serves string   // where its first command serves, until it is ended
	loose  bool     // a command that fails does not end it
	before func(t *testing.T, w *walker)
	after  func(t *testing.T, w *walker, out string)
}

func (r passageRow) matches(p passage) bool {
	return (r.guide == "" || r.guide == p.guide) && (r.language == "" || r.language == p.language) && strings.Contains(p.text, r.text)
}

// rowOf returns the first row for a passage.
func rowOf(p passage) (int, bool) {
	i := slices.IndexFunc(passageRows(), func(r passageRow) bool { return r.matches(p) })
	return i, i >= 0
}

// TestEveryPassage: every passage of every guide has a row, every row a passage, and
// every test that a row names is there. What programs can check is checked.
func TestEveryPassage(t *testing.T) {
	rows, used, tests := passageRows(), map[int]bool{}, testNames(t)
	for _, p := range everyPassage(t) {
		i, ok := rowOf(p)
		if !ok {
			t.Errorf("%v: nothing is known of this passage: have it run, or say in passageRows why not\n%s", p, p.text)
			continue
		}
		used[i] = true
		if check := rows[i].check; check != nil {
			t.Run(p.String(), func(t *testing.T) { check(t, p) })
		}
	}
	for i, r := range rows {
		if ways := count(r.by != "", r.why != "", r.check != nil, r.walk != nil); ways != 1 {
			t.Errorf("row %d (%s, %q) says %d things of its passages, want one", i, r.guide, r.text, ways)
		}
		if !used[i] {
			t.Errorf("row %d (%s, %s, %q) is for no passage", i, r.guide, r.language, r.text)
		}
		if r.by != "" && !tests[r.by] {
			t.Errorf("row %d: no test is called %s", i, r.by)
		}
	}
}

func count(all ...bool) (n int) {
	for _, is := range all {
		if is {
			n++
		}
	}
	return n
}

// testNames are those of all tests of the repository.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	for _, pattern := range []string{"*/*/*_test.go", "*/*_test.go", "*/*/*/*_test.go"} {
		files, err := filepath.Glob(filepath.Join("../..", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range declared.FindAllSubmatch(text, -1) {
				names[string(m[1])] = true
			}
		}
	}
	return names
}

// commandLines returns the commands of a passage: all of a script, and of a
// transcript what stands behind the prompt.
func (p passage) commandLines() (lines []string) {
	for line := range strings.Lines(p.text) {
		line = strings.TrimSuffix(line, "\n")
		if p.language == "console" {
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				lines = append(lines, command)
			}
			continue
		}
		lines = append(lines, line)
	}
	return lines
}

// isShell reports whether a passage is for a shell of Unix.
func (p passage) isShell() bool { return p.language == "sh" || p.language == "console" }

// TestGuideCommands has sh and shellcheck read every command of the guides. In transcripts,
// what stands behind a prompt of Windows is left out.
func TestGuideCommands(t *testing.T) {
	shellcheck := expected(t, "shellcheck")
	found := 0
	for _, p := range everyPassage(t) {
		lines := p.commandLines()
		if !p.isShell() || len(lines) == 0 {
			continue
		}
		found++
		script := saved(t, "script", strings.Join(lines, "\n")+"\n")
		if out, err := exec.CommandContext(t.Context(), "sh", "-n", script).CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", p, err, out)
		}
		shell := map[string]string{"sh": "sh", "console": "bash"}[p.language] // who types may have bash
		if out, err := exec.CommandContext(t.Context(), shellcheck, "-s", shell, script).CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", p, err, out)
		}
	}
	if found < 20 {
		t.Errorf("Only %d passages with commands found", found)
	}
}

// TestGuideTool: every verb and every flag of the tool that a guide names, in a command
// or in a sentence, is one that the tool has.
func TestGuideTool(t *testing.T) {
	tool := toolPath(t)
	flags, found := map[string][]string{}, 0
	for _, u := range everyUse(t) {
		m := toolUse.FindStringSubmatch(u.code)
		if m == nil {
			continue
		}
		found++
		if flags[m[1]] == nil {
			flags[m[1]] = toolFlags(t, tool, m[1])
		}
		own := regexp.MustCompile(`\$\([^)]*\)`).ReplaceAllString(m[2], "") // without the commands of others
		for _, flag := range regexp.MustCompile(`(?: |\[)(-[a-z]+)`).FindAllStringSubmatch(own, -1) {
			if !slices.Contains(flags[m[1]], flag[1]) {
				t.Errorf("%s: nonudify %s has no flag %s: %s", u.guide, m[1], flag[1], u.code)
			}
		}
	}
	if found < 50 {
		t.Errorf("Only %d uses of the tool found", found)
	}
}

// toolUse is the tool at the place of a command: the verb, and what stands behind it.
var toolUse = regexp.MustCompile(`(?:^|\$ |&& ?|[|;(] ?|sudo |bin/|-t [\w-]+ )nonudify ([a-z]+)((?: +[^\s|;&#]+)*)`)

// use is something in code in a guide.
type use struct{ guide, code string }

// everyUse returns what all guides have in code: the lines of their passages, those
// that are set in, and the spans in their sentences.
func everyUse(t *testing.T) (all []use) {
	t.Helper()
	for _, file := range walkedGuides(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, code := range uses(string(text)) {
			all = append(all, use{filepath.Base(file), code})
		}
	}
	return all
}

// uses returns what a text has in code.
func uses(text string) (all []string) {
	inside := false
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", " ")) {
		trimmed := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(trimmed, "```"), strings.HasPrefix(trimmed, "~~~"):
			inside = !inside
		case inside, strings.HasPrefix(line, "    "):
			all = append(all, trimmed)
		default:
			for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(line, -1) {
				all = append(all, m[1])
			}
		}
	}
	return all
}

// toolFlags returns the flags of a verb, with their hyphens, or fails for one that is
// not there.
func toolFlags(t *testing.T, tool, verb string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), tool, "help", verb).CombinedOutput()
	if err != nil && verb != "version" && verb != "help" {
		t.Errorf("A guide uses nonudify %s: %v\n%s", verb, err, out)
	}
	found := []string{"-h"}
	for _, m := range regexp.MustCompile(`(?m)^    (-[a-z]+)`).FindAllSubmatch(out, -1) {
		found = append(found, string(m[1]))
	}
	return found
}

// TestGuideTargets: every target of make, and every package, that a guide names is
// there.
func TestGuideTargets(t *testing.T) {
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, u := range everyUse(t) {
		if m := regexp.MustCompile(`^make ([a-z]+)`).FindStringSubmatch(u.code); m != nil {
			found++
			if !regexp.MustCompile(`(?m)^` + m[1] + `:`).Match(makefile) {
				t.Errorf("%s: the Makefile has no target %s", u.guide, m[1])
			}
		}
		for _, m := range regexp.MustCompile(`\bgo (?:test|generate|run)\b.*? \./([\w./]+)`).FindAllStringSubmatch(u.code, -1) {
			found++
			if _, err := os.Stat(filepath.Join("../..", strings.TrimSuffix(m[1], "/..."))); err != nil {
				t.Errorf("%s: %v", u.guide, err)
			}
		}
	}
	if found < 15 {
		t.Errorf("Only %d targets and packages found", found)
	}
}

// packaged is what a package puts on a system, or makes when it is installed. Folders
// end in a slash.
var packaged = []string{
	"/usr/bin/nonudify", "/usr/bin/nonudify-resolver", "/etc/nonudify/Corefile", "/etc/nonudify/allow.txt", "/etc/nonudify/block.txt",
	"/etc/nonudify", "/var/lib/nonudify", "/run/nonudify/", "/etc/init.d/nonudify",
}

// others is what belongs to the systems and the products that guides are about.
var others = []string{
	"/dev/", "/tmp/", "/bin/sh", "/etc/ssl/", "/etc/letsencrypt/live/", "/var/www/", "/usr/local", "/usr/local/go/", "/usr/local/share", "/opt/AdGuardHome/lists/",
	"/etc/sysupgrade.conf", "/etc/pihole/", "/etc/opt/chrome/policies/managed/", "/etc/chromium/policies/managed/", "/etc/firefox/policies/",
	"/etc/coredns/", "/var/lib/knot-resolver/", "/media/",
	"/O", // the begin of a subject of a certificate
}

// TestGuidePaths: every absolute path in a command is one of a package or of the system, or
// an earlier passage of the guide has made it.
func TestGuidePaths(t *testing.T) {
	absolute := regexp.MustCompile(`(?:^|[\s"'])(/[\w][\w./-]*)`)
	made := regexp.MustCompile(`(?:mkdir -p|>|-o|install .* [\w.]+ ) *(/[\w./-]+)`)
	known, guide, found := []string{}, "", 0
	for _, p := range everyPassage(t) {
		if p.guide != guide {
			known, guide = slices.Concat(packaged, others), p.guide
		}
		if !p.isShell() {
			continue
		}
		for _, line := range p.commandLines() {
			line, _, _ = strings.Cut(line, " # ")
			for _, m := range made.FindAllStringSubmatch(line, -1) {
				known = append(known, m[1], strings.TrimSuffix(m[1], "/")+"/")
			}
			for _, m := range absolute.FindAllStringSubmatch(line, -1) {
				found++
				if !slices.ContainsFunc(known, func(path string) bool {
					return m[1] == path || strings.HasSuffix(path, "/") && strings.HasPrefix(m[1], path)
				}) {
					t.Errorf("%v: nobody has made %s", p, m[1])
				}
			}
		}
	}
	if found < 20 {
		t.Errorf("Only %d paths found", found)
	}
}
