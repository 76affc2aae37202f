package set

import (
	"bytes"

	"github.com/nonudify/nonudify/plugin/rule"
)

// waiting is a name that comes later in a walk than in the order of the texts.
type waiting struct {
	name    []byte // reversed
	trigger rule.Trigger
}

// walk yields the names as Set.Walk does. That differs from their order in the
// set only because a hyphen sorts before a dot: between a name and those below
// it come those that go on with a hyphen, as elpmaxe-ym between elpmaxe and
// elpmaxe.www. So a name waits for as long as these come. All that wait begin
// alike, so that they are no more than a name has bytes.
func (e *exact) walk(yield func([]byte, rule.Trigger) bool) {
	var wait []waiting // the longest last
	for name, trigger := range e.all() {
		for n := len(wait); n > 0 && !wait[n-1].before(name); n = len(wait) {
			last := wait[n-1]
			if wait = wait[:n-1]; !yield(last.name, last.trigger) {
				return
			}
		}
		if len(wait) < cap(wait) { // the room of one that is done with
			wait = wait[:len(wait)+1]
		} else {
			wait = append(wait, waiting{})
		}
		w := &wait[len(wait)-1]
		w.name, w.trigger = append(w.name[:0], name...), trigger
	}
	for n := len(wait); n > 0; n-- {
		if !yield(wait[n-1].name, wait[n-1].trigger) {
			return
		}
	}
}

// before reports whether a name is to come before the one that waits.
func (w *waiting) before(name []byte) bool {
	n := len(w.name)
	return n < len(name) && name[n] == '-' && bytes.HasPrefix(name, w.name)
}
