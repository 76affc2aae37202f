//go:build unix

package feed

import (
	"os"
	"testing"

	"github.com/nonudify/nonudify/plugin/source"
)

// mapping is whether files can be mapped here.
const mapping = true

// TestFeedCut cuts off the file that a list is served from. It lives on, and the next round,
// which does not wait for its time, has the list whole again.
func TestFeedCut(t *testing.T) {
	text := namesBelow(minCompiled, "bad.example")
	for what, tt := range map[string]struct {
		text, cut string
		source    bool // it has to be asked: the copy is gone, too
	}{
		"text":     {text, ".compiled", false},
		"compiled": {compiledOf(t, text), ".list", true},
	} {
		dir := t.TempDir()
		s := &site{text: tt.text}
		f := withCopy(t, config(s), dir)
		round(t, f, nil)
		f, l := restart(t, f, nil)
		round(t, f, source.ErrNotModified)
		if f.Prompt() || !f.Fragile() || f.Warning() != nil {
			t.Fatalf("%s: prompt %v, fragile %v, %v", what, f.Prompt(), f.Fragile(), f.Warning())
		}
		if err := os.Truncate(beside(t, dir, tt.cut)[0], 0); err != nil {
			t.Fatal(err)
		}
		if denies(l, "name-7.bad.example.") {
			t.Errorf("%s: a name was found in what is gone", what)
		}
		if !f.Prompt() {
			t.Fatalf("%s: nobody noticed", what)
		}
		if tt.source { // a mirror that is down is not asked any more often for it
			s.err = source.ErrStatus
			round(t, f, source.ErrStatus)
			if f.Prompt() {
				t.Errorf("%s: the next round does not wait for its time", what)
			}
			s.err = nil
		}
		before := s.sent
		l = round(t, f, nil)
		if l.Stats.Rules != minCompiled || !denies(l, "name-7.bad.example.") || l.Set.Mapped() != 0 || f.Prompt() {
			t.Errorf("%s: mended: %+v, %d mapped", what, l.Stats, l.Set.Mapped())
		}
		if (s.sent > before) != tt.source {
			t.Errorf("%s: the mirror sent it %d times", what, s.sent-before)
		}
		if got := ResultOf(f.Warning()); got != CauseFile {
			t.Errorf("%s: warning %v, %v", what, f.Warning(), got)
		}
		round(t, f, source.ErrNotModified)
		f.Close()
	}
}
