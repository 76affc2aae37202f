package list

import (
	"bufio"
	"bytes"
	"io"
)

// MaxLine is the length in bytes, line end not counted, up to which a line is
// read as a rule. A comment may be longer.
const MaxLine = 4096

// peekSize is the number of bytes at the start of a file that decide what it
// is.
const peekSize = 64 << 10

// line is one line without its line end; only the first MaxLine bytes of it
// when long is true.
type line struct {
	text []byte
	long bool
}

// lines reads a file line by line in constant memory.
type lines struct {
	r    *bufio.Reader
	n    int    // number of the line that next returned last
	buf  []byte // the start of a line that the reader cannot hold at once
	held []line // given back, to be returned again
	err  error  // what ended the file; a reader need not say it twice
}

func newLines(r io.Reader) lines { return lines{r: bufio.NewReaderSize(r, peekSize)} }

// head returns the first bytes of the file, up to peekSize, without consuming
// them.
func (l *lines) head() ([]byte, error) {
	b, err := l.r.Peek(peekSize)
	if err == io.EOF {
		err = nil
	}
	return b, err
}

// next returns the next line, io.EOF after the last one. The text is valid
// until the following call. What was read of a line before an error is dropped:
// half a name is another name.
func (l *lines) next() (line, error) {
	if len(l.held) > 0 {
		ln := l.held[0]
		l.held = l.held[1:]
		l.n++
		return ln, nil
	}
	if l.err != nil {
		return line{}, l.err
	}
	b, err := l.r.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		b, err = l.cut(b)
	}
	if err != nil {
		l.err = err
		if err != io.EOF || len(b) == 0 {
			return line{}, err
		}
	}
	l.n++
	b = bytes.TrimSuffix(b, []byte("\n"))
	b = bytes.TrimSuffix(b, []byte("\r"))
	b = bytes.TrimPrefix(b, bom) // in front of every part of a file that was put together with cat
	if len(b) > MaxLine {
		return line{b[:MaxLine], true}, nil
	}
	return line{b, false}, nil
}

// bom is the byte order mark in UTF-8.
var bom = []byte("\uFEFF")

// cut reads on to the end of a line that begins with b and keeps enough of it
// to know that it is too long.
func (l *lines) cut(b []byte) ([]byte, error) {
	l.buf = append(l.buf[:0], b[:len(bom)+MaxLine+1]...)
	err := bufio.ErrBufferFull
	for err == bufio.ErrBufferFull {
		_, err = l.r.ReadSlice('\n') // the rest of the line is of no use
	}
	if err != nil && err != io.EOF {
		return nil, err
	}
	return l.buf, nil
}
