package list

import (
	"bytes"
	"fmt"
	"io"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/rule"
)

// Config says what a Scanner reads. The zero value reads any format and tells
// nobody of refused lines.
type Config struct {
	File    string                // as errors are to name it; may be empty
	Format  Format                // Auto finds out from the first 64 KiB
	Refused func(*rule.LineError) // called from Scan for each refused line or entry; may be nil
	// Comment is called from Scan for each whole-line comment, with its sign and at most
	// MaxLine bytes of it, which are valid until it returns; may be nil.
	Comment func(text []byte)
	// Addresses is that the response-address triggers of a policy zone are rules;
	// without it they are refused, as those of other kinds are.
	Addresses bool
}

// Stats counts what became of the lines of a file:
//
//	Lines + Extra == Rules + Comments + Refused
//
// once Scan has returned false.
type Stats struct {
	Lines    int // lines read
	Rules    int // rules found, duplicates included
	Comments int // lines without an entry: comments, blank and boilerplate lines, continuations
	Refused  int // lines or entries refused, each reported on its own
	Extra    int // entries after the first one of their line

	Addresses int // of the rules, or of the refused where they are not wanted: response-address triggers
	// RefusedPasses is how many of the refused were exceptions, or would have taken a
	// block back: without them the others block what the file lets pass.
	RefusedPasses int
}

// Scanner reads the rules of a list, in constant memory whatever the file
// holds. Each line is a rule or several, is skipped as a comment, or is refused
// with its reason; a refused line loses no other. It does not limit the size of
// the file: its reader may.
//
// A Scanner is not safe for concurrent use.
type Scanner struct {
	c      Config
	in     lines
	parser parser
	header headerReader
	recent recent
	stats  Stats
	done   bool
	err    error

	queue   []found   // rules of the lines read last
	next    int       // the first of them that Scan has not returned
	entries int       // rules and refusals of the line at hand
	hash    rule.Hash // of the line at hand, in a blinded list
}

// found is a rule and the line that it stands in.
type found struct {
	rule.Rule
	line int
}

// parser reads the lines of one format. It calls add and refuse of the Scanner
// for each entry; a line of which it calls neither was a comment.
type parser interface {
	// comment reports whether a line, trimmed and not empty, is a comment as a
	// whole. Comments may be of any length and hold any byte.
	comment(text []byte) bool
	// line reads any other line, right-trimmed only.
	line(s *Scanner, text []byte)
	// lost says that this line could not be read, or, with nil, that the file is
	// at its end: what an earlier line left to be continued is not.
	lost(s *Scanner, text []byte)
	// excepts reports whether a line of which something is refused was to let names
	// pass that others block.
	excepts(text []byte) bool
}

// stateless is embedded by the parsers whose lines stand alone.
type stateless struct{}

func (stateless) lost(*Scanner, []byte) {}

// withoutPasses is embedded by the parsers of formats without exceptions.
type withoutPasses struct{}

func (withoutPasses) excepts([]byte) bool { return false }

// MostlyRefused reports whether a file with these counts is to be refused as a
// whole: more entries were refused than used. An error page in plain text has a
// line or two that could be names.
func (s Stats) MostlyRefused() bool { return s.Refused > s.Rules }

// NewScanner returns a Scanner of r. It reads nothing until Scan is called.
func NewScanner(r io.Reader, c Config) *Scanner {
	return &Scanner{c: c, in: newLines(r), next: -1}
}

// Scan moves to the next rule and reports whether there is one. At the end, or
// where the file turns out to be useless, it returns false, and Err tells the
// two apart.
func (s *Scanner) Scan() bool {
	if s.parser == nil && !s.start() {
		return false
	}
	for s.next++; s.next >= len(s.queue); s.next = 0 {
		s.queue = s.queue[:0]
		if s.done || !s.step() {
			return false
		}
	}
	return true
}

// Rule returns the rule that Scan moved to. It is valid only after Scan
// returned true. In a blinded list it has no name.
func (s *Scanner) Rule() rule.Rule { return s.queue[s.next].Rule }

// Hash returns what Rule has instead of a name in a blinded list, one whose
// Format is Hashes. It is made with the Salt of the Header. It is valid only after
// Scan returned true.
func (s *Scanner) Hash() rule.Hash { return s.hash }

// Line returns the number, from 1, of the line that Rule stands in.
func (s *Scanner) Line() int { return s.queue[s.next].line }

// Err returns the error that ended the scan: that of the reader, ErrHTML,
// ErrBinary or ErrRefused, each with the file's name; nil at the plain end of
// the file.
//
// ErrRefused is known at the end only: more entries were refused than used.
// Whatever Err returns, the rules before it have been handed out already: a
// caller must drop them all.
func (s *Scanner) Err() error { return s.err }

// Header returns what the comments before the first rule say of the list, and
// for a policy zone its SOA record. It is complete once Scan has returned.
func (s *Scanner) Header() Header { return s.header.Header }

// Stats returns the counts so far.
func (s *Scanner) Stats() Stats { return s.stats }

