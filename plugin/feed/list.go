package feed

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/set"
)

// ErrEmpty says that a list holds no rule. Other errors about a list as a whole
// are those of package list.
var ErrEmpty = errors.New("holds no rule")

// maxReported is the number of refused lines that a List keeps for a report.
const maxReported = 20

// Checker refuses rules that must not be used. policy.Guard is one.
type Checker interface {
	Check(rule.Rule) error
}

// Config says how the bytes of a list are to be read.
type Config struct {
	File   string      // for errors: what the configuration calls the list's source
	Format list.Format // list.Auto to find out
	Check  Checker     // nil: every rule is used
	// Action, unless it is rule.None, is what every rule of the list is used
	// for: a file of names to allow holds rules that would block.
	Action rule.Action
	// Empty says that a list without a rule is fine.
	Empty bool
	// Refused is told of every line that is refused; may be nil.
	Refused func(*rule.LineError)
}

// List is one loaded edition of a list. It is immutable.
type List struct {
	File     string // as in Config
	Set      *set.Set
	Header   list.Header
	Format   list.Format
	Stats    list.Stats        // Refused counts the scanner's and the checker's refusals
	Refused  []*rule.LineError // the first of them
	Serial   uint32            // of the header, else made of the time of modification
	Modified time.Time         // of the source, zero when it is not known
	Loaded   time.Time
	Took     time.Duration
}

// Load reads a list. Refused lines are counted and the rest is used; a list
// that is refused as a whole returns an error that names its file.
func Load(r io.Reader, modified time.Time, c Config) (*List, error) {
	l := &List{File: c.File, Modified: modified, Loaded: time.Now()}
	if err := l.read(r, c); err != nil {
		return nil, err
	}
	l.Serial = serial(l.Header.Serial, modified)
	l.Took = time.Since(l.Loaded)
	return l, nil
}

func (l *List) read(r io.Reader, c Config) error {
	s := list.NewScanner(r, list.Config{File: c.File, Format: c.Format, Refused: func(e *rule.LineError) { l.refuse(e, c) }})
	var b set.Builder
	guarded := 0
	for s.Scan() {
		rule := s.Rule()
		if c.Action != 0 {
			rule.Action = c.Action
		}
		if c.Check != nil {
			if err := c.Check.Check(rule); err != nil {
				guarded++
				l.refuse(lineError(c.File, s.Line(), fmt.Errorf("%s: %w", rule.Name, err)), c)
				continue
			}
		}
		b.Add(rule)
	}
	if err := s.Err(); err != nil {
		return err
	}
	l.Header, l.Format, l.Stats = s.Header(), s.Format(), s.Stats()
	l.Stats.Rules -= guarded
	l.Stats.Refused += guarded
	if err := l.judge(c); err != nil {
		return err
	}
	var err error
	l.Set, err = b.Set()
	return err
}

func lineError(file string, line int, err error) *rule.LineError {
	return &rule.LineError{File: file, Line: line, Err: err}
}

// refuse keeps the first refused lines and passes all of them on.
func (l *List) refuse(e *rule.LineError, c Config) {
	if len(l.Refused) < maxReported {
		l.Refused = append(l.Refused, e)
	}
	if c.Refused != nil {
		c.Refused(e)
	}
}

// judge refuses a list as a whole.
func (l *List) judge(c Config) error {
	switch {
	case l.Stats.MostlyRefused():
		return fmt.Errorf("%s: %w (%d of %d), the first: %w", c.File, list.ErrRefused,
			l.Stats.Refused, l.Stats.Refused+l.Stats.Rules, l.Refused[0])
	case l.Stats.Rules == 0 && !c.Empty:
		return fmt.Errorf("%s: %w", c.File, ErrEmpty)
	}
	return nil
}

// serial returns the header's serial, or the seconds since 1970 of a list that
// has none, so that a later edition has a greater one.
func serial(header uint32, modified time.Time) uint32 {
	if header != 0 || modified.IsZero() {
		return header
	}
	return uint32(modified.Unix())
}
