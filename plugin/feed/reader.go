package feed

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/nonudify/nonudify/plugin/source"
)

// Reader is the Fetcher of what needs no more than to be read.
type Reader[T any] struct {
	Opener
	Load func(r io.Reader, modified time.Time) (*T, error)

	known memory
}

// Fetch reads the source if it has changed. A version that was read to its end
// and could not be used is not read again; one whose reading broke off is.
func (f *Reader[T]) Fetch(ctx context.Context) (*T, error) {
	body, err := f.Open(ctx, f.known.seen)
	if errors.Is(err, source.ErrNotModified) && f.known.refused != nil {
		return nil, f.known.refused
	}
	if err != nil {
		return nil, err
	}
	defer body.Close()
	reader := &failureReader{Reader: body}
	value, err := f.Load(reader, body.Modified)
	if reader.err == nil {
		f.known = memory{body.Version, err}
	}
	if err != nil {
		return nil, err
	}
	return value, nil
}

// failureReader remembers that its reader failed.
type failureReader struct {
	io.Reader
	err error
}

func (f *failureReader) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err != nil && err != io.EOF {
		f.err = err
	}
	return n, err
}
