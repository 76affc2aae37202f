//go:build unix

package main

import (
	"context"
	"iter"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/fetch"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/nonudify/nonudify/plugin/sinkhole"
)

// testLeave leaves the page in every way there is: it is covered before the next
// one has come, and cannot be gone back to.
func testLeave(t *testing.T, b *browser) {
	for _, way := range []struct {
		name  string
		leave func(t *testing.T)
	}{
		{"a click", func(t *testing.T) { b.click(t, ".leave") }},
		{"the first key on the page", func(t *testing.T) { b.tab(t, "first"); b.press(t, kb.Enter) }},
		{"the button by keyboard", func(t *testing.T) { b.tab(t, "first"); b.tab(t, "leave"); b.press(t, kb.Enter) }},
		{"Shift three times", b.pressShiftThrice},
	} {
		t.Run(way.name, func(t *testing.T) {
			b.fresh(t)
			b.hold(t)
			way.leave(t)
			b.covered(t, true)
			b.fresh(t)
			b.leave(t, func() { way.leave(t) })
			b.gone(t)
			b.check(t)
		})
	}
}

// testLeaveLater leaves the page after a language was chosen, which is an address
// of its own.
func testLeaveLater(t *testing.T, b *browser) {
	b.fresh(t)
	b.click(t, ".inner")
	b.click(t, "footer summary")
	b.do(t, loaded(chromedp.Click(chromedp.CSS(`.choice a[lang="de"]`), chromedp.NodeVisible)))
	if got := eval[string](t, b, `document.documentElement.lang`); got != "de" {
		t.Errorf("The page is in %s", got)
	}
	b.leave(t, func() { b.pressShiftThrice(t) })
	b.gone(t)
}

// testShift presses other keys than those that leave. Time passes as the test
// says.
func testShift(t *testing.T, b *browser) {
	clock := call(t, b, cdppage.AddScriptToEvaluateOnNewDocument, cdppage.AddScriptToEvaluateOnNewDocumentParams{Source: `
		let timers = new Map(), last = 0;
		window.setTimeout = (f, delay) => { timers.set(++last, {f, delay}); return last; };
		window.clearTimeout = n => timers.delete(n);
		window.pass = ms => timers.forEach((timer, n) => { if (timer.delay <= ms) { timers.delete(n); timer.f(); } });`})
	defer call(t, b, cdppage.RemoveScriptToEvaluateOnNewDocument, cdppage.RemoveScriptToEvaluateOnNewDocumentParams(clock))
	b.fresh(t)
	b.hold(t)
	for _, other := range []func(){
		func() { b.press(t, "a") },
		func() { b.run(t, `pass(5000)`) },
	} {
		b.pressShift(t)
		b.pressShift(t)
		other()
		b.pressShift(t)
		b.covered(t, false)
		b.press(t, "b")
	}
	b.pressShift(t)
	b.pressShift(t)
	b.run(t, `pass(4999)`)
	b.pressShift(t)
	b.covered(t, true)
}

// testRestored comes back to the page as the browser had kept it.
func testRestored(t *testing.T, b *browser) {
	b.fresh(t)
	b.hold(t)
	title := eval[string](t, b, `document.title`)
	b.click(t, ".leave")
	b.covered(t, true)
	b.run(t, `window.dispatchEvent(new PageTransitionEvent("pageshow", {persisted: true}))`)
	b.covered(t, false)
	if got := eval[string](t, b, `document.title`); got != title {
		t.Errorf("The title is %q, was %q", got, title)
	}
}

