package feed

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"io"

	"github.com/nonudify/nonudify/plugin/source"
)

// staged is a body that has been read to its end and can be read again, so that
// it is judged as a whole before any of it is used.
type staged struct {
	io.Closer
	again func() io.Reader
	sum   [sha256.Size]byte
	spool *source.Spool // nil: the body itself can be read again

	mapped func() (*source.Mapping, error) // the bytes as memory; may be nil
}

// stage reads a body to its end. One that can be read again is left where it
// is, if nothing hangs on its staying the same in between.
func (f *Feed) stage(ctx context.Context, body source.Body) (*staged, error) {
	r := untilDone{ctx, body}
	if seeker, ok := body.ReadCloser.(io.Seeker); ok && len(f.Keys) == 0 && f.Copy == nil {
		return f.stageInPlace(r, seeker)
	}
	spool := f.spool()
	if _, err := io.Copy(named{spool, f.Load.File}, r); err != nil {
		spool.Close()
		return nil, err
	}
	return &staged{spool, spool.Reader, spool.Sum(), spool, spool.Map}, nil
}

func (f *Feed) stageInPlace(r io.Reader, s io.Seeker) (*staged, error) {
	limit := cmp.Or(f.Load.MaxBytes, source.DefaultMaxBytes)
	hash := sha256.New()
	if n, err := io.Copy(hash, io.LimitReader(r, limit+1)); err != nil {
		return nil, err
	} else if n > limit {
		return nil, fmt.Errorf("%s: %w: more than %d bytes", f.Load.File, source.ErrTooLarge, limit)
	}
	again := func() io.Reader {
		if _, err := s.Seek(0, io.SeekStart); err != nil {
			return failing{err}
		}
		return r
	}
	return &staged{io.NopCloser(nil), again, [sha256.Size]byte(hash.Sum(nil)), nil, nil}, nil
}

func (f *Feed) spool() *source.Spool {
	if f.Copy != nil {
		return f.Copy.Spool(f.Load.MaxBytes)
	}
	return source.NewSpool("", f.Load.MaxBytes)
}

// untilDone is a reader that fails once its context has ended.
type untilDone struct {
	ctx context.Context
	io.Reader
}

func (u untilDone) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.Reader.Read(p)
}

// named is a writer whose errors say what they are about, as those of sources
// do.
type named struct {
	io.Writer
	name string
}

func (w named) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if err != nil {
		err = fmt.Errorf("%s: %w", w.name, err)
	}
	return n, err
}

// failing is a reader of nothing but an error.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
