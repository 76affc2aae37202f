//go:build unix

package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// rules are those of axe-core that the page is held against: WCAG 2.2, levels A
// and AA, and what the makers of axe hold for good besides.
const rules = `["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]`

// window is one that the page must look well in, in CSS pixels.
type window struct{ width, height int64 }

var (
	phone   = window{320, 640}
	desktop = window{1280, 900}
	zoomed  = window{640, 450} // a desktop at 200 %
)

// testAccessible holds the page in every language, window and scheme of colours,
// its doors closed and open, against axe-core and against what axe-core does not
// see.
func testAccessible(t *testing.T, b *browser) {
	axe, err := os.ReadFile(tool(t, "axe-core/axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range languages() {
		t.Run(l.String(), func(t *testing.T) {
			b.in(t, l)
			b.run(t, string(axe))
			for _, open := range []bool{false, true} {
				b.doors(t, open)
				for _, w := range []window{phone, desktop} {
					for _, scheme := range []string{"light", "dark"} {
						b.screen(t, w.width, w.height, scheme)
						b.audit(t, fmt.Sprintf("%d pixels, %s, open %t", w.width, scheme, open))
					}
				}
			}
			b.screen(t, zoomed.width, zoomed.height, "light")
			b.audit(t, "200 %")
			b.spaced(t)
			b.check(t)
		})
	}
}

// doors opens or closes everything that opens.
func (b *browser) doors(t *testing.T, open bool) {
	t.Helper()
	b.run(t, fmt.Sprintf(`document.querySelectorAll("details").forEach(d => { d.removeAttribute("name"); d.open = %t })`, open))
}

// audit fails the test for each rule of accessibility that the page breaks as it
// is now.
func (b *browser) audit(t *testing.T, state string) {
	t.Helper()
	for _, wrong := range eval[[]string](t, b, `axe.run({runOnly: `+rules+`, resultTypes: ["violations"], preload: false, iframes: false})
		.then(r => r.violations.map(v => v.id + ": " + v.help + ": " + v.nodes.map(n => n.html.slice(0, 150)).slice(0, 3).join(" ")))`) {
		t.Errorf("%s: %s", state, wrong)
	}
	b.fits(t, state)
}

// fits fails the test for what cannot be read or hit in a window of this size:
// WCAG 2.2, 1.4.10 (reflow), 2.5.8 (target size; nothing here needs its
// exceptions), and a bar that hides what is under it.
func (b *browser) fits(t *testing.T, state string) {
	t.Helper()
	for _, wrong := range eval[[]string](t, b, `(() => {
		const wrong = [], width = document.documentElement.clientWidth, bar = document.querySelector("header");
		if (document.documentElement.scrollWidth > width) wrong.push("the page scrolls sideways");
		if (getComputedStyle(bar).position === "sticky" && bar.offsetHeight > parseFloat(getComputedStyle(document.documentElement).scrollPaddingTop))
			wrong.push("the bar is " + bar.offsetHeight + " pixels high");
		for (const e of document.body.querySelectorAll(":not(.first):not(script)")) {
			if (!e.checkVisibility()) continue;
			const box = e.getBoundingClientRect(), name = e.outerHTML.slice(0, 150);
			if (box.left < 0 || box.right > width + 1) wrong.push("sticks out: " + name);
			if (!e.matches("input") && getComputedStyle(e).overflow !== "visible" && (e.scrollHeight > e.clientHeight || e.scrollWidth > e.clientWidth)) wrong.push("cut off: " + name);
			if (e.matches("a,summary,input,button") && (box.width < 24 || box.height < 24)) wrong.push("hard to hit: " + name);
		}
		return wrong;
	})()`) {
		t.Errorf("%s: %s", state, wrong)
	}
}

// spaced checks that the page bears the distances between letters, words, lines
// and paragraphs that a reader may need (WCAG 2.2, 1.4.12).
func (b *browser) spaced(t *testing.T) {
	t.Helper()
	b.run(t, `(() => {
		const style = new CSSStyleSheet();
		style.replaceSync("*{line-height:1.5!important;letter-spacing:.12em!important;word-spacing:.16em!important}p{margin-block-end:2em!important}");
		document.adoptedStyleSheets = [style];
	})()`)
	for _, w := range []window{phone, desktop} {
		b.screen(t, w.width, w.height, "light")
		b.fits(t, fmt.Sprintf("with spaced text, %d pixels", w.width))
	}
	b.run(t, `document.adoptedStyleSheets = []`)
}

// testForcedColors looks at the page in the colours that a reader's system forces
// on all pages: nothing is told by a colour of ours alone, and a focus is seen.
func testForcedColors(t *testing.T, b *browser) {
	axe, err := os.ReadFile(tool(t, "axe-core/axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	b.in(t, languages()[0])
	b.run(t, string(axe))
	b.media(t, "forced-colors", "active", "prefers-reduced-motion", "reduce")
	b.doors(t, true)
	b.audit(t, "forced colours")
	b.doors(t, false)
	b.tab(t, "first")
	b.tab(t, "leave")
	b.screen(t, desktop.width, desktop.height, "light")
}

// testWithoutStyle reads the page as a browser shows it that knows no style
// sheets: in order, nothing hidden but what is behind the doors.
func testWithoutStyle(t *testing.T, b *browser) {
	b.in(t, languages()[0])
	b.run(t, `document.querySelector("style").remove()`)
	text := eval[string](t, b, `document.body.innerText`)
	for _, want := range []string{
		"Emergency: leave this page now", "Leave this page", "This page is blocked", "What do you need?",
		"Someone made a fake image of me", "I was going to use such a site", "I look after a child",
		"Are you in danger right now?", "Help in any country", "Blocked by mistake?", "Language", "Country",
	} {
		_, after, found := strings.Cut(text, want)
		if !found {
			t.Fatalf("%q is not to be read at its place in\n%s", want, text)
		}
		text = after
	}
	if strings.Contains(text, "Loading") {
		t.Error("What is for the way out is to be read")
	}
	for _, door := range []string{"me", "maker", "adult"} {
		b.click(t, "#"+door+" summary")
		b.opened(t, door)
	}
}

// opened checks that a door is open, and no other.
func (b *browser) opened(t *testing.T, door string) {
	t.Helper()
	got := eval[string](t, b, `Array.from(document.querySelectorAll("main details[open]"), d => d.id).join()`)
	if got != door || !eval[bool](t, b, fmt.Sprintf(`document.querySelector("#%s > div").checkVisibility()`, door)) {
		t.Errorf("Open is %q, want %q and what is behind it", got, door)
	}
}
