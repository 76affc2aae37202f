package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/source"
)

// eachName reads a file with a name at the start of each line, in constant memory.
// bad is told of lines that begin with something else; comments and blank lines are
// none.
func eachName(e *env, file string, take func(dnsname.Name) error, bad func(error)) error {
	r, err := openNames(e, file)
	if err != nil {
		return err
	}
	defer r.Close()
	if file == "-" {
		file = "stdin"
	}
	in := bufio.NewReaderSize(r, list.MaxLine)
	for n := 1; ; n++ {
		line, err := in.ReadSlice('\n')
		long := errors.Is(err, bufio.ErrBufferFull)
		name, is, wrongName := nameOf(line, long)
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = in.ReadSlice('\n') // the rest of the line
		}
		if err != nil && err != io.EOF {
			return fmt.Errorf("%s: %w", file, err)
		}
		switch {
		case wrongName != nil:
			bad(&rule.LineError{File: file, Line: n, Err: wrongName})
		case is:
			if err := take(name); err != nil {
				return &rule.LineError{File: file, Line: n, Err: err}
			}
		}
		if err == io.EOF {
			return nil
		}
	}
}

// nameOf returns the name that a line begins with, if it is no comment. An asterisk
// for what is below a name is not looked at.
func nameOf(line []byte, long bool) (name dnsname.Name, ok bool, err error) {
	line = bytes.TrimPrefix(line, []byte("\uFEFF"))
	word := line
	if i := bytes.IndexAny(line, " \t\r\n,;"); i >= 0 {
		word = line[:i]
	} else if long {
		return "", false, list.ErrLineTooLong
	}
	if len(word) == 0 || bytes.IndexByte([]byte("#;!$@"), word[0]) >= 0 {
		return "", false, nil
	}
	if len(word) > maxWord {
		return "", false, fmt.Errorf("%.60q: %w", word, dnsname.ErrTooLong)
	}
	name, err = dnsname.Parse(strings.TrimPrefix(string(word), "*."))
	switch {
	case errors.Is(err, dnsname.ErrIDN):
		return "", false, fmt.Errorf("%.60q: %w", word, dnsname.ErrIDN) // what it wraps quotes the text at any length
	case err != nil:
		return "", false, fmt.Errorf("%.60q: %w", word, err)
	}
	return name, true, nil
}

// maxWord is more than the number of bytes that a name can take in UTF-8. The
// conversion of a longer one would take time with the square of its length.
const maxWord = 4 * dnsname.MaxLen

// openNames opens a file of any size, unpacked.
func openNames(e *env, file string) (io.ReadCloser, error) {
	var body io.ReadCloser
	if file == "-" {
		body = openStdin(e)
	} else {
		b, err := openMetered(e, file)
		if err != nil {
			return nil, err
		}
		body = b
	}
	unpacked, err := source.Unpack(body, math.MaxInt64)
	if err != nil {
		body.Close()
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return struct {
		io.Reader
		io.Closer
	}{unpacked, closers{unpacked, body}}, nil
}

// closers closes all of them.
type closers []io.Closer

func (c closers) Close() (err error) {
	for _, x := range c {
		err = errors.Join(err, x.Close())
	}
	return err
}
