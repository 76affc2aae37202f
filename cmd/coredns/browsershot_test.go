//go:build unix

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/nonudify/nonudify/plugin/sinkhole/message"
)

// screenshots is where a reviewer finds what the page looks like.
const screenshots = "../../build/screenshots"

// testLook takes pictures of the page in languages of several scripts, as it is
// for people in one country each.
func testLook(t *testing.T, b *browser) {
	if err := os.MkdirAll(screenshots, 0o755); err != nil {
		t.Fatal(err)
	}
	for tag, country := range map[string]string{"en": "GB", "de": "DE", "ar": "EG", "ja": "JP"} {
		b.at(t, helpPage(t, country).URL, func() { b.shoot(t, tag) })
	}
	path, err := filepath.Abs(screenshots)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("The pictures are in %s", path)
}

// shoot takes pictures of the page in a language, in windows and colours, its
// doors closed and each of them open.
func (b *browser) shoot(t *testing.T, tag string) {
	t.Helper()
	l, ok := message.Lookup(tag)
	if !ok {
		t.Fatalf("The page does not speak %s", tag)
	}
	b.in(t, l)
	for _, door := range []string{"closed", "me", "maker", "adult"} {
		b.run(t, fmt.Sprintf(`document.querySelectorAll("details").forEach(d => d.open = d.id === %q)`, door))
		for _, width := range []int64{phone.width, desktop.width} {
			for _, scheme := range []string{"light", "dark"} {
				b.screen(t, width, desktop.height, scheme)
				b.picture(t, fmt.Sprintf("%s-%d-%s-%s.png", tag, width, scheme, door))
			}
		}
	}
}

// picture writes a picture of the whole page.
func (b *browser) picture(t *testing.T, name string) {
	t.Helper()
	picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(screenshots, name), picture, 0o644); err != nil {
		t.Fatal(err)
	}
}

// at does something where the page stands at another address.
func (b *browser) at(t *testing.T, home string, do func()) {
	t.Helper()
	b.check(t)
	set := func(to string) (before string) {
		b.mu.Lock()
		defer b.mu.Unlock()
		before, b.home = b.home, to
		return before
	}
	defer set(set(home))
	do()
	b.check(t)
}
