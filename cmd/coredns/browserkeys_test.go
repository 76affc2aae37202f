//go:build unix

package main

import (
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// focus is what has the focus of the keyboard.
type focus struct {
	Name     string // the class of a link, "summary", or what it is
	Door     string // the id of what it is in or opens
	Language string // of its text
	Text     string
	Seen     bool // all of it, with nothing above it
	Marked   bool
	Place    string // for the eye: where it is and what is above it
}

// tab goes on to the next element by keyboard and checks that it is the one of
// that name; "" is any. Wherever the focus is, it is seen (WCAG 2.2, 2.4.7 and
// 2.4.11).
func (b *browser) tab(t *testing.T, name string) focus {
	t.Helper()
	b.press(t, kb.Tab)
	f := eval[focus](t, b, `(() => {
		const e = document.activeElement, box = e.getBoundingClientRect(), style = getComputedStyle(e);
		const under = document.elementFromPoint((box.left + box.right) / 2, (box.top + box.bottom) / 2);
		return {
			Name: e.className || e.localName, Door: (e.closest("details") || {id: ""}).id, Language: e.lang, Text: e.innerText,
			Seen: box.top >= 0 && box.bottom <= innerHeight && box.left >= 0 && box.right <= innerWidth && e.contains(under),
			Marked: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
			Place: box.top + " to " + box.bottom + " of " + innerHeight + ", under " + (under ? under.outerHTML.slice(0, 100) : "nothing"),
		};
	})()`)
	if !f.Seen || !f.Marked {
		t.Errorf("The focus is not to be seen: %+v", f)
	}
	if name != "" && f.Name != name {
		t.Fatalf("The focus is on %+v, want %s", f, name)
	}
	return f
}

// tabTo goes on by keyboard until it comes to what is wanted, and returns what it
// passed by.
func (b *browser) tabTo(t *testing.T, wanted func(focus) bool) (passed []focus) {
	t.Helper()
	for range 400 {
		f := b.tab(t, "")
		if wanted(f) {
			return passed
		}
		if f.Name == "body" {
			break
		}
		passed = append(passed, f)
	}
	t.Fatalf("The keyboard does not lead there. It passed by %+v", passed)
	return nil
}
