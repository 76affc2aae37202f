package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/nonudify/nonudify/plugin/builtin"
	"github.com/nonudify/nonudify/plugin/directive"
	"github.com/nonudify/nonudify/plugin/feed"
	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/source"
)

// openList opens a file whose bytes move the bar.
func openList(e *env, name string) (source.Body, error) {
	if strings.Contains(name, "://") {
		return source.Body{}, usagef("%s: only files can be read; 'nonudify fetch -o FILE' makes one of it", source.Redact(name))
	}
	return openMetered(e, name)
}

// openMetered opens a file of any name, whose bytes move the bar.
func openMetered(e *env, name string) (source.Body, error) {
	return metered{source.File{Path: name}, e.bar, name}.Open(context.Background(), "")
}

// openAny opens a list that is a file, the standard input for "-", or the built-in one by
// its name.
func openAny(e *env, name string) (source.Body, error) {
	switch name {
	case builtin.Name:
		return source.Body{ReadCloser: io.NopCloser(bytes.NewReader(builtin.List()))}, nil
	case "-":
		return source.Body{ReadCloser: openStdin(e)}, nil
	}
	return openList(e, name)
}

// openStdin returns the standard input, whose bytes move the bar.
func openStdin(e *env) io.ReadCloser { return e.bar.reader("stdin", io.NopCloser(e.stdin)) }

// loadGuarded reads a list, packed or not, as the resolver would with its
// protected names.
func loadGuarded(r io.Reader, modified time.Time, c feed.LoadConfig) (*feed.List, error) {
	guard, err := directive.Guard()
	if err != nil {
		return nil, err
	}
	c.Check = guard
	if c.Refused == nil { // then the rules of a compiled list are judged, too
		c.Refused = func(*rule.LineError) {}
	}
	return feed.Load(r, modified, c)
}

// readFile returns the content of a file that is not larger than limit bytes.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readSmall(f, limit)
}

// readSmall reads a whole file that must not be larger than limit bytes.
func readSmall(f *os.File, limit int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("%s: is larger than %s", f.Name(), size(limit))
	}
	return text, err
}
