package source

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// temp is a file in a state directory that is to take the place of another one.
// This is our own because renameio has nothing for Windows and does not sync the
// directory, without which a power cut may undo the rename. An os.Root is used
// because a file that it opened can also on Windows be renamed, and renamed over,
// while it is open.
type temp struct {
	*os.File
	root *os.Root
	name string // in root; "" once it is renamed or removed
}

// newTemp makes a file <stem>.<16 hexadecimal digits><suffix>, readable for all
// whom the umask lets.
func newTemp(dir, stem, suffix string) (*temp, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("%s.%016x%s", stem, rand.Uint64(), suffix)
	f, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		root.Close()
		return nil, err
	}
	return &temp{f, root, name}, nil
}

// replace makes the file durable under another name, in place of what has that
// name. Only when the directory cannot be synced is the new one in place beside
// an error: it is not known to outlast a power cut.
func (t *temp) replace(name string) error {
	if err := t.Sync(); err != nil {
		return err
	}
	if err := t.root.Rename(t.name, name); err != nil {
		return err
	}
	t.name = ""
	return syncDir(t.root)
}

// remove removes the file under its temporary name.
func (t *temp) remove() error {
	if t.name == "" {
		return nil
	}
	name := t.name
	t.name = ""
	return t.root.Remove(name)
}

// discard removes a file that was not renamed, and closes it.
func (t *temp) discard() error {
	return errors.Join(t.File.Close(), t.remove(), t.root.Close())
}

// replaceFile writes a small file in place of another.
func replaceFile(dir, stem, suffix string, data []byte) error {
	t, err := newTemp(dir, stem, suffixSmall)
	if err != nil {
		return err
	}
	if _, err = t.Write(data); err == nil {
		err = t.replace(stem + suffix)
	}
	return errors.Join(err, t.discard())
}

// openRegular opens a file of a state directory. It refuses anything but a
// regular file, and a pipe is not waited for.
func openRegular(dir, name string) (*os.File, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	info, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: filepath.Join(dir, name), Err: errors.New("not a regular file")}
	}
	return root.Open(name)
}
