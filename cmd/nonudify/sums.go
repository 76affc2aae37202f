package main

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
)

// maxSums bounds a file of sums, in bytes: some ten thousand files.
const maxSums = 1 << 20

// sumLine is a line as the program sha256sum writes it, of text or of binary files.
var sumLine = regexp.MustCompile(`^([0-9a-f]{64}) [ *](\S.*)$`)

// sum is what a file of sums says of another file.
type sum struct {
	name string // below the directory of the sums
	hash string // SHA-256 in hex
}

// sumsAhead reports whether a file of sums begins, and not a list: no name has so many digits.
func sumsAhead(r *bufio.Reader) bool {
	start, _ := r.Peek(sha256.Size*2 + len("  x"))
	return sumLine.Match(start)
}

// readSums reads a file of sums. Errors name the line. A sum of a file that is elsewhere is
// refused: whoever has a signature of a sum wants to know of the file beside it.
func readSums(r io.Reader, file string) (all []sum, err error) {
	text, err := io.ReadAll(io.LimitReader(r, maxSums+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", file, err)
	case len(text) > maxSums:
		return nil, fmt.Errorf("%s: is larger than %s", file, size(maxSums))
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		m := sumLine.FindStringSubmatch(strings.TrimRight(line, "\r\n"))
		if m == nil || !filepath.IsLocal(filepath.FromSlash(m[2])) {
			return nil, fmt.Errorf("%s:%d: is no sum of a file beside it", file, n)
		}
		all = append(all, sum{name: m[2], hash: m[1]})
	}
	return all, nil
}

// compareSums reads the files that are beside their sums. It returns the names of those
// that are as the sums say, of those that are not there, and what is wrong with others.
func compareSums(file string, all []sum) (same, absent, faults []string, err error) {
	for _, s := range all {
		got, err := sumOf(filepath.Join(filepath.Dir(file), filepath.FromSlash(s.name)))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			absent = append(absent, s.name)
		case err != nil:
			return nil, nil, nil, err
		case got != s.hash:
			faults = append(faults, printable(s.name)+" is another file: its sum is "+got)
		default:
			same = append(same, s.name)
		}
	}
	return same, absent, faults, nil
}

// examineSums returns what is wrong with a file of sums as one that is to be signed: all
// files have to be there.
func examineSums(r io.Reader, file string) (faults []string, err error) {
	all, err := readSums(r, file)
	if err != nil {
		return nil, err
	}
	_, absent, faults, err := compareSums(file, all)
	for _, name := range absent {
		faults = append(faults, printable(name)+" is not there")
	}
	return faults, err
}
