package feed

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/pace"
	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/set"
	"github.com/nonudify/nonudify/plugin/source"
)

// Errors about a list as a whole, to be tested with errors.Is; the others are
// those of package list, and source.ErrTooLarge and source.ErrEncoding. ErrRead
// is about the source and not about what it holds: the list was not read to its
// end.
var (
	ErrEmpty     = errors.New("holds no rule")
	ErrTruncated = errors.New("is cut off")
	ErrRead      = errors.New("could not be read to its end")
	ErrBlinded   = errors.New("is blinded: names to let through must be there in plain text")
)

// maxReported is the number of refused lines that a List keeps for a report.
const maxReported = 20

// Checker refuses rules that must not be used. policy.Guard is one.
type Checker interface {
	Check(rule.Rule) error
}

// LoadConfig says how the bytes of a list are to be read.
type LoadConfig struct {
	File   string      // for errors: what the configuration calls the list's source
	Format list.Format // list.Auto to find out
	Check  Checker     // nil: every rule is used
	// Action, unless it is rule.None, is what every rule of the list is used
	// for: a file of names to allow holds rules that would block.
	Action rule.Action
	// Addresses is that the response-address triggers of a policy zone are used.
	Addresses bool
	// MaxAddresses is the number of these above which a list is refused as a whole;
	// 0 means set.DefaultMaxAddresses.
	MaxAddresses int
	// Empty says that a list without a rule is fine.
	Empty bool
	// MaxBytes is the size above which a list is refused as a whole, packed or
	// unpacked; 0 means source.DefaultMaxBytes.
	MaxBytes int64
	// Refused is told of every line that is refused; may be nil.
	Refused func(*rule.LineError)
	// Comment is list.Config's.
	Comment func(text []byte)
	// Seen is told of every rule that is read, as it is used, with its line and,
	// if Check refuses it, why; may be nil. comment is list.Scanner's Comment, to
	// be called before Seen returns.
	Seen func(r rule.Rule, line int, comment func() string, refused error)
	// Unblind returns the name behind a hash of a blinded list, "" when it is not
	// known; may be nil. Without it, Seen is told of rules without a name.
	Unblind func(rule.Salt, rule.Hash) dnsname.Name
	// Map returns the bytes to be read as a file that is mapped, which a compiled list
	// need not be read into memory then; nil, or an error: it must be.
	Map func() (*source.Mapping, error)
}

// List is one loaded edition of a list. It is immutable.
type List struct {
	File     string // as in LoadConfig
	Set      *set.Set
	Header   list.Header
	Format   list.Format
	Stats    list.Stats        // Refused counts the scanner's and the checker's refusals
	Refused  []*rule.LineError // the first of them
	Serial   uint32            // of the header, else made of the time of modification
	Modified time.Time         // of the source, zero when it is not known
	Loaded   time.Time
	Took     time.Duration

	Signature *Signature    // nil: it is not signed
	Timers    source.Timers // of a zone
}

// Issued returns when the publisher made the list, as far as it is known, else
// when it was loaded.
func (l *List) Issued() time.Time {
	for _, t := range []time.Time{l.Header.Issued, l.Header.Modified, l.Modified} {
		if !t.IsZero() {
			return t
		}
	}
	return l.Loaded
}

// Load reads a list, packed with gzip or zstd or not. Refused lines are counted
// and the rest is used. The error of a list that is refused as a whole names its file; beside it comes what was
// found out, a List whose Set is nil. With ErrRead the List is nil.
func Load(r io.Reader, modified time.Time, c LoadConfig) (*List, error) {
	l := &List{File: c.File, Modified: modified, Loaded: time.Now()}
	err := l.unpack(r, c)
	if errors.Is(err, ErrRead) {
		return nil, err
	}
	l.Serial = serial(l.Header.Serial, modified)
	l.Took = time.Since(l.Loaded)
	return l, err
}

