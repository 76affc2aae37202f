//go:build unix

package main

import (
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

// The test in this file follows the links of all documents.

// documents returns all files below the project's directory whose names end in one of
// these, but for what was built or downloaded.
func documents(t *testing.T, endings ...string) (files []string) {
	t.Helper()
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch name := d.Name(); {
		case err != nil:
			return err
		case d.IsDir() && (name == ".git" || name == "node_modules" || filepath.Dir(path) == "../.." && (name == "build" || name == "bin")):
			return fs.SkipDir
		case d.Type().IsRegular():
			for _, ending := range endings {
				if strings.HasSuffix(name, ending) {
					files = append(files, path)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

var (
	// fenced is what a document shows and does not say.
	fenced = regexp.MustCompile("(?ms)^ *(```|~~~).*?^ *(```|~~~) *$|^ *``+.*?``+ *$")
	// link is one in a sentence, or where a reference is defined.
	link    = regexp.MustCompile(`\]\(<?([^()\s>]+)>?(?: "[^"]*")?\)|(?m:^\[[^\]]+\]: +(\S+)$)`)
	heading = regexp.MustCompile(`(?m)^#{1,6} +(.+?) *#*$`)
)

// home is the project's place on the web: what is below it is a file of ours.
const home = "https://github.com/nonudify/nonudify/blob/main/"

// anchors returns what can stand behind the # of a link to a document, made of its
// headings as GitHub does.
func anchors(text string) map[string]bool {
	found := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		title := regexp.MustCompile(`\[(.*?)\]\(.*?\)`).ReplaceAllString(m[1], "$1")
		slug := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, title)
		for n := 1; found[slug]; n++ {
			if next := fmt.Sprintf("%s-%d", slug, n); !found[next] {
				slug = next
			}
		}
		found[slug] = true
	}
	return found
}

// places are the headings of files that were looked at.
type places map[string]map[string]bool

// follow returns an error if a link in a file leads to no file, or to no heading.
func (p places) follow(from, target string) error {
	target, own := strings.CutPrefix(target, home)
	u, err := url.Parse(target)
	if err != nil || u.IsAbs() {
		return err // the web is not ours to look at
	}
	path := from
	switch {
	case own:
		path = filepath.Join("../..", u.Path)
	case u.Path != "":
		path = filepath.Join(filepath.Dir(from), u.Path)
	}
	if info, err := os.Stat(path); err != nil || info.IsDir() || u.Fragment == "" {
		return err
	}
	if p[path] == nil {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		p[path] = anchors(string(text))
	}
	if !p[path][u.Fragment] {
		return fmt.Errorf("%s has no heading #%s", path, u.Fragment)
	}
	return nil
}

// TestLinks: every link between documents leads to a file and a heading that are there,
// and so does every document that a comment, a message or a file of deploy names.
func TestLinks(t *testing.T) {
	t.Parallel()
	links, known := 0, places{}
	for _, file := range documents(t, ".md") {
		for _, m := range link.FindAllStringSubmatch(fenced.ReplaceAllString(readFile(t, file), ""), -1) {
			links++
			if err := known.follow(file, m[1]+m[2]); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
	named := regexp.MustCompile(`\bdocs/[\w-]+\.md(?:#[\w-]+)?|` + regexp.QuoteMeta(home) + `[\w./#-]+`)
	for _, file := range documents(t, ".go", ".sh", ".yaml", ".yml", ".json", ".html", ".txt", "Makefile", "Corefile", "corefile.example") {
		for line := range strings.Lines(readFile(t, file)) {
			if !strings.Contains(line, "docs/") && !strings.Contains(line, home) {
				continue
			}
			for _, target := range named.FindAllString(line, -1) {
				links++
				if err := known.follow("../../x", target); err != nil {
					t.Errorf("%s: %v", file, err)
				}
			}
		}
	}
	if links < 100 {
		t.Errorf("Only %d links found", links)
	}
}

// TestFollow: links that lead nowhere are found out.
func TestFollow(t *testing.T) {
	t.Parallel()
	const page = "docs/operations.md"
	for target, fine := range map[string]bool{
		"isp.md": true, "isp.md#1-this-resolver": true, "../deploy/observe": true, "#as-json": true, "https://coredns.io": true, home + page + "#as-json": true,
		"nowhere.md": false, "isp.md#nowhere": false, "#nowhere": false, home + page + "#nowhere": false,
	} {
		if err := (places{}).follow("../../"+page, target); (err == nil) != fine {
			t.Errorf("%s: %v", target, err)
		}
	}
}
