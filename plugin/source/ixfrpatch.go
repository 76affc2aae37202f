package source

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// maxTextLine bounds the length in bytes of a line: the data of a record are
// at most 64 KiB, of which each may be escaped with four characters, and of
// nothing else.
const maxTextLine = 4*(64<<10) + 4<<10

// patch is the text of a zone made of that before and a delta.
type patch struct {
	*delta
	old     *bufio.Scanner
	release func()
	buf     []byte
	begun   bool
	met     map[string]bool // lines to be deleted that were found
	missing int             // lines to be deleted that were not
	tail    []string        // lines to be added at the end
}

// patch begins to read the previous text.
func (s *session) patch(d *delta) (*patch, error) {
	old, err := s.t.Previous()
	if err != nil {
		return nil, err
	}
	p := &patch{delta: d, old: bufio.NewScanner(old), release: func() { old.Close() }, met: map[string]bool{}}
	p.old.Buffer(nil, maxTextLine)
	p.old.Split(splitLines)
	return p, nil
}

// splitLines is bufio.ScanLines for a text of which each line has an end, so
// that none is half of one.
func splitLines(data []byte, atEOF bool) (int, []byte, error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return 0, nil, io.ErrUnexpectedEOF
	}
	return 0, nil, nil
}

// drain reads all of the text and says whether it could be made.
func (p *patch) drain(ctx context.Context) error {
	for ctx.Err() == nil {
		if _, err := p.next(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (p *patch) next() ([]byte, error) {
	p.buf = p.buf[:0]
	if !p.begun {
		if err := p.begin(); err != nil {
			return nil, err
		}
	}
	for len(p.buf) < pieceSize && p.old.Scan() {
		if err := p.keep(p.old.Bytes()); err != nil {
			return nil, err
		}
	}
	if len(p.buf) == 0 {
		if err := p.finish(); err != nil {
			return nil, err
		}
	}
	return p.buf, nil
}

// begin checks the first lines of the text before and writes those of the text
// after. What is added and no rule comes next: the header of a list ends at its
// first rule.
func (p *patch) begin() error {
	if !p.old.Scan() || p.old.Text() != p.text.origin() {
		return p.unfit("it does not begin with " + p.text.origin())
	}
	if !p.old.Scan() || !isSOALine(p.old.Text(), p.from) {
		return p.unfit(fmt.Sprintf("it is not of serial %d", p.from))
	}
	var err error
	if p.buf, err = p.text.head(p.soa); err != nil {
		return err
	}
	p.begun = true
	for _, line := range slices.Sorted(maps.Keys(p.edits)) {
		switch e := p.edits[line]; {
		case e.was:
			p.missing++
		case e.is && strings.Contains(line, " CNAME "):
			p.tail = append(p.tail, line)
		case e.is:
			p.buf = append(append(p.buf, line...), '\n')
		}
	}
	return nil
}

// isSOALine reports whether a line is an SOA record of a serial. The names in
// front of the serial may have blanks in them.
func isSOALine(line string, serial uint32) bool {
	fields := strings.Fields(line)
	return strings.HasPrefix(line, "@ SOA ") && len(fields) >= 9 &&
		fields[len(fields)-5] == strconv.FormatUint(uint64(serial), 10)
}

// keep writes a line of the text before unless it is deleted.
func (p *patch) keep(line []byte) error {
	e, changed := p.edits[string(line)]
	if changed && !e.was {
		return p.unfit(fmt.Sprintf("it has a record already that is added: %.300s", line))
	}
	if changed && !p.met[string(line)] {
		p.met[string(line)] = true
		p.missing--
	}
	if !changed || e.is {
		p.buf = append(append(p.buf, line...), '\n')
	}
	return nil
}

// finish writes the lines that are added, when all that had to be deleted were
// there.
func (p *patch) finish() error {
	switch err := p.old.Err(); {
	case err != nil:
		return p.unfit(err.Error())
	case p.missing > 0:
		return p.unfit(fmt.Sprintf("%d records that are deleted are not in it", p.missing))
	case len(p.tail) == 0:
		return io.EOF
	}
	for len(p.tail) > 0 && len(p.buf) < pieceSize {
		p.buf = append(append(p.buf, p.tail[0]...), '\n')
		p.tail = p.tail[1:]
	}
	return nil
}

// unfit is about a text that a change cannot be applied to.
func (*patch) unfit(why string) error {
	return fmt.Errorf("%w: the change does not fit the text at hand: %s", ErrTransfer, why)
}
