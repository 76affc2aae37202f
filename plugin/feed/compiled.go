package feed

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/rpz"
	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/set"
	"github.com/nonudify/nonudify/plugin/source"
)

// isCompiled reports whether what is read from r, which it leaves as it is, is to be taken
// for a compiled list.
func (c LoadConfig) isCompiled(r *bufio.Reader) (bool, error) {
	if c.Format != list.Auto && c.Format != list.Compiled {
		return false, nil
	}
	head, err := r.Peek(set.CompiledHead)
	if err != nil && err != io.EOF {
		return false, fmt.Errorf("%s: %w", c.File, err)
	}
	if found := set.IsCompiled(head); found || c.Format == list.Auto {
		return found, nil
	}
	return false, fmt.Errorf("%s: %w", c.File, list.ErrCompiled)
}

// open makes a list of the bytes of a compiled one. The server does not go through its
// names: what Check refuses, the set does not block.
func (l *List) open(r *bufio.Reader, c LoadConfig) error {
	l.Format = list.Compiled
	data, mapping, err := c.compiled(r)
	if err != nil {
		return err
	}
	s, text, err := openSet(data, mapping, set.OpenConfig{Check: c.Check, MaxAddresses: c.MaxAddresses})
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	l.Header = list.ParseHeader(text)
	if c.Seen != nil || c.Refused != nil || c.Action != rule.None || s.HasAddresses() {
		return l.walk(s.Unchecked(), c)
	}
	l.Stats.Rules = s.Len()
	l.Stats.Lines = s.Len()
	l.Set = s
	return l.judgeSet(c)
}

// openSet opens a compiled list, which is mapped unless mapping is nil.
func openSet(data []byte, mapping *source.Mapping, c set.OpenConfig) (*set.Set, []byte, error) {
	if mapping == nil {
		return set.Open(data, c)
	}
	c.Mapped = mapping
	s, text, err := set.Open(mapping.Data, c)
	mapping.Forget() // all of it has been looked at, and little of it will be again
	return s, text, err
}

// judgeSet is judge for a list whose set is made, which it drops with an error.
func (l *List) judgeSet(c LoadConfig) error {
	err := l.judge(c)
	if err != nil {
		l.Set = nil
	}
	return err
}

// compiled returns the bytes of a compiled list: mapped if they can be, else read into
// memory.
func (c LoadConfig) compiled(r *bufio.Reader) ([]byte, *source.Mapping, error) {
	if c.Map != nil {
		if m, err := c.Map(); err == nil {
			return nil, m, nil
		}
	}
	data, err := readSized(r, cmp.Or(c.MaxBytes, source.DefaultMaxBytes))
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", c.File, err)
	}
	return data, nil, nil
}

// readSized reads a compiled list, which says how large it is, and one byte of what goes on
// behind its end. What it says is believed by and by: so much is drawn once an eighth of it
// has come. It may say no more than the limit in bytes.
func readSized(r *bufio.Reader, limit int64) ([]byte, error) {
	head, err := r.Peek(set.CompiledHead)
	if err == io.EOF {
		return bytes.Clone(head), nil
	}
	if err != nil {
		return nil, err
	}
	size := set.CompiledSize(head)
	if size > uint64(limit) {
		return nil, fmt.Errorf("%w: more than %d bytes", source.ErrTooLarge, limit)
	}
	steps := 0
	for size>>(3*steps) > 64<<10 {
		steps++
	}
	var data []byte
	for ; steps >= 0; steps-- {
		data = append(make([]byte, 0, size>>(3*steps)+1), data...)
		n, err := io.ReadFull(r, data[len(data):cap(data)])
		data = data[:len(data)+n]
		if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	return data, nil
}

// walk goes through the rules of a compiled list as if they were the lines of a text: the
// number of a line is that of its rule. It is for who wants to see each, and for rules
// about addresses, which are few.
func (l *List) walk(s *set.Set, c LoadConfig) error {
	in := newIntake(c)
	defer in.plain.end()
	take := func(r rule.Rule) bool {
		l.Stats.Lines++
		used, err := in.judge(r)
		if err == nil {
			l.Stats.Rules++
			in.plain.add(used)
		} else {
			l.Stats.Refused++
			if used.Action == rule.Pass {
				l.Stats.RefusedPasses++
			}
			l.refuse(&rule.LineError{File: c.File, Line: l.Stats.Lines, Err: fmt.Errorf("%s: %w", used.Subject(), err)}, c)
		}
		if c.Seen != nil {
			c.Seen(used, l.Stats.Lines, noComment, err)
		}
		return true
	}
	s.All()(take)
	for r := range s.Addresses() {
		l.Stats.Addresses++
		take(r)
	}
	if s.Damaged() {
		return fmt.Errorf("%s: %w", c.File, set.ErrDamaged)
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

// noComment is the comment behind an entry of a compiled list.
func noComment() string { return "" }

// judge returns a rule of a compiled list as it is used, and why it must not be.
func (in *intake) judge(r rule.Rule) (rule.Rule, error) {
	if r.Trigger == rule.Address {
		if !in.Addresses {
			return r, rpz.ErrTrigger
		}
		return in.use(r)
	}
	if n, err := dnsname.Parse(string(r.Name)); err != nil {
		return r, err
	} else if n != r.Name {
		return r, dnsname.ErrIDN
	}
	return in.use(r)
}

// Compile writes a list as a compiled one: its set, and its header as a text. The error is
// set.ErrBlindCompiled or of w.
func Compile(w io.Writer, l *List) error {
	h := l.Header
	h.Entries = l.Set.Len()
	return l.Set.Compile(w, h.Comments())
}
