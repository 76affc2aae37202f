package feed

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"time"

	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/set"
	"github.com/nonudify/nonudify/plugin/source"
)

// minCompiled is the number of rules from which on a list is kept compiled: a smaller one
// is read from text in less time than it takes to write to the disk once more.
const minCompiled = 20_000

// Identifier is a Checker that can say when it is the same as another one. policy.Guard is
// one. What a list is made of is kept only for the same Checker.
type Identifier interface {
	// Identity returns a text that is another when any rule is judged otherwise.
	Identity() string
}

// remains is what is kept beside a set of the List that it is from.
type remains struct {
	Sum     [sha256.Size]byte // SHA-256 of the bytes that it was made of
	Made    [sha256.Size]byte // how: see made
	Header  list.Header
	Format  list.Format
	Stats   list.Stats
	Refused []refusedLine
}

// refusedLine is a rule.LineError.
type refusedLine struct {
	File string
	Line int
	Text string
}

// made returns what a set depends on beside the bytes of its list: how they are read, and by
// which program. ok is false when that cannot be told.
func (c LoadConfig) made() (sum [sha256.Size]byte, ok bool) {
	check := "none"
	if c.Check != nil {
		i, ok := c.Check.(Identifier)
		if !ok {
			return sum, false
		}
		check = i.Identity()
	}
	all := fmt.Sprintf("%d %v %v %v %v %q %q", readsAs, c.Format, c.Action, c.Addresses, c.MaxAddresses, check, program())
	return sha256.Sum256([]byte(all)), c.Seen == nil && c.Refused == nil
}

// program tells one build of this program from another, by its modules and what the version
// system says, where that is asked at all when it is built.
var program = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	return info.String()
})

// readsAs is to be raised when the same text is read as another list than before.
const readsAs = 1

// compile keeps a list that was saved, compiled, and has it served from there, so that it
// takes next to no memory.
func (f *Feed) compile(l *List, sum [sha256.Size]byte) {
	if f.Copy == nil || f.unmapped || f.unsaved != nil {
		return
	}
	made, ok := f.Load.made()
	if !ok || l.Format == list.Compiled || l.Set.Blinded() || l.Set.Len() < minCompiled {
		_ = f.Copy.DropCompiled() // it would not be used, only lie there
		return
	}
	text, err := json.Marshal(l.remains(sum, made))
	if err != nil {
		f.unsaved = fmt.Errorf("%w: %w", ErrNotSaved, err)
		return
	}
	m, err := f.Copy.SaveCompiled(func(w io.Writer) error { return l.Set.Compile(w, text) })
	if errors.Is(err, errors.ErrUnsupported) { // it is kept all the same
		return
	}
	if err == nil {
		var s *set.Set
		if s, _, err = openSet(nil, m, set.OpenConfig{MaxAddresses: f.Load.MaxAddresses}); err == nil {
			l.Set = s
		}
	}
	if err != nil { // the list is kept, which matters
		_ = f.Copy.DropCompiled()
	}
}

// remains returns what is kept of a list beside its set.
func (l *List) remains(sum, made [sha256.Size]byte) remains {
	r := remains{Sum: sum, Made: made, Header: l.Header, Format: l.Format, Stats: l.Stats}
	for _, e := range l.Refused {
		r.Refused = append(r.Refused, refusedLine{e.File, e.Line, e.Err.Error()})
	}
	return r
}

// reload makes the list of what was saved: of what was made of it the last time, if that
// still holds.
func (f *Feed) reload(saved *source.Saved) (*List, error) {
	if l := f.recompiled(saved); l != nil {
		return l, nil
	}
	l, err := f.load(context.Background(), material{f.Load.File, saved.Reader(), saved.Map, saved.Modified})
	if err == nil {
		f.compile(l, saved.Sum)
	}
	return l, err
}

// recompiled returns the list that was kept compiled, nil if it is not that of these bytes.
// It has passed the judgment on it before.
func (f *Feed) recompiled(saved *source.Saved) *List {
	begun := time.Now()
	made, ok := f.Load.made()
	if !ok || f.unmapped {
		return nil
	}
	m, err := f.Copy.LoadCompiled()
	if err != nil {
		return nil
	}
	s, text, err := openSet(nil, m, set.OpenConfig{MaxAddresses: f.Load.MaxAddresses})
	var r remains
	if err != nil || json.Unmarshal(text, &r) != nil || r.Sum != saved.Sum || r.Made != made {
		return nil
	}
	l := &List{
		File: f.Load.File, Set: s, Header: r.Header, Format: r.Format, Stats: r.Stats,
		Serial: serial(r.Header.Serial, saved.Modified), Modified: saved.Modified, Loaded: begun, Took: time.Since(begun),
	}
	for _, e := range r.Refused {
		l.Refused = append(l.Refused, &rule.LineError{File: e.File, Line: e.Line, Err: errors.New(e.Text)})
	}
	return l
}
