package main

import (
	"errors"
	"slices"
	"strings"

	"github.com/nonudify/nonudify/plugin/rule"
)

// Limits on a file of facts, far above what the files of today need.
const (
	maxFile = 1 << 20 // bytes
	maxLine = 4096    // bytes, without the line end
)

// Why a file of facts is refused.
var (
	errTooLarge   = errors.New("file is larger than 1 MiB")
	errLineLength = errors.New("line is longer than 4096 bytes")
	errColumns    = errors.New("first line does not name the columns that this file has")
	errFields     = errors.New("line has more or fewer fields than the first line")
)

// row is one line of a table.
type row struct {
	file   string
	line   int // counted from 1
	fields []string
}

// wrong returns err with the place of the row.
func (r row) wrong(err error) error {
	return &rule.LineError{File: r.file, Line: r.line, Err: err}
}

// parseTable reads tab-separated values, one row a line, without quoting. The
// first line names the columns and must name exactly those given.
func parseTable(file, text string, columns ...string) ([]row, error) {
	if len(text) > maxFile {
		return nil, row{file: file, line: 1}.wrong(errTooLarge)
	}
	var rows []row
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSuffix(line, "\n")
		r := row{file, n, strings.Split(line, "\t")}
		switch {
		case len(line) > maxLine:
			return nil, r.wrong(errLineLength)
		case n == 1 && !slices.Equal(r.fields, columns):
			return nil, r.wrong(errColumns)
		case len(r.fields) != len(columns):
			return nil, r.wrong(errFields)
		case n > 1:
			rows = append(rows, r)
		}
	}
	if n == 0 {
		return nil, row{file: file, line: 1}.wrong(errColumns)
	}
	return rows, nil
}
