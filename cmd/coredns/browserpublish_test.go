//go:build unix

package main

import (
	"cmp"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// publisherList is a list with exceptions, so that there are formats which cannot say
// all of it.
const publisherList = `! Title: Nudify services, with a title that is as long as titles of lists are
! List-ID: nudify.lists.example
! Issued: 2026-01-02T00:00:00Z
! Expires: 2999-12-06T00:00:00Z
! Homepage: https://lists.example/a-long-way/to-the-page-about/the-list.html
! Appeals: mailto:appeals@lists.example
! License: CC0-1.0
||badsite.example^
@@||ok.badsite.example^
||other.example^
`

// publishedBy writes editions of a list as its publisher does: as it is, and blinded.
func publishedBy(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "list.txt"), []byte(publisherList), 0o644); err != nil {
		t.Fatal(err)
	}
	run := func(name string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", name, err, out)
		}
	}
	program := toolPath(t)
	run(program, "keygen", "-nopass")
	run(program, "publish", "-url", "https://lists.example/nudify", "-organization", "Example Watch", "-policy", "https://lists.example/policy", "-o", "clear", "list.txt")
	run(program, "publish", "-url", "https://lists.example/nudify", "-blinded", "-o", "blinded", "list.txt")
	return dir
}

// TestPublishedPage looks at the page of a publisher in a browser, in narrow and wide
// windows, light and dark, and has the Nu HTML checker read it.
func TestPublishedPage(t *testing.T) {
	dir := publishedBy(t)
	axe, err := os.ReadFile(tool(t, "axe-core/axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(server.Close)
	b := newBrowser(t, server.URL, false)
	for _, path := range []string{"/clear/", "/blinded/"} {
		b.open(t, path)
		b.run(t, string(axe))
		for _, w := range []window{phone, desktop, zoomed} {
			for _, scheme := range []string{"light", "dark"} {
				b.screen(t, w.width, w.height, scheme)
				b.audit(t, fmt.Sprintf("%s, %d pixels, %s", path, w.width, scheme))
			}
		}
		b.spaced(t)
		b.check(t)
	}
	pages := t.TempDir()
	for _, name := range []string{"clear", "blinded"} {
		if err := os.Rename(filepath.Join(dir, name, "index.html"), filepath.Join(pages, name+".html")); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range nu(t, tool(t, "vnu-jar/build/dist/vnu.jar"), pages) {
		t.Errorf("%s, line %d: %s: %s", filepath.Base(m.URL), m.LastLine, cmp.Or(m.SubType, m.Type), m.Message)
	}
}
