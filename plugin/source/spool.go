package source

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
)

// chunkSize is the size in bytes of the pieces of memory that hold what a file
// does not. None is ever moved to a larger one.
const chunkSize = 64 << 10

var errSaved = errors.New("it has become a copy")

// Spool takes bytes of unknown size from the network and gives them back from
// the start, once they are complete and have been judged. They are in a file,
// or from where the disk is full in memory: a list is not lost for want of disk.
// It is for one goroutine at a time, and Close must be called.
type Spool struct {
	limit int64
	size  int64
	hash  hash.Hash

	file   spoolFile // nil: all is in memory
	room   int64     // bytes of the file in front of the first one
	stored int64     // bytes that are in the file
	rest   [][]byte  // the others: chunks of chunkSize bytes, the last one shorter
	remove func() error

	copy *Copy // in whose directory the file is; nil: in another
	temp *temp // that file

	err  error // why there is no file, or not one with all bytes
	done error // why nothing more is taken
}

// spoolFile is what a Spool wants of a file.
type spoolFile interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
}

// NewSpool returns a spool with a file, which only the own user can read, in a
// directory: "" means the system's for temporary files. Where none can be made,
// memory has to do; Err says why. The limit is in bytes; 0 means
// DefaultMaxBytes.
func NewSpool(dir string, limit int64) *Spool {
	s := newSpool(limit)
	f, err := os.CreateTemp(dir, "nonudify-*.tmp")
	if err != nil {
		s.err = err
		return s
	}
	s.file = f
	// Without its name the file goes with the process, even a killed one.
	// Windows does not do this, there it is removed in the end.
	if os.Remove(f.Name()) != nil {
		s.remove = func() error { return os.Remove(f.Name()) }
	}
	return s
}

func newSpool(limit int64) *Spool {
	if limit <= 0 {
		limit = DefaultMaxBytes
	}
	return &Spool{limit: limit, hash: sha256.New()}
}

// Write takes more bytes. The error is ErrTooLarge when there are more than the
// limit, from then on for good. A full disk is no error: see Err.
func (s *Spool) Write(p []byte) (int, error) {
	if s.done == nil && int64(len(p)) > s.limit-s.size {
		s.done = fmt.Errorf("%w: more than %d bytes", ErrTooLarge, s.limit)
	}
	if s.done != nil {
		return 0, s.done
	}
	s.hash.Write(p)
	s.size += int64(len(p))
	s.keep(p[s.store(p):])
	return len(p), nil
}

// store writes to the file for as long as that has never failed, and returns
// how many bytes it took.
func (s *Spool) store(p []byte) int {
	if s.file == nil || s.err != nil {
		return 0
	}
	n, err := s.file.WriteAt(p, s.room+s.stored)
	s.stored += int64(n)
	s.err = err
	return n
}

// keep holds bytes in memory.
func (s *Spool) keep(p []byte) {
	for len(p) > 0 {
		last := len(s.rest) - 1
		if last < 0 || len(s.rest[last]) == chunkSize {
			s.rest = append(s.rest, make([]byte, 0, chunkSize))
			continue
		}
		n := min(len(p), chunkSize-len(s.rest[last]))
		s.rest[last] = append(s.rest[last], p[:n]...)
		p = p[n:]
	}
}

// Reader reads what has been written, from the start. It may be called again,
// for another reader, and none may be used once the spool is closed.
func (s *Spool) Reader() io.Reader {
	var parts []io.Reader
	if s.stored > 0 {
		parts = append(parts, io.NewSectionReader(s.file, s.room, s.stored))
	}
	for _, chunk := range s.rest {
		parts = append(parts, bytes.NewReader(chunk))
	}
	return &exactly{io.MultiReader(parts...), s.size}
}

// Size returns the number of bytes written.
func (s *Spool) Size() int64 { return s.size }

// Sum returns the SHA-256 of what was written.
func (s *Spool) Sum() (sum [32]byte) {
	s.hash.Sum(sum[:0])
	return sum
}

// Err returns why the bytes, or some of them, are in memory and not in a file,
// so that no copy can be made of them: mostly that the disk is full. It is nil
// when they are in a file.
func (s *Spool) Err() error { return s.err }

// Close removes the file unless it became a copy.
func (s *Spool) Close() error {
	if s.done == os.ErrClosed {
		return nil
	}
	s.done, s.rest = os.ErrClosed, nil
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	if s.remove != nil {
		err = errors.Join(err, s.remove())
	}
	return err
}

// exactly is a reader of a known number of bytes: a file that is cut off while it
// is read must not pass for a shorter list.
type exactly struct {
	io.Reader
	left int64
}

func (w *exactly) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	w.left -= int64(n)
	if err == io.EOF && w.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
