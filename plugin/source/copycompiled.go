package source

import (
	"bufio"
	"errors"
	"io"
	"os"
)

// suffixCompiled is that of the file beside a copy that holds what was made of it.
const suffixCompiled = ".compiled"

// SaveCompiled keeps beside the copy what was made of it, as write writes it, and returns
// it mapped. Who writes it says in it of which copy it is: it may outlive one. It locks the
// copy until Unlock. A crash leaves what was there before, or the new file, whole.
func (c *Copy) SaveCompiled(write func(io.Writer) error) (*Mapping, error) {
	m, err := c.saveCompiled(write)
	return m, c.wrapSmall(suffixCompiled, err)
}

func (c *Copy) saveCompiled(write func(io.Writer) error) (*Mapping, error) {
	if err := c.Lock(); err != nil {
		return nil, err
	}
	t, err := newTemp(c.Dir, c.name(), suffixSpool)
	if err != nil {
		return nil, err
	}
	defer t.discard() // which removes it if it was not renamed
	out := bufio.NewWriterSize(t, chunkSize)
	if err := errors.Join(write(out), out.Flush()); err != nil {
		return nil, err
	}
	if err := t.replace(c.name() + suffixCompiled); err != nil {
		return nil, err
	}
	return mapWhole(t.File)
}

// LoadCompiled maps what SaveCompiled has kept. What it holds must be checked. The error is
// ErrNoCopy when there is none, errors.ErrUnsupported where no file can be mapped, else of
// package os.
func (c *Copy) LoadCompiled() (*Mapping, error) {
	f, err := openRegular(c.Dir, c.name()+suffixCompiled)
	if err != nil {
		return nil, c.wrapSmall(suffixCompiled, noCopy(err))
	}
	defer f.Close()
	m, err := mapWhole(f)
	return m, c.wrapSmall(suffixCompiled, err)
}

// DropCompiled removes it, if it is there.
func (c *Copy) DropCompiled() error {
	root, err := os.OpenRoot(c.Dir)
	if err != nil {
		return ignoreMissing(err)
	}
	defer root.Close()
	return c.wrapSmall(suffixCompiled, ignoreMissing(root.Remove(c.name()+suffixCompiled)))
}

func mapWhole(f *os.File) (*Mapping, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return newMapping(f, 0, info.Size())
}
