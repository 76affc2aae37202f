//go:build unix

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/nonudify/nonudify/plugin/sinkhole"
	"github.com/nonudify/nonudify/plugin/sinkhole/message"
)

// The tests whose files are called browser*_test.go are about the help page as a
// person meets it: in a real browser, by keyboard, in every language.

// patience is for how long the browser may be busy.
const patience = 30 * time.Second

// tools are what setup installs beside the browser.
const tools = "../../build/browser/node_modules"

// TestHelpPage uses the page in one tab of a browser.
func TestHelpPage(t *testing.T) {
	b := newBrowser(t, helpPage(t, fullest(t)...).URL, false)
	for _, test := range []struct {
		name string
		run  func(*testing.T, *browser)
	}{
		{"It is left at once", testLeave},
		{"It is left at once in another language", testLeaveLater},
		{"Only Shift thrice in a row leaves it", testShift},
		{"It is whole again for who comes back", testRestored},
		{"It needs no script", testWithoutScript},
		{"It needs no style", testWithoutStyle},
		{"It bears forced colours", testForcedColors},
		{"It is accessible in every language", testAccessible},
		{"It looks like this", testLook},
	} {
		t.Run(test.name, func(t *testing.T) {
			b.screen(t, desktop.width, desktop.height, "light")
			test.run(t, b)
			b.check(t)
		})
	}
}

// browser is a Chromium with one tab. Whatever it complains of is kept: errors in
// its console, violations of the page's policy, and every request that is not for
// the page itself.
type browser struct {
	ctx  context.Context
	home string // the page's address
	away string // another address that it may go to; "" for none

	mu     sync.Mutex
	faults []string
	fence  chan struct{}
}

// newBrowser starts Chromium, or skips the test where there is none. It finds no
// name but those that are in the system's own resolver if names is set.
func newBrowser(t *testing.T, home string, names bool) *browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium(t)),
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-features", "Translate,OptimizationHints,MediaRouter,DialMediaRouteProvider"),
		chromedp.Flag("lang", "en"),
	)
	if !names {
		options = append(options, chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"))
	}
	ctx, quit := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(quit)
	ctx, end := chromedp.NewContext(ctx, chromedp.WithErrorf(func(string, ...any) {}))
	t.Cleanup(end)
	b := &browser{ctx: ctx, home: home, fence: make(chan struct{}, 1)}
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatalf("Chromium does not start: %v", err)
	}
	call(t, b, audits.Enable, cdp.Empty{})
	return b
}

// chromium returns where the browser is.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	lacking(t, "Chromium")
	return ""
}

// tool returns the path of a file that setup installs with npm.
func tool(t *testing.T, path string) string {
	t.Helper()
	path = filepath.Join(tools, path)
	if _, err := os.Stat(path); err != nil {
		lacking(t, filepath.Base(path))
	}
	return path
}

// lacking ends a test that lacks a program.
func lacking(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is not installed", what)
	}
	t.Skipf("%s is not installed; make setup does", what)
}

// hear keeps what the browser complains of.
func (b *browser) hear(event any) {
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if strings.HasPrefix(e.DocumentURL, "chrome-error:") {
			return // the browser's own page on a site that it cannot reach
		}
		if url := e.Request.URL; !b.expected(url) {
			b.fault("a request for %s", url)
		}
	case *log.EventEntryAdded:
		if b.harmless(e.Entry) {
			return
		}
		b.fault("the browser's log: %s: %s", e.Entry.Level, e.Entry.Text)
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeDebug {
			b.fence <- struct{}{}
			return
		}
		b.fault("the console: %s", e.Type)
	case *runtime.EventExceptionThrown:
		b.fault("an exception: %s", e.ExceptionDetails.Exception.Description)
	case *audits.EventIssueAdded:
		if e.Issue.Code == audits.InspectorIssueCodeBounceTrackingIssue {
			return // it takes the tests' haste for a chain of redirects
		}
		b.fault("an issue: %s", e.Issue.Code)
	}
}

// harmless reports whether an entry of the browser's log is no fault: it calls
// the status of the page itself an error, and a header that has a meaning with
// https only.
func (b *browser) harmless(e *log.Entry) bool {
	return b.expected(e.URL) && (e.Source == log.EntrySourceNetwork || strings.HasPrefix(e.Text, "The Cross-Origin-Opener-Policy header has been ignored"))
}

// expected reports whether the browser may ask for a URL.
func (b *browser) expected(url string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.HasPrefix(url, b.home) || b.away != "" && url == b.away || url == "data:,"
}

func (b *browser) fault(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults = append(b.faults, fmt.Sprintf(format, args...))
}