func (l *List) unpack(r io.Reader, c LoadConfig) error {
	if c.Map != nil {
		raw := bufio.NewReader(r)
		if head, _ := raw.Peek(set.CompiledHead); !set.IsCompiled(head) { // it may be packed; an error comes again
			c.Map = nil
		}
		r = raw
	}
	unpacked, err := source.Unpack(r, c.MaxBytes)
	if err != nil {
		return fmt.Errorf("%s: %w: %w", c.File, ErrRead, err)
	}
	defer unpacked.Close()
	in := bufio.NewReaderSize(input{unpacked}, 64)
	switch compiled, err := c.isCompiled(in); {
	case err != nil:
		return err
	case compiled:
		return l.open(in, c)
	}
	return l.read(in, c)
}

func (l *List) read(r io.Reader, c LoadConfig) error {
	s := list.NewScanner(r, list.Config{
		File: c.File, Format: c.Format, Comment: c.Comment, Addresses: c.Addresses, Refused: func(e *rule.LineError) { l.refuse(e, c) },
	})
	in := newIntake(c)
	defer in.plain.end()
	guarded := 0
	comment := s.Comment
	for p := (pace.Pace{}); s.Scan(); p.Step() {
		used, refused, err := in.take(s)
		if c.Seen != nil {
			c.Seen(used, s.Line(), comment, err)
		}
		if refused {
			guarded++
			l.refuse(&rule.LineError{File: c.File, Line: s.Line(), Err: fmt.Errorf("%s: %w", used.Subject(), err)}, c)
		}
	}
	l.Header, l.Format, l.Stats = s.Header(), s.Format(), s.Stats()
	l.Stats.Rules -= guarded
	l.Stats.Refused += guarded
	if err := s.Err(); err != nil {
		return err
	}
	if err := l.judge(c); err != nil {
		return err
	}
	var err error
	if l.Set, err = in.set(); err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	return nil
}

// use returns a rule as the list is used, and why it must not be.
func (c LoadConfig) use(r rule.Rule) (rule.Rule, error) {
	if c.Action != rule.None {
		r.Action = c.Action
	}
	if c.Check == nil {
		return r, nil
	}
	return r, c.Check.Check(r)
}

// refuse keeps the first refused lines and passes all of them on.
func (l *List) refuse(e *rule.LineError, c LoadConfig) {
	if len(l.Refused) < maxReported {
		l.Refused = append(l.Refused, e)
	}
	if c.Refused != nil {
		c.Refused(e)
	}
}

// entries is the number of entries that were read, used or not.
func (l *List) entries() int { return l.Stats.Rules + l.Stats.Refused }

// truncated reports whether much of what the header promises is missing. Some
// publishers count a little differently than we do.
func (l *List) truncated() bool { return 100*int64(l.entries()) < 95*int64(l.Header.Entries) }

// judge refuses a list as a whole.
func (l *List) judge(c LoadConfig) error {
	switch {
	case l.Format == list.Hashes && c.Action == rule.Pass:
		return fmt.Errorf("%s: %w", c.File, ErrBlinded)
	case l.Stats.MostlyRefused():
		return fmt.Errorf("%s: %w (%d of %d), the first: %w", c.File, list.ErrRefused,
			l.Stats.Refused, l.Stats.Refused+l.Stats.Rules, l.Refused[0])
	case l.truncated():
		return fmt.Errorf("%s: %w: its header says %d entries, %d were read", c.File, ErrTruncated, l.Header.Entries, l.entries())
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

// input marks with ErrRead what is an error of the source, and not of what it
// holds.
type input struct{ io.Reader }

func (in input) Read(p []byte) (int, error) {
	n, err := in.Reader.Read(p)
	if err == nil || err == io.EOF || errors.Is(err, source.ErrTooLarge) || errors.Is(err, source.ErrEncoding) {
		return n, err
	}
	return n, fmt.Errorf("%w: %w", ErrRead, err)
}
