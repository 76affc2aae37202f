package source

import (
	"errors"
	"fmt"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/rpz"
)

// errIncremental marks what ends an incremental transfer and would not end a
// full one.
var errIncremental = errors.New("the incremental transfer failed")

// Limits of what an incremental transfer may change. A greater change costs
// less as a full transfer.
const (
	maxEdits     = 200_000
	maxEditBytes = 64 << 20
)

// ixfr asks for what has changed since the caller's version. It owns the
// connection. An error other than that there is nothing new is an
// errIncremental.
func (s *session) ixfr(l *link) (Body, error) {
	body, err := s.incremental(l)
	switch {
	case err == nil:
		return body, nil
	case errors.Is(err, ErrNotModified), errors.Is(err, ErrOldSerial):
	default:
		err = fmt.Errorf("%w: %w", errIncremental, err)
	}
	l.close()
	return Body{}, err
}

func (s *session) incremental(l *link) (Body, error) {
	q := new(dns.Msg).SetIxfr(s.text.zone, s.have, ".", ".")
	a, err := l.ask(q)
	if err != nil {
		return Body{}, err
	}
	soa, err := s.soa(a)
	if err != nil {
		return Body{}, err
	}
	if err := s.judge(soa); err != nil {
		return Body{}, err
	}
	second, err := a.peek()
	if err != nil {
		return Body{}, err
	}
	if from, ok := s.isSOA(second); !ok || from.Serial == soa.Serial { // the whole zone (RFC 1995 §4)
		return s.whole(a, soa)
	}
	d := delta{text: s.text, from: s.have, soa: soa, edits: map[string]edit{}}
	if err := d.read(s, a); err != nil {
		return Body{}, err
	}
	l.close()
	return s.patched(&d)
}

// patched returns the Body of the previous text with the changes. It goes
// through that text once before, so that nothing is handed out if they do not
// fit.
func (s *session) patched(d *delta) (Body, error) {
	trial, err := s.patch(d)
	if err != nil {
		return Body{}, err
	}
	err = trial.drain(s.ctx)
	trial.release()
	if err != nil {
		return Body{}, err
	}
	p, err := s.patch(d)
	if err != nil {
		return Body{}, err
	}
	return s.body(p, d.soa, p.release), nil
}

// delta is what changes from one version of a zone to another, condensed from
// all the versions in between.
type delta struct {
	text  zoneText
	from  uint32          // the serial before
	soa   *dns.SOA        // the record after
	edits map[string]edit // by line, without its end; the SOA record aside
	count int             // records read
	size  int             // bytes of lines in edits
}

// edit is what becomes of one line.
type edit struct{ was, is bool }

// read reads the changes behind the first record of an answer: for each
// version the SOA record before, what is deleted, the SOA record after, what is
// added; and behind all of them the SOA record of the last one again
// (RFC 1995 §4).
func (d *delta) read(s *session, a *answer) error {
	for at := d.from; ; {
		soa, err := s.soa(a)
		if err != nil {
			return err
		}
		if at == d.soa.Serial {
			return d.finish(soa, a)
		}
		if soa.Serial != at {
			return fmt.Errorf("%w: a change of serial %d behind one to %d", ErrTransfer, soa.Serial, at)
		}
		if err := d.section(s, a, false); err != nil {
			return err
		}
		if soa, err = s.soa(a); err != nil {
			return err
		}
		if !rpz.Newer(soa.Serial, at) {
			return fmt.Errorf("%w: a change from serial %d to %d", ErrTransfer, at, soa.Serial)
		}
		if at = soa.Serial; rpz.Newer(at, d.soa.Serial) {
			return fmt.Errorf("%w: a change to serial %d, past the last one", ErrTransfer, at)
		}
		if err := d.section(s, a, true); err != nil {
			return err
		}
	}
}

// finish makes sure that the changes end with the record that they began with.
func (d *delta) finish(soa *dns.SOA, a *answer) error {
	if !dns.IsDuplicate(soa, d.soa) {
		return fmt.Errorf("%w: it began with serial %d and ended with serial %d or other data", ErrTransfer, d.soa.Serial, soa.Serial)
	}
	return a.end()
}

// section reads the deletions or the additions up to the next SOA record.
func (d *delta) section(s *session, a *answer, add bool) error {
	var line []byte
	for {
		rr, err := a.peek()
		if err != nil {
			return err
		}
		if _, ok := s.isSOA(rr); ok {
			return nil
		}
		a.records = a.records[1:]
		if line, err = d.text.append(line[:0], rr); err != nil {
			return fmt.Errorf("%w: %w", ErrTransfer, err)
		}
		if err := d.edit(line, add); err != nil {
			return err
		}
	}
}

// edit takes over that a line, empty when it is left out, is added or deleted.
// The first time decides whether it must be in the text before, the last one
// whether it is in the text after.
func (d *delta) edit(line []byte, add bool) error {
	if d.count++; d.count > maxEdits || d.size > maxEditBytes {
		return fmt.Errorf("the change %w: more than %d records or %d bytes", ErrTooLarge, maxEdits, maxEditBytes)
	}
	if len(line) == 0 {
		return nil
	}
	text := string(line[:len(line)-1])
	e, seen := d.edits[text]
	if !seen {
		e = edit{was: !add, is: !add}
		d.size += len(text)
	}
	if e.is == add {
		return fmt.Errorf("%w: it adds a record twice, or deletes it: %.300s", ErrTransfer, text)
	}
	e.is = add
	d.edits[text] = e
	return nil
}
