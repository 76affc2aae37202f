package source

import (
	"errors"
	"fmt"
	"math"
	"os"
)

// Mapping is a part of a file as memory, which the system reads when somebody looks at
// it and may drop at any time. It is there for as long as the Mapping is in use. Whoever
// reads it has to be ready for a fault: see set.OpenConfig.
type Mapping struct {
	Data []byte

	whole []byte // from the beginning of a page on
}

// errUnmapped says that the bytes are not those of a file that is ours alone.
var errUnmapped = fmt.Errorf("%w: they are not in a file of the state directory", errors.ErrUnsupported)

// newMapping maps bytes of a file that nobody changes. The file may be closed, renamed
// and removed afterwards.
func newMapping(f *os.File, from, size int64) (*Mapping, error) {
	skip := from % int64(os.Getpagesize())
	if size <= 0 || size > math.MaxInt-skip {
		return nil, fmt.Errorf("%w: %d bytes", errors.ErrUnsupported, size)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() < from+size { // what is behind the end of a file is no memory
		return nil, damaged("it ends too early")
	}
	whole, err := mapFile(f, from-skip, int(size+skip))
	if err != nil {
		return nil, err
	}
	m := &Mapping{whole: whole, Data: whole[skip : skip+size : skip+size]}
	m.unmapAtEnd()
	return m, nil
}

// Map maps the bytes of a complete spool that is in the state directory. It is an error
// wrapping errors.ErrUnsupported when they are elsewhere, or cannot be mapped on this
// system.
func (s *Spool) Map() (*Mapping, error) {
	if s.temp == nil || s.err != nil || s.stored != s.size {
		return nil, errUnmapped
	}
	return newMapping(s.temp.File, s.room, s.size)
}

// Map maps the bytes of the copy.
func (s *Saved) Map() (*Mapping, error) { return newMapping(s.file, headerSize, s.Size) }
