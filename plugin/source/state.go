package source

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// StateFile is a small file of a state directory that is about something other
// than a list.
type StateFile struct {
	Dir    string
	Name   string // of what it is about; the file's is made of it, fit for every system
	Suffix string // with its dot; none of those of a list's files
	// Plain is that the file is called by Name as it is, in a directory where nothing
	// else is: Name must be fit for every system.
	Plain bool
}

// Write puts data in the place of what the file holds. The directory is made if
// there is none. A crash leaves the old data or the new ones, whole.
func (f StateFile) Write(data []byte) error {
	if err := os.MkdirAll(f.Dir, 0o755); err != nil {
		return err
	}
	c := f.names()
	c.sweep()
	return replaceFile(f.Dir, c.name(), f.Suffix, data)
}

// Read returns what the file holds, at most so many bytes: more is ErrTooLarge.
// Of a file that is not there the error is fs.ErrNotExist.
func (f StateFile) Read(most int64) ([]byte, error) {
	file, err := openRegular(f.Dir, f.Base())
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("%s: %w", f.Base(), ErrTooLarge)
	}
	return data, err
}

// Lock makes the caller the only one to have the file, among all processes, until it
// calls unlock or its process ends. It does not wait: the error is ErrLocked when
// another has it, else of package os. Write and Read work without it.
func (f StateFile) Lock() (unlock func() error, err error) {
	c := f.names()
	if err := c.Lock(); err != nil {
		return nil, err
	}
	return c.Unlock, nil
}

// Remove takes the file away, if it is there.
func (f StateFile) Remove() error {
	err := os.Remove(filepath.Join(f.Dir, f.Base()))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Base returns the name of the file in its directory.
func (f StateFile) Base() string { return f.names().name() + f.Suffix }

// names gives its files names as those of a list have them.
func (f StateFile) names() *Copy {
	if f.Plain {
		return &Copy{Dir: f.Dir, stem: f.Name}
	}
	return &Copy{Dir: f.Dir, Source: f.Name}
}
