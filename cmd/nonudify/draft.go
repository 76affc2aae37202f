package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
)

// draft is a file that is complete and on disk, under a name of its own beside
// the one that it is for. So a file is never seen half-written, not even by
// whoever looks after the program was killed or the power failed. Ctrl-C ends the
// writing, and removes what was written; once there is a draft, it waits until the draft
// has its name or is dropped, so that none is left behind.
type draft struct {
	temp, name string
	stop       context.CancelFunc // of the watch for signals
}

// newDraft writes the draft of a file.
func newDraft(name string, data []byte, perm fs.FileMode) (*draft, error) {
	return newDraftFrom(name, bytes.NewReader(data), perm)
}

// newDraftFrom writes the draft of a file that need not fit into memory.
func newDraftFrom(name string, r io.Reader, perm fs.FileMode) (*draft, error) {
	return newDraftBy(name, func(w io.Writer) error {
		_, err := io.Copy(w, r)
		return err
	}, perm)
}

// newDraftBy writes the draft of a file as write does.
func newDraftBy(name string, write func(io.Writer) error, perm fs.FileMode) (*draft, error) {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "write", Path: name, Err: errors.New("not a regular file")}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	d := &draft{filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+"."+rand.Text()[:8]), name, stop}
	f, err := os.OpenFile(d.temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		stop()
		return nil, err
	}
	if err = write(interruptible{f, ctx}); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		d.drop()
		return nil, err
	}
	return d, nil
}

// interruptible is a writer that fails once the context is done.
type interruptible struct {
	io.Writer
	ctx context.Context
}

func (w interruptible) Write(p []byte) (int, error) {
	if w.ctx.Err() != nil {
		return 0, errUnwritten
	}
	return w.Writer.Write(p)
}

// errUnwritten is what becomes of a file whose writing is interrupted.
var errUnwritten = errors.New("interrupted: nothing is written")

// drop removes the draft, if it is still there.
func (d *draft) drop() {
	os.Remove(d.temp)
	d.stop()
}

// replace puts the draft in the place of whatever has its name.
func (d *draft) replace() error {
	if err := os.Rename(d.temp, d.name); err != nil {
		return err
	}
	return syncDir(filepath.Dir(d.name))
}

// permit gives the draft the group and the permissions of the file that was there. A
// group that it cannot have gets nothing.
func (d *draft) permit(before fs.FileInfo) error {
	perm := before.Mode().Perm()
	if !sameGroup(d.temp, before) {
		perm &^= 0o070
	}
	return os.Chmod(d.temp, perm)
}

// create gives the draft its name, and fails with fs.ErrExist if something has
// it already: a link, unlike a renaming, never replaces. Some file systems have
// no links; there it is looked first.
func (d *draft) create() error {
	err := os.Link(d.temp, d.name)
	if errors.Is(err, fs.ErrExist) {
		return err
	}
	if err == nil {
		d.drop()
		return syncDir(filepath.Dir(d.name))
	}
	if err := absent(d.name); err != nil {
		return err
	}
	return d.replace()
}

// absent returns an error when something has the name.
func absent(name string) error {
	_, err := os.Lstat(name)
	switch {
	case err == nil:
		return &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	case errors.Is(err, fs.ErrNotExist):
		return nil
	}
	return err
}

// syncDir makes the names in a directory last. Windows cannot do that, and does
// not need it.
func syncDir(name string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	dir, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// save writes a file that is never seen half-written, or without a name to the
// standard output. What it is made of may not be for everybody: so it can be read by
// whoever could read the file that was there or, if there was none, by the others only
// if they can read all that it is made of.
func (e *env) save(name string, text []byte, of []string) error {
	if name == "" {
		_, err := e.stdout.Write(text)
		return err
	}
	before, err := os.Stat(name)
	perm := fs.FileMode(0o644)
	if err == nil || slices.ContainsFunc(of, isClosed) {
		perm = 0o600
	}
	d, err := newDraft(name, text, perm)
	if err != nil {
		return err
	}
	defer d.drop()
	if before != nil {
		if err := d.permit(before); err != nil {
			return err
		}
	}
	return d.replace()
}

// isClosed reports whether there is a file that not everybody can read.
func isClosed(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o004 == 0
}
