package list

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/bits"
	"time"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/rule"
)

// ErrNothing says that a list has nothing that its target can express.
var ErrNothing = errors.New("nothing of the list can be written in this format")

// ErrHeader says that the header of a list cannot be written, as it would be read as
// another one. None that a Scanner has read is so.
var ErrHeader = errors.New("the header would be read as another one")

// WriteConfig says how a list is written.
type WriteConfig struct {
	To     Target
	Header Header // of the list. Its Entries and its Salt are not used
	// Origin is the name that a policy zone will have, for names that are too
	// long to fit; "" is DefaultOrigin.
	Origin dnsname.Name
	// Salt is that of a blinded list.
	Salt rule.Salt
	// Exact says that whoever reads the file takes a line of domains or hosts for
	// the one name, as /etc/hosts does, and not for those below it too.
	Exact bool
	// Lost is what was lost already when the list was read.
	Lost Loss
}

// Written counts what became of a list.
type Written struct {
	Rules int // in the file, as a Scanner counts them
	// Added is how many of these no entry asks for: records without which the
	// other records of a policy zone would undo those above them.
	Added int
	// Idle is how many exceptions are left out because they undo nothing that the file
	// blocks: to a product with several lists they would be more than that.
	Idle int
	Loss
}

// Write writes a list. The entries come in the order of their reversed text, each
// name once; what is written is in the same order, but hashes are in theirs.
//
// It goes through the entries several times, so that neither they nor what is made
// of them are ever held: at least twice, as the header comes first and counts what
// follows, and once more for every million of hashes or of entries in a database.
// The same entries and the same config make the same bytes.
//
// The errors are those of w, ErrNothing, ErrException, ErrHeader, and ErrTooLarge.
func Write(w io.Writer, entries iter.Seq[Entry], c WriteConfig) (Written, error) {
	out := bufio.NewWriterSize(w, 64<<10)
	l := listing{c, entries, map[dnsname.Name]bool{}}
	write := l.text
	switch c.To {
	case ToHashes:
		write = l.hashes
	case ToCDB:
		write = l.database
	}
	done, err := write(out)
	if errors.Is(err, errOpened) { // nothing is written yet
		done, err = write(out)
	}
	if err != nil {
		return Written{}, err
	}
	return done, out.Flush()
}

// listing is a list that is being written.
type listing struct {
	WriteConfig
	entries iter.Seq[Entry]
	opened  map[dnsname.Name]bool // as in fitter
}

// nodes calls f with each node that is to be written, and returns what was lost, and
// how many exceptions undo nothing. The error wraps errOpened when it has to be called
// again, which happens at most once.
func (l listing) nodes(f func(node) error) (lost Loss, idle int, err error) {
	fit := fitter{can: l.To.ability(l.Exact), ranked: l.To == ToAdblock, losses: l.Lost, opened: l.opened}
	switch l.To {
	case ToRPZ, ToKnot:
		fit.room, fit.gaps = zoneRoom(l.Origin), true
	case ToHosts:
		fit.room = hostsRoom
	case ToHashes:
		fit.room = hashRoom
	}
	for e := range l.entries {
		n, err := fit.fit(e)
		if err == nil && n.block|n.pass != 0 {
			err = f(n)
		}
		if err != nil {
			return Loss{}, 0, err
		}
	}
	if fit.more {
		return Loss{}, 0, errOpened
	}
	return fit.losses, fit.idle, nil
}

// text writes all targets whose lines follow from one entry each.
func (l listing) text(out *bufio.Writer) (done Written, err error) {
	how := l.To.encoding(l.Header)
	var lines []byte
	done.Loss, done.Idle, err = l.nodes(func(n node) error {
		lines = how.node(lines[:0], n)
		count := bytes.Count(lines, newline)
		done.Rules += count
		done.Added += count - bits.OnesCount8(uint8(n.block)) - bits.OnesCount8(uint8(n.pass))
		return nil
	})
	if l.To != ToRPZ && l.To != ToKnot { // elsewhere a subtree is one line
		done.Added = 0
	}
	if err = done.check(err); err != nil {
		return done, err
	}
	header, err := l.header(how.sign, done)
	if err != nil {
		return done, err
	}
	out.Write(header)
	out.Write(how.start)
	_, _, err = l.nodes(func(n node) error {
		lines = how.node(lines[:0], n)
		_, err := out.Write(lines)
		return err
	})
	return done, err
}

var newline = []byte("\n")

// check returns err, or ErrNothing when there is nothing to write.
func (w Written) check(err error) error {
	if err == nil && w.Rules == 0 {
		return ErrNothing
	}
	return err
}

// header returns the comments in front of the rules: what the list says of
// itself, then what the file does not say of the list.
func (l listing) header(sign string, done Written) ([]byte, error) {
	h := l.fields(done)
	text := h.comments(sign, l.To)
	if !h.isIn(text) {
		return nil, ErrHeader
	}
	for _, note := range done.Notes(l.WriteConfig) {
		text = put(text, sign, " ", note)
	}
	return text, nil
}

// fields returns the header as it is to be read again.
func (l listing) fields(done Written) Header {
	h := l.Header
	for _, text := range []*string{&h.Title, &h.ID, &h.Version, &h.Homepage, &h.Appeals, &h.License} {
		*text = clean(*text)
	}
	if CheckID(h.ID) != nil {
		h.ID = ""
	}
	for _, at := range []*time.Time{&h.Issued, &h.Modified, &h.Expires} {
		*at = at.UTC().Truncate(time.Second)
	}
	h.Entries, h.Salt, h.HasSalt = done.Rules, rule.Salt{}, l.To == ToHashes
	if h.HasSalt {
		h.Salt = l.Salt
	}
	return h
}

// Notes returns in whole sentences, one a line, what the file does not say of the
// list and how it is to be read.
func (w Written) Notes(c WriteConfig) (notes []string) {
	note := func(n int, one, many string) {
		switch {
		case n == 1:
			notes = append(notes, "1 "+one)
		case n > 1:
			notes = append(notes, fmt.Sprintf("%d %s", n, many))
		}
	}
	note(w.Left, "blocked name is left out, as it could only be blocked along with names that are not.",
		"blocked names are left out, as they could only be blocked along with names that are not.")
	note(w.Narrowed, "name is blocked less than in the list: itself and not what is below it.",
		"names are blocked less than in the list: themselves and not what is below them.")
	note(w.Exceptions, "exception is left out, and nothing is blocked that it lets pass.",
		"exceptions are left out, and nothing is blocked that they let pass.")
	note(w.Widened, "exception lets more pass than in the list: its name and all below it.",
		"exceptions let more pass than in the list: their names and all below them.")
	note(w.Unfit, "name is left out, as there is no room for it.", "names are left out, as there is no room for them.")
	note(w.Idle, "exception is left out, as it undoes nothing that is blocked here, and could undo what other lists block.",
		"exceptions are left out, as they undo nothing that is blocked here, and could undo what other lists block.")
	note(w.Refused, "entry of the list is left out, as the resolver refuses it. 'nonudify lint' tells why.",
		"entries of the list are left out, as the resolver refuses them. 'nonudify lint' tells why.")
	note(w.RefusedPasses, "of these is an exception. What it lets pass elsewhere may be blocked here.",
		"of these are exceptions. What they let pass elsewhere may be blocked here.")
	note(w.Added, "record is added, without which others would undo those above them.",
		"records are added, without which others would undo those above them.")
	if c.Exact {
		notes = append(notes, "Only for readers that take a line for the one name: to others it means all names below it too.")
	}
	return notes
}