// Format returns the format that is read: the configured one, or what Auto has
// found once Scan has been called.
func (s *Scanner) Format() Format { return s.c.Format }

// start looks at the head of the file and picks the parser.
func (s *Scanner) start() bool {
	if s.done {
		return false
	}
	head, err := s.in.head()
	if err == nil {
		err = sniff(head)
	}
	if err == nil && s.c.Format == Compiled {
		err = ErrCompiled
	}
	if err != nil {
		s.fail(err)
		return false
	}
	if s.c.Format == Auto {
		s.c.Format = detect(head)
	}
	s.parser = newParser(s.c.Format)
	return true
}

func newParser(f Format) parser {
	switch f {
	case Hosts:
		return hosts{}
	case Wildcard:
		return names{wildcard: true}
	case Adblock:
		return &adblock{}
	case Dnsmasq:
		return dnsmasq{}
	case Unbound:
		return &unbound{}
	case RPZ:
		return &zone{}
	case Hashes:
		return hashes{}
	}
	return names{}
}

// step reads one line into the queue, false at the end of the file.
func (s *Scanner) step() bool {
	ln, err := s.in.next()
	if err != nil {
		s.end(err)
		return false
	}
	s.entries = 0
	s.read(ln)
	if s.entries == 0 {
		s.stats.Comments++
	} else {
		s.stats.Extra += s.entries - 1
	}
	s.stats.Lines = s.in.n
	return true
}

func (s *Scanner) read(ln line) {
	text := trimRight(ln.text)
	body := trimLeft(text)
	switch {
	case len(body) == 0 && !ln.long:
	case len(body) > 0 && s.parser.comment(body):
		if err := s.header.comment(body); err != nil {
			s.refuse(err, body)
		} else if s.c.Comment != nil {
			s.c.Comment(body)
		}
	case ln.long:
		s.parser.lost(s, body)
		s.refuse(ErrLineTooLong, text)
	case bytes.IndexByte(text, 0) >= 0:
		s.parser.lost(s, body)
		s.refuse(ErrNUL, text)
	default:
		s.recent.keep(s.in.n, text) // the parser may read on
		s.parser.line(s, text)
	}
}

// end closes the books after the last line.
func (s *Scanner) end(err error) {
	s.done = true
	s.parser.lost(s, nil)
	s.header.close()
	switch st := &s.stats; {
	case err != io.EOF:
		s.fail(err)
	case s.header.salts && s.c.Format == Hashes:
		s.fail(ErrSalts)
	case st.MostlyRefused():
		s.fail(fmt.Errorf("%w: %d rules, %d refused", ErrRefused, st.Rules, st.Refused))
	}
}

// fail ends the scan with an error.
func (s *Scanner) fail(err error) {
	s.done = true
	if s.c.File != "" {
		err = fmt.Errorf("%s: %w", s.c.File, err)
	}
	s.err = err
}

// add puts a rule of the line at hand into the queue.
func (s *Scanner) add(r rule.Rule) {
	s.entries++
	s.addAt(s.in.n, r)
}

// addAt adds a rule that an earlier line holds, which has been counted as an
// entry already.
func (s *Scanner) addAt(n int, r rule.Rule) {
	s.stats.Rules++
	s.header.close()
	s.queue = append(s.queue, found{r, n})
}

// addName adds a rule if its name is one, and refuses the entry otherwise.
func (s *Scanner) addName(a rule.Action, t rule.Trigger, name []byte) {
	n, err := parseName(name)
	if err != nil {
		s.refuse(err, name)
		return
	}
	s.add(rule.Rule{Name: n, Trigger: t, Action: a})
}

// refuse reports an entry of the line at hand, with an excerpt of text.
func (s *Scanner) refuse(reason error, text []byte) {
	s.entries++
	s.refuseAt(s.in.n, reason, text)
}

// refuseAt refuses an entry that an earlier line holds, which has been counted
// as an entry already.
func (s *Scanner) refuseAt(n int, reason error, text []byte) {
	s.stats.Refused++
	whole := s.recent.find(n)
	if whole == nil { // a line that no parser could read
		whole = text
	}
	if s.parser.excepts(trimLeft(whole)) {
		s.stats.RefusedPasses++
	}
	if s.c.Refused != nil {
		s.c.Refused(&rule.LineError{File: s.c.File, Line: n, Err: because(reason, text)})
	}
}

// parseName is dnsname.Parse for what a line may hold instead of a name.
func parseName(name []byte) (dnsname.Name, error) {
	if endless(name) {
		return "", dnsname.ErrLabel
	}
	return dnsname.Parse(string(name))
}

// maxULabel is more than the number of bytes that a label can take in UTF-8 or
// in escapes: four for each of 63.
const maxULabel = 4 * 63

// endless reports whether text has a label so long that it cannot be one. The
// conversion to an A-label takes time with the square of the length, 25 ms for
// a line of MaxLine bytes.
func endless(text []byte) bool {
	for len(text) > maxULabel {
		dot := bytes.IndexByte(text, '.')
		if dot < 0 || dot > maxULabel {
			return true
		}
		text = text[dot+1:]
	}
	return false
}
