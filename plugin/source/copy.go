package source

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"

	"github.com/gofrs/flock"
)

// Copy is the last good copy of one list in a state directory. It is always a
// complete edition: the one saved last, or while that is being written the one
// before, whenever the process is killed. Its methods are safe for concurrent
// use; it must not be copied.
//
// Beside the copy are a file to lock and, while there is something to approve,
// what Hold and Approve write.
type Copy struct {
	Dir      string // the state directory
	Source   string // what identifies the list, such as its first URL
	MaxBytes int64  // of a list; a larger one is not loaded. 0 means DefaultMaxBytes

	stem string // of the files; "": it is made of Source

	mu   sync.Mutex
	lock *flock.Flock // nil: not locked
}

// Saved is an opened copy. It stays what it is when another is saved in its
// place. Close must be called.
type Saved struct {
	Meta
	Sum  [32]byte // SHA-256 of the bytes
	Size int64    // of the bytes

	file *os.File
}

// Reader reads the bytes from the start. It may be called again, for another
// reader, and none may be used once s is closed.
func (s *Saved) Reader() io.Reader {
	return &exactly{io.NewSectionReader(s.file, headerSize, s.Size), s.Size}
}

// Close closes the file of the copy.
func (s *Saved) Close() error { return s.file.Close() }

// Load opens the copy and reads all of it once, to see whether it is what was
// saved. The error is ErrNoCopy, ErrDamaged, ErrTooLarge or of package os, as
// for anything that is not a regular file.
func (c *Copy) Load() (*Saved, error) {
	f, err := openRegular(c.Dir, c.name()+suffixCopy)
	if err != nil {
		return nil, c.wrap(noCopy(err))
	}
	s, err := c.verify(f)
	if err != nil {
		f.Close()
		return nil, c.wrap(err)
	}
	return s, nil
}

// noCopy makes ErrNoCopy of the error for a file that is not there.
func noCopy(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNoCopy
	}
	return err
}

// wrap adds which copy an error is about.
func (c *Copy) wrap(err error) error { return fmt.Errorf("%s: %w", c.Path(), err) }

func (c *Copy) verify(f *os.File) (*Saved, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	h, err := readHeader(f)
	if err != nil {
		return nil, err
	}
	limit := c.MaxBytes
	if limit <= 0 {
		limit = DefaultMaxBytes
	}
	switch {
	case !strings.HasPrefix(h.Source, c.id()):
		return nil, damaged("it is the copy of another list")
	case info.Size() != headerSize+h.Size:
		return nil, damaged("it has %d bytes behind its header and should have %d", info.Size()-headerSize, h.Size)
	case h.Size > limit:
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)
	}
	s := &Saved{Meta: h.Meta, Sum: h.Sum, Size: h.Size, file: f}
	return s, s.check()
}

// check reads all bytes and compares their checksum.
func (s *Saved) check() error {
	hash := sha256.New()
	if _, err := io.Copy(hash, s.Reader()); err != nil {
		return err
	}
	if [32]byte(hash.Sum(nil)) != s.Sum {
		return damaged("the checksum of the list does not fit")
	}
	return nil
}

// Spool returns a spool in the state directory, so that to save it is to rename
// it. It locks the copy until Unlock. Where it cannot, the spool is one outside
// of the directory, as good for everything else. The limit is in bytes; 0 means
// DefaultMaxBytes.
func (c *Copy) Spool(limit int64) *Spool {
	if c.Lock() != nil { // Save tries it again, and then reports it
		return NewSpool("", limit)
	}
	return c.spool(limit)
}

// spool returns a spool in the directory of a locked copy. The room for the
// header is written and not only skipped, so that it is there on a full disk.
func (c *Copy) spool(limit int64) *Spool {
	t, err := newTemp(c.Dir, c.name(), suffixSpool)
	if err == nil {
		if _, err = t.Write(make([]byte, headerSize)); err != nil {
			t.discard() // the first error is the one to report
		}
	}
	s := newSpool(limit)
	if err != nil {
		s.err = err
		return s
	}
	s.file, s.room, s.copy, s.temp = t, headerSize, c, t
	s.remove = func() error { return errors.Join(t.remove(), t.root.Close()) }
	return s
}

// Save makes the bytes of a complete spool the copy, in one step and so that
// they outlast a power cut. It locks the copy until Unlock. An error, such as
// ErrLocked or that of a full disk, leaves the old copy as it was, and the spool
// can be read on; only when it is one about syncing the directory, the last
// step, is the new copy in place and may be gone after a power cut.
func (c *Copy) Save(s *Spool, m Meta) error {
	if err := c.save(s, m); err != nil {
		return c.wrap(err)
	}
	return nil
}

func (c *Copy) save(s *Spool, m Meta) error {
	head, err := header{Source: c.id(), Size: s.Size(), Sum: s.Sum(), Meta: m}.encode()
	if err != nil {
		return err
	}
	if err := errors.Join(s.done, s.err); err != nil {
		return err
	}
	if err := c.Lock(); err != nil {
		return err
	}
	if s.copy == c {
		return s.become(head, c.name()+suffixCopy)
	}
	t, err := c.adopt(s)
	if err != nil {
		return err
	}
	return errors.Join(t.become(head, c.name()+suffixCopy), t.Close())
}

// adopt brings the bytes of a spool that is elsewhere into the state directory.
func (c *Copy) adopt(s *Spool) (*Spool, error) {
	t := c.spool(s.Size())
	_, err := io.Copy(t, s.Reader())
	switch {
	case err != nil:
	case t.err != nil:
		err = t.err
	case t.Sum() != s.Sum():
		err = damaged("the temporary file changed")
	}
	if err != nil {
		t.Close() // the first error is the one to report
		return nil, err
	}
	return t, nil
}

// become makes the file of a spool the copy.
func (s *Spool) become(head []byte, name string) error {
	_, err := s.file.WriteAt(head, 0)
	if err == nil {
		err = s.temp.replace(name)
	}
	if err != nil {
		s.temp.remove() // the first error is the one to report
		s.err = err
		return err
	}
	s.done = errSaved
	return nil
}