// testWithoutScript uses the page where no script may run.
func testWithoutScript(t *testing.T, b *browser) {
	call(t, b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	defer call(t, b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{})
	b.fresh(t)
	if text := eval[string](t, b, `document.body.innerText`); strings.Contains(text, "Shift") || !strings.Contains(text, "history") {
		t.Errorf("The page promises what only a script can do, or does not tell of the history:\n%s", text)
	}
	for _, door := range []string{"me", "maker", "adult"} {
		b.click(t, "#"+door+" summary")
		b.opened(t, door)
	}
	b.click(t, "footer summary")
	b.do(t, loaded(chromedp.Click(chromedp.CSS(`.choice a[lang="de"]`), chromedp.NodeVisible)))
	if got := eval[string](t, b, `document.documentElement.lang`); got != "de" {
		t.Errorf("The page is in %s", got)
	}
	b.leave(t, func() { b.click(t, ".leave") })
	if got := eval[string](t, b, `location.href`); got != sinkhole.Leave {
		t.Errorf("The way out led to %s", got)
	}
}

// covered checks that nothing of the page is to be seen, or all of it.
func (b *browser) covered(t *testing.T, want bool) {
	t.Helper()
	for what, got := range eval[map[string]bool](t, b, `(() => {
		const gone = document.getElementById("gone"), text = gone.textContent;
		return {
			"the cover": gone.checkVisibility(),
			"the title": document.title === text,
			"all else": document.body.innerText.trim() === text && !document.querySelector("h1").checkVisibility(),
		};
	})()`) {
		if got != want {
			t.Errorf("The page is covered as to %s: %t, want %t", what, got, want)
		}
	}
}

// gone checks that the page has left no entry in the history of the tab, and
// that one step back leads to what was before it.
func (b *browser) gone(t *testing.T) {
	t.Helper()
	history := call(t, b, cdppage.GetNavigationHistory, cdp.Empty{})
	if got := history.Entries[history.CurrentIndex].URL; got != sinkhole.Leave {
		t.Errorf("The way out led to %s", got)
	}
	for _, e := range history.Entries {
		if after, ok := strings.CutPrefix(e.URL, b.home); ok {
			t.Errorf("The history has %s", after)
		}
	}
	b.do(t, chromedp.NavigateBack())
	if got := eval[string](t, b, `location.href`); got != "about:blank" {
		t.Errorf("One step back is %s", got)
	}
}

// loaded waits until the page has loaded to which a step leads.
func loaded(step chromedp.Action[chromedp.Void]) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := chromedp.WaitEvent(cdppage.LoadEventFired, nil, step)(ctx, target)
		return chromedp.Void{}, err
	}
}

// fresh opens the page in a tab without a history.
func (b *browser) fresh(t *testing.T) {
	t.Helper()
	b.do(t, chromedp.Navigate("about:blank"))
	call(t, b, cdppage.ResetNavigationHistory, cdp.Empty{})
	b.in(t, languages()[0])
}

// hold keeps the page from being left: what is on its way out stays as it is.
// While another page is coming, nobody can ask the old one what it looks like.
func (b *browser) hold(t *testing.T) {
	t.Helper()
	b.run(t, `navigation.addEventListener("navigate", event => event.preventDefault())`)
}

// leave does what leaves the page, and serves what it leads to: nobody outside is
// asked for it.
func (b *browser) leave(t *testing.T, how func()) {
	t.Helper()
	b.mayGo(sinkhole.Leave)
	call(t, b, fetch.Enable, fetch.EnableParams{Patterns: []*fetch.RequestPattern{{URLPattern: sinkhole.Leave + "*"}}})
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	asked, arrived := chromedp.Events(ctx, fetch.RequestPaused), chromedp.Events(ctx, cdppage.LoadEventFired)
	how()
	call(t, b, fetch.FulfillRequest, fetch.FulfillRequestParams{
		RequestID: first(t, asked).RequestID, ResponseCode: 200,
		ResponseHeaders: []*fetch.HeaderEntry{{Name: "Content-Type", Value: "text/html"}},
		Body:            []byte(`<!doctype html><title>Elsewhere</title><link rel="icon" href="data:,">`),
	})
	first(t, arrived)
	call(t, b, fetch.Disable, cdp.Empty{})
	b.mayGo("")
}

// mayGo lets the browser ask for one address besides the page's.
func (b *browser) mayGo(url string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.away = url
}

// first waits for an event.
func first[E any](t *testing.T, events iter.Seq2[E, error]) E {
	t.Helper()
	for e, err := range events {
		if err != nil {
			t.Fatalf("The browser does not leave: %v", err)
		}
		return e
	}
	t.Fatal("The browser has gone")
	panic("not reached")
}

// pressShiftThrice is the shortcut for leaving.
func (b *browser) pressShiftThrice(t *testing.T) {
	for range 3 {
		b.pressShift(t)
	}
}
