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

// reportTotals are the totals of a day that a report is made of.
const reportTotals = `{"format":"nonudify-totals/v1","day":"2020-02-01","counts":[
{"list":"nudify","reason":"filtered","action":"nxdomain","queries":1234,"clients":50},{"list":"a list with a rather long name that somebody gave it","reason":"blocked","action":"shadow","queries":99,"clients":20}],
"editions":[{"list":"nudify","id":"nudify.a-rather-long-name.lists.example","serial":2020013101,"from":"2020-01-31T08:00:00Z"}]}
`

// TestReportPage looks at a transparency report in a browser, in narrow and wide windows,
// light and dark, and has the Nu HTML checker read it.
func TestReportPage(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "state", "totals"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"state/totals/2020-02-01.json": reportTotals, "handled.txt": "2020-02-03 2020-02-05 kept\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	pages := filepath.Join(dir, "pages")
	if err := os.Mkdir(pages, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "run", "../nonudify", "report", "-state", filepath.Join(dir, "state"), "-month", "2020-02",
		"-handled", filepath.Join(dir, "handled.txt"), "-organization", "Example Provider", "-to-format", "html", "-o", filepath.Join(pages, "report.html"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	axe, err := os.ReadFile(tool(t, "axe-core/axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.FileServer(http.Dir(pages)))
	t.Cleanup(server.Close)
	b := newBrowser(t, server.URL, false)
	b.open(t, "/report.html")
	b.run(t, string(axe))
	for _, w := range []window{phone, desktop, zoomed} {
		for _, scheme := range []string{"light", "dark"} {
			b.screen(t, w.width, w.height, scheme)
			b.audit(t, fmt.Sprintf("%d pixels, %s", w.width, scheme))
		}
	}
	b.spaced(t)
	b.check(t)
	for _, m := range nu(t, tool(t, "vnu-jar/build/dist/vnu.jar"), pages) {
		t.Errorf("%s, line %d: %s: %s", filepath.Base(m.URL), m.LastLine, cmp.Or(m.SubType, m.Type), m.Message)
	}
}
