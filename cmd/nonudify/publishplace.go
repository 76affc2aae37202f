package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/gofrs/flock"
)

// open makes the directories, and this run the only one in them. What a killed one
// has left behind is removed.
func (p *publication) open() (err error) {
	p.staging = filepath.Join(p.dir, stagingName)
	if err := p.makeDirs(); err != nil {
		p.unmake()
		return err
	}
	if p.root, err = ownDirectory(p.staging); err != nil {
		p.unmake()
		return err
	}
	if err := p.alone(); err != nil {
		_ = p.root.Close()
		return err
	}
	return p.sweep("lock")
}

// makeDirs makes the directory of the edition and those above it, and remembers which
// of them were not there.
func (p *publication) makeDirs() error {
	for dir := filepath.Clean(p.dir); ; dir = filepath.Dir(dir) {
		if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		p.made = append(p.made, dir)
	}
	return os.MkdirAll(p.dir, 0o755)
}

// unmake removes the directories that were made for nothing. It fails for one in which
// there is something, as it should.
func (p *publication) unmake() {
	for _, dir := range p.made {
		_ = os.Remove(dir)
	}
}

// ownDirectory makes a directory, or opens the one that a run before has left. Anything
// else is refused: behind a link, or in the directory of somebody else, the files would
// take the place of others, or be exchanged before they are published.
func ownDirectory(name string) (*os.Root, error) {
	if err := os.Mkdir(name, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	info, err := os.Lstat(name)
	if err != nil {
		return nil, err
	}
	notOurs := fmt.Errorf("%s: is a link, a file, or a directory of another user: publish makes its own directory there, so look what it is and take it away", name)
	if !info.IsDir() || !isOurs(info) {
		return nil, notOurs
	}
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	if opened, err := root.Stat("."); err != nil || !os.SameFile(info, opened) {
		_ = root.Close()
		return nil, errors.Join(notOurs, err)
	}
	return root, nil
}

// alone takes the lock of the staging directory.
func (p *publication) alone() error {
	path := filepath.Join(p.staging, "lock")
	l := flock.New(path)
	locked, err := l.TryLock()
	if err != nil {
		return err
	}
	if _, gone := os.Stat(path); !locked || gone != nil { // gone with the run that had it
		_ = l.Close()
		return fmt.Errorf("%s: another run is under way", p.dir)
	}
	p.lock = l
	return nil
}

// sweep empties the staging directory, but for one file.
func (p *publication) sweep(but string) error {
	files, err := fs.ReadDir(p.root.FS(), ".")
	if err != nil {
		return err
	}
	for _, f := range files {
		if f.Name() != but {
			err = errors.Join(err, p.root.RemoveAll(f.Name()))
		}
	}
	return err
}

// close removes what is left of the run, and the directories that were made for nothing.
func (p *publication) close() {
	_ = p.sweep("lock") // the next run does the same
	_ = p.root.Close()
	if runtime.GOOS == "windows" { // which removes nothing that is open
		_ = p.lock.Close()
	}
	_ = os.RemoveAll(p.staging) // before another run can have the lock
	_ = p.lock.Close()
	p.unmake()
}
