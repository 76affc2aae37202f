//go:build unix

package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nonudify/nonudify/plugin/helpline"
	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/sinkhole"
)

// fullest returns the three countries whose pages are the longest, the longest
// first; fewer, where the page of all would be larger than any may be.
func fullest(t *testing.T) []string {
	t.Helper()
	page, size := schoolPage(t), map[string]int{}
	var codes []string
	for _, place := range helpline.Builtin().Countries() {
		html, _ := page.Render(sinkhole.Wish{Language: "en", Country: place.Code})
		size[place.Code] = len(html)
		codes = append(codes, place.Code)
	}
	slices.SortFunc(codes, func(a, b string) int { return cmp.Compare(size[b], size[a]) })
	for n := 3; n > 1; n-- {
		if _, err := newSchoolPage(codes[:n]); err == nil {
			return codes[:n]
		}
		t.Logf("The page of %v is too large", codes[:n])
	}
	return codes[:1]
}

// variants returns the page in every language and in all the ways it is served,
// by the names of files.
func variants(t *testing.T) map[string][]byte {
	t.Helper()
	page, full := schoolPage(t), fullest(t)
	several := schoolPage(t, full...)
	all := map[string][]byte{}
	for _, l := range languages() {
		tag := l.String()
		all[tag+"-blocked.html"], _ = page.Render(sinkhole.Wish{Language: tag, Reason: policy.Blocked})
		all[tag+"-full.html"], _ = page.Render(sinkhole.Wish{Language: tag, Country: full[0]})
		all[tag+"-several.html"], _ = several.Render(sinkhole.Wish{Language: tag, Reason: policy.Censored})
		all[tag+"-own.html"], _ = page.Render(sinkhole.Wish{Language: tag, Own: true})
	}
	for _, own := range []bool{false, true} {
		files, _ := page.Static(policy.Filtered, own)
		for name, html := range files {
			all[fmt.Sprintf("static-%t-%s", own, name)] = html
		}
	}
	return all
}

// TestPagesAreSmall holds the page to its size where it is longest.
func TestPagesAreSmall(t *testing.T) {
	longest, size := "", 0
	for name, html := range variants(t) {
		if len(html) >= sinkhole.MaxPage {
			t.Errorf("%s has %d bytes", name, len(html))
		}
		if len(html) > size {
			longest, size = name, len(html)
		}
	}
	t.Logf("The longest is %s with %d bytes", longest, size)
}

// TestPagesAreValid asks the Nu HTML checker, which knows the standard better
// than browsers, who forgive everything.
func TestPagesAreValid(t *testing.T) {
	jar := tool(t, "vnu-jar/build/dist/vnu.jar")
	if _, err := exec.LookPath("java"); err != nil {
		lacking(t, "Java")
	}
	dir := t.TempDir()
	for name, html := range variants(t) {
		if err := os.WriteFile(filepath.Join(dir, name), html, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range nu(t, jar, dir) {
		if !m.wrong() {
			t.Errorf("%s, line %d: %s: %s", filepath.Base(m.URL), m.LastLine, cmp.Or(m.SubType, m.Type), m.Message)
		}
	}
}

// nuMessage is one of the checker's.
type nuMessage struct {
	Type, SubType, Message, URL string
	LastLine                    int
}

// wrong reports whether the checker is mistaken. It guesses the language of a
// page from its letters, and cannot tell those of former Yugoslavia apart, nor
// Indonesian from Malay.
func (m nuMessage) wrong() bool {
	return m.SubType == "warning" && strings.Contains(m.Message, "This document appears to be written in")
}

// nu runs the checker on all files of a folder.
func nu(t *testing.T, jar, dir string) []nuMessage {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "java", "-Xss2m", "-jar", jar, "--format", "json", "--exit-zero-always", "--stdout", dir).Output()
	if err != nil {
		t.Fatalf("The checker does not run: %v", err)
	}
	var reply struct{ Messages []nuMessage }
	if err := json.Unmarshal(out, &reply); err != nil {
		t.Fatalf("%v: %.500s", err, out)
	}
	return reply.Messages
}