// check fails a test during which the browser has complained. Events arrive in
// order: once the console's own has, so have all before it.
func (b *browser) check(t *testing.T) {
	t.Helper()
	b.run(t, `console.debug("")`)
	select {
	case <-b.fence:
	case <-time.After(10 * time.Second):
		t.Error("The browser's events do not arrive")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, fault := range b.faults {
		t.Errorf("The browser complains of %s", fault)
	}
	b.faults = nil
}

// open goes to an address of the page and waits until it has loaded.
func (b *browser) open(t *testing.T, path string) {
	t.Helper()
	b.do(t, chromedp.Navigate(b.home+path))
}

// in opens the page in a language, as somebody gets it whose browser speaks that
// language.
func (b *browser) in(t *testing.T, l message.Language) {
	t.Helper()
	call(t, b, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": l.String()}})
	b.open(t, "/")
	if got := eval[string](t, b, `document.documentElement.lang`); got != l.String() {
		t.Fatalf("The page is in %s", got)
	}
}

// screen makes the window as large as that, in CSS pixels, with a scheme of
// colours, "light" or "dark".
func (b *browser) screen(t *testing.T, width, height int64, scheme string) {
	t.Helper()
	call(t, b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: width, Height: height, DeviceScaleFactor: 1,
	})
	b.media(t, "prefers-color-scheme", scheme)
}

// media emulates features of media queries, name by name.
func (b *browser) media(t *testing.T, pairs ...string) {
	t.Helper()
	var features []*emulation.MediaFeature
	for i := 0; i < len(pairs); i += 2 {
		features = append(features, &emulation.MediaFeature{Name: pairs[i], Value: pairs[i+1]})
	}
	call(t, b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features})
}

// press presses keys one after the other.
func (b *browser) press(t *testing.T, keys ...string) {
	t.Helper()
	for _, key := range keys {
		b.do(t, chromedp.KeyEvent(key))
	}
}

// pressShift presses the Shift key as one would hold it: it repeats itself.
func (b *browser) pressShift(t *testing.T) {
	t.Helper()
	held := true
	key := kb.Encode([]rune(kb.Shift)[0])[0]
	up := *key
	up.Type = kb.KeyUp
	repeated := *key
	repeated.AutoRepeat = &held
	for _, event := range []input.DispatchKeyEventParams{*key, repeated, up} {
		call(t, b, input.DispatchKeyEvent, event)
	}
}

// click clicks the first element that a CSS selector finds.
func (b *browser) click(t *testing.T, selector string) {
	t.Helper()
	b.do(t, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// do takes steps and fails the test where one is impossible.
func (b *browser) do(t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

// eval returns the value of an expression in the page, awaited if it is a promise.
// Unlike that of chromedp it does not wait for a page that is on its way.
func eval[T any](t *testing.T, b *browser, expression string) (value T) {
	t.Helper()
	yes := true
	r := call(t, b, runtime.Evaluate, runtime.EvaluateParams{Expression: expression, ReturnByValue: &yes, AwaitPromise: &yes})
	if e := r.ExceptionDetails; e != nil {
		t.Fatalf("%s %v\n%.200s", e.Text, e.Exception, expression)
	}
	if err := json.Unmarshal(r.Result.Value, &value); err != nil {
		t.Fatalf("%v\n%.200s", err, expression)
	}
	return value
}

// run runs a script in the page.
func (b *browser) run(t *testing.T, script string) {
	t.Helper()
	eval[any](t, b, script+";0")
}

// call gives the tab a command of the DevTools protocol.
func call[P, R any](t *testing.T, b *browser, command cdp.Command[P, R], params P) R {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	r, err := chromedp.Call(ctx, command, params)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// helpPage serves the page of a school on a port of its own.
func helpPage(t *testing.T, countries ...string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(sinkhole.NewHandler(sinkhole.HandlerConfig{Page: schoolPage(t, countries...)}))
	t.Cleanup(s.Close)
	return s
}

// schoolPage is the page of a school at a time at which no number has expired.
func schoolPage(t *testing.T, countries ...string) *sinkhole.Page {
	t.Helper()
	page, err := newSchoolPage(countries)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

func newSchoolPage(countries []string) (*sinkhole.Page, error) {
	return sinkhole.NewPage(sinkhole.PageConfig{
		Organization: "Example School",
		Contacts:     []string{"mailto:it@school.example", "tel:+12025550143"},
		Countries:    countries,
		Now:          func() time.Time { return time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC) },
	})
}

// languages returns all languages of the page.
func languages() []message.Language { return message.Languages() }
