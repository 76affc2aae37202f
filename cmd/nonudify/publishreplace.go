package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nonudify/nonudify/plugin/list"
)

// read reads the list once more, as it lies on the disk, and returns what is wrong
// with it as one that is signed, and what else in the edition is not to be published.
func (p *publication) read(e *env) ([]string, error) {
	body, err := openList(e, filepath.Join(p.staging, p.mainName()))
	if err != nil {
		return nil, err
	}
	defer body.Close()
	_, faults, err := examine(body, body.Modified, p.mainName(), e.now())
	if err != nil {
		return faults, err
	}
	names, err := p.exposed()
	return append(faults, names...), err
}

// replace puts the files in the place of those of the edition before, and returns how
// many were not the same.
//
// Each takes the place of its predecessor in one step, a list right after its
// signature, so that a web server that serves the directory meanwhile never has half a
// file. Who gets a list and the signature of another edition refuses it, and tries
// again. The directory itself is not exchanged: it may be a mount point, or one that a
// web server has open, and may hold what others have put there.
//
// The list that editions are known by comes last. So whoever ends this half-way, as
// a power failure does, finds the edition before, and the next run does all of it again
// with the same serial.
func (p *publication) replace(ctx context.Context) (changed int, err error) {
	if ctx.Err() != nil {
		return 0, errStopped
	}
	names, err := p.order()
	if err != nil {
		return 0, err
	}
	for _, name := range names { // before anything is changed
		if info, err := os.Stat(filepath.Join(p.dir, name)); err == nil && !info.Mode().IsRegular() {
			return 0, &fs.PathError{Op: "write", Path: filepath.Join(p.dir, name), Err: errors.New("not a regular file")}
		}
	}
	last := len(names) - 1
	for _, name := range names[:last] {
		if err := p.put(name, &changed); err != nil {
			return changed, err
		}
	}
	if err := errors.Join(p.clear(&changed), syncDir(p.dir)); err != nil {
		return changed, err
	}
	if err := p.put(names[last], &changed); err != nil {
		return changed, err
	}
	return changed, syncDir(p.dir)
}

// order returns the files in the order in which they are replaced.
func (p *publication) order() (names []string, err error) {
	files, err := os.ReadDir(p.staging)
	for _, f := range files {
		name := f.Name()
		if name == "lock" || strings.HasSuffix(name, signatureSuffix) || name == p.mainName() || slices.Contains(indexNames, name) {
			continue
		}
		names = append(names, name+signatureSuffix, name)
	}
	for _, name := range append(slices.Clone(indexNames), p.mainName()) {
		names = append(names, name+signatureSuffix, name)
	}
	return names, err
}

// indexNames are the files that tell of the others.
var indexNames = []string{changesText, changesJSON, sumsName, indexJSON, indexHTML}

// put puts one file in its place, unless it is there already: web servers tell by the
// time of a file whether it is another.
func (p *publication) put(name string, changed *int) error {
	temp, to := filepath.Join(p.staging, name), filepath.Join(p.dir, name)
	same, err := sameBytes(temp, to)
	if err != nil || same {
		return err
	}
	*changed++
	return os.Rename(temp, to)
}

// clear removes what an edition may hold and this one does not, such as the list in
// clear text when it is published blinded from now on.
func (p *publication) clear(changed *int) error {
	for _, to := range list.Targets() {
		name := listName(to)
		if slices.ContainsFunc(p.files, func(f published) bool { return f.Name == name }) {
			continue
		}
		for _, name := range []string{name, name + signatureSuffix} {
			switch err := os.Remove(filepath.Join(p.dir, name)); {
			case err == nil:
				*changed++
			case !errors.Is(err, fs.ErrNotExist):
				return err
			}
		}
	}
	return nil
}

// sameBytes reports whether two files are the same; none is not the same as any.
func sameBytes(a, b string) (bool, error) {
	f, err := os.Open(a)
	if err != nil {
		return false, err
	}
	defer f.Close()
	g, err := os.Open(b)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer g.Close()
	if sizeOf(f) != sizeOf(g) {
		return false, nil
	}
	return sameStreams(f, g)
}

// sameStreams compares what is read.
func sameStreams(a, b io.Reader) (bool, error) {
	one, other := make([]byte, 32<<10), make([]byte, 32<<10)
	for {
		n, err := io.ReadFull(a, one)
		m, err2 := io.ReadFull(b, other)
		if !bytes.Equal(one[:n], other[:m]) {
			return false, nil
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return n == m, nil
		}
		if err = errors.Join(err, err2); err != nil {
			return false, err
		}
	}
}

// tell says what was published.
func (p *publication) tell(e *env, changed int) error {
	e.bar.clear()
	if p.json {
		return writeJSON(e.stdout, p.index)
	}
	state := "is published"
	if changed == 0 {
		state = "was there already"
	}
	fmt.Fprintf(e.stdout, "%s: edition %d %s\n", p.dir, p.header.Serial, state)
	field(e.stdout, "list-id", "%s", p.header.ID)
	field(e.stdout, "issued", "%s", stamp(p.header.Issued))
	field(e.stdout, "expires", "%s", stamp(p.header.Expires))
	field(e.stdout, "names", "%d", p.index.Entries)
	field(e.stdout, "formats", "%d", len(p.files))
	field(e.stdout, "key", "%s", p.index.Key.ID)
	field(e.stdout, "changes", "%s", p.change.Summary)
	return nil
}
