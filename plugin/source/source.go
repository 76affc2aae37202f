// Package source is where the bytes of a list come from, and where they are
// kept: a source is asked again and again and answers only when there is
// something new. A Spool holds it until it has been judged, and a Copy for the
// next start.
package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Version tells two states of a source apart. It is opaque; the empty one is
// no version.
type Version string

// ErrNotModified says that a source still has the version that the caller has.
var ErrNotModified = errors.New("not modified")

// Body is an opened version of a source.
type Body struct {
	io.ReadCloser
	Version  Version
	Modified time.Time // when that version was made; zero when it is not known
	Timers   Timers    // of a zone; zero for other sources
}

// Timers are how often the primary of a zone wants to be asked (RFC 1035
// §3.3.13): after success, after failure, and when a zone that could not be
// asked about has grown too old.
type Timers struct{ Refresh, Retry, Expire time.Duration }

// Bytes is a source that never changes: data compiled into the program.
type Bytes struct{ Data []byte }

// Open returns the data to a caller that does not have them yet.
func (b Bytes) Open(_ context.Context, have Version) (Body, error) {
	const only = Version("compiled in")
	if have == only {
		return Body{}, ErrNotModified
	}
	return Body{ReadCloser: inMemory{bytes.NewReader(b.Data)}, Version: only}, nil
}

// inMemory can be read again, as a file can.
type inMemory struct{ *bytes.Reader }

func (inMemory) Close() error { return nil }

// File is a local file.
type File struct {
	Path string
	// Settle is how long the file must have been left alone before a new
	// version of it is read, so that an editor or a download that writes it in
	// place is not caught half-way. It does not delay the first version.
	Settle time.Duration
}

// Open returns the file when it is not the version that the caller has: when
// its time of modification, its size or the file itself is another, whether it was written in
// place, renamed over or is reached by a link that now points elsewhere. The
// error for a file that cannot be opened is of package os.
func (f File) Open(_ context.Context, have Version) (Body, error) {
	// Most rounds end here, without opening the file, and a pipe is not waited
	// for.
	info, err := os.Stat(f.Path)
	if err != nil {
		return Body{}, err
	}
	if _, err := f.version(info, have); err != nil {
		return Body{}, err
	}
	file, err := os.Open(f.Path)
	if err != nil {
		return Body{}, err
	}
	body, err := f.body(file, have)
	if err != nil {
		file.Close()
	}
	return body, err
}

func (f File) body(file *os.File, have Version) (Body, error) {
	info, err := file.Stat()
	if err != nil {
		return Body{}, err
	}
	v, err := f.version(info, have)
	return Body{ReadCloser: file, Version: v, Modified: info.ModTime()}, err
}

// version returns the version of a file, or why it is not to be read.
func (f File) version(info os.FileInfo, have Version) (Version, error) {
	if err := f.regular(info); err != nil {
		return "", err
	}
	v := Version(fmt.Sprint(info.ModTime().UnixNano(), " ", info.Size(), " ", inode(info)))
	if age := time.Since(info.ModTime()); v == have || have != "" && 0 <= age && age < f.Settle {
		return "", ErrNotModified
	}
	return v, nil
}

// regular refuses directories, pipes and devices.
func (f File) regular(info os.FileInfo) error {
	if info.Mode().IsRegular() {
		return nil
	}
	return &os.PathError{Op: "read", Path: f.Path, Err: errors.New("not a regular file")}
}
