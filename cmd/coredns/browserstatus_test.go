//go:build unix

package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/status"
)

// statusPage serves the status of a server with something of everything, which
// package status has in a golden file, or of one that has just begun.
func statusPage(t *testing.T, full bool) *httptest.Server {
	t.Helper()
	var r status.Report
	if full {
		text, err := os.ReadFile("../../testdata/golden/status.json")
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &r); err != nil {
			t.Fatal(err)
		}
		for len(r.Verdicts.Hours) < 48 {
			r.Verdicts.Hours = append(r.Verdicts.Hours, r.Verdicts.Hours[len(r.Verdicts.Hours)%3])
		}
		r.Lists[1].Error = "https://lists.example/" + strings.Repeat("a-long-way/", 12) + ": 503 Service Unavailable"
	}
	s := httptest.NewServer(status.NewHandler(status.Config{
		Report: func() status.Report { return r },
		Check: func(name dnsname.Name) []status.Judgement {
			return []status.Judgement{
				{Server: ".:53", Verdict: status.Blocked, List: "nudify", Rule: "badsite.example", Reason: "filtered", Action: "nxdomain"},
				{Server: "school.example:53 (view staff)", Verdict: status.Passed, Why: "allow", List: "allow", Rule: string(name), Reason: "filtered"},
				{Server: "tls://.:853", Verdict: status.NotListed}, {Server: "quic://.:853", Verdict: status.NotKnown},
			}
		},
	}))
	t.Cleanup(s.Close)
	return s
}

// longName is one that fits no line of a small window.
var longName = strings.Repeat("a-name-that-is-very-long-indeed.", 5) + "badsite.example"

// TestStatusPage uses the status page in a browser: in narrow and wide windows, light
// and dark, in colours that the system forces, without style, and by keyboard.
func TestStatusPage(t *testing.T) {
	axe, err := os.ReadFile(tool(t, "axe-core/axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	full := statusPage(t, true)
	b := newBrowser(t, full.URL, false)
	for _, path := range []string{"/", "/check?name=" + longName, "/check?name=a+b"} {
		b.open(t, path)
		b.run(t, string(axe))
		b.doors(t, true)
		for _, w := range []window{phone, desktop, zoomed} {
			for _, scheme := range []string{"light", "dark"} {
				b.screen(t, w.width, w.height, scheme)
				b.audit(t, fmt.Sprintf("%.20s, %d pixels, %s", path, w.width, scheme))
			}
		}
		b.spaced(t)
		b.media(t, "forced-colors", "active", "prefers-reduced-motion", "reduce")
		b.audit(t, path+", forced colours")
		b.check(t)
	}
	t.Run("By keyboard", func(t *testing.T) { testStatusKeys(t, b) })
	t.Run("Without style", func(t *testing.T) { testStatusBare(t, b) })
	if err := os.MkdirAll(screenshots, 0o755); err != nil {
		t.Fatal(err)
	}
	b.open(t, "/check?name=www.badsite.example")
	for _, width := range []int64{phone.width, desktop.width} {
		for _, scheme := range []string{"light", "dark"} {
			b.screen(t, width, desktop.height, scheme)
			b.picture(t, fmt.Sprintf("status-%d-%s.png", width, scheme))
		}
	}
}

// testStatusKeys checks a name without a mouse and without a script.
func testStatusKeys(t *testing.T, b *browser) {
	b.screen(t, phone.width, phone.height, "light")
	b.open(t, "/")
	if n := eval[int](t, b, `document.scripts.length`); n != 0 {
		t.Errorf("The page has %d scripts", n)
	}
	b.tab(t, "input")
	for _, c := range "badsite.example" {
		b.press(t, string(c))
	}
	b.tab(t, "button")
	b.press(t, kb.Enter)
	err := poll(func() error {
		if title := eval[string](t, b, `document.title`); title != "badsite.example – Filter status" {
			return fmt.Errorf("the page is %q", title)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := eval[string](t, b, `location.pathname + location.search + location.hash`); got != "/check?name=badsite.example#check" {
		t.Errorf("The page is at %s", got)
	}
	if got := eval[string](t, b, `document.querySelector(".answer h3").innerText`); got != "badsite.example is blocked" {
		t.Errorf("The answer is %q", got)
	}
	passed := b.tabTo(t, func(f focus) bool { return f.Name == "summary" })
	b.press(t, kb.Enter)
	if rows := eval[int](t, b, `Array.from(document.querySelectorAll("details[open] tbody tr")).filter(r => r.checkVisibility()).length`); rows != 48 {
		t.Errorf("The table has %d rows, after %+v", rows, passed)
	}
	b.tabTo(t, func(f focus) bool { return f.Text == "status.json" })
	b.check(t)
}

// testStatusBare reads the page as a browser shows it that knows no style sheets.
func testStatusBare(t *testing.T, b *browser) {
	b.open(t, "/")
	b.run(t, `document.querySelector("style").remove()`)
	text := eval[string](t, b, `document.body.innerText`)
	for _, want := range []string{
		"Filter status", "things need you", "Check a name", "What is filtered", "Lists", "Signed with key", "How often listed names were asked for",
		"There is no query log", "Help page", "When something is blocked by mistake", "status.json",
	} {
		_, after, found := strings.Cut(text, want)
		if !found {
			t.Fatalf("%q is not to be read at its place in\n%s", want, text)
		}
		text = after
	}
	b.check(t)
}

// TestStatusPagesAreValid asks the Nu HTML checker.
func TestStatusPagesAreValid(t *testing.T) {
	jar, dir := tool(t, "vnu-jar/build/dist/vnu.jar"), t.TempDir()
	for name, path := range map[string]string{"full": "/", "checked": "/check?name=" + longName, "wrong": "/check?name=a+b", "empty": "/"} {
		_, html, err := look(http.DefaultClient, statusPage(t, name != "empty").URL+path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name+".html"), []byte(html), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range nu(t, jar, dir) {
		t.Errorf("%s, line %d: %s: %s", filepath.Base(m.URL), m.LastLine, cmp.Or(m.SubType, m.Type), m.Message)
	}
}
