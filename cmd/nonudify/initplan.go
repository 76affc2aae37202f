package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	unified "github.com/rogpeppe/go-internal/diff"

	"github.com/nonudify/nonudify/plugin/directive"
)

// plan is what init is about to write.
type plan struct {
	dir, state  string
	corefile    []byte
	show, force bool
}

// ownFiles are the files of names that stand beside the Corefile.
var ownFiles = []struct{ name, text string }{
	{"allow.txt", "# Names to let through whatever a list says, one a line, each with all names below it.\n"},
	{"block.txt", "# Names of your own to block, one a line, each with all names below it.\n"},
}

// path returns where the Corefile is.
func (p *plan) path() string { return filepath.Join(p.dir, "Corefile") }

// prove reads the Corefile as the server will, so that nothing is written that it
// refuses.
func (p *plan) prove(e *env) error {
	parsed, err := parseCorefile(e, p.path(), p.corefile)
	if err != nil {
		return err
	}
	_, err = e.serversOf(p.path(), parsed)
	return err
}

// carryOut shows what changes, and changes it unless it was only to be shown.
func (p *plan) carryOut(e *env) (int, error) {
	before, err := readFile(p.path(), maxCorefile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return wrong, err
	}
	there, same := err == nil, bytes.Equal(before, p.corefile)
	if there && !same || p.show {
		p.showChange(e, before, there)
	}
	switch {
	case p.show:
		return fine, nil
	case there && !same && !p.force:
		e.note("%s is there and stays as it is; -force replaces it, and keeps it under another name", p.path())
		return finding, nil
	}
	return fine, p.write(e, before, there && !same, there && same)
}

// showChange writes the difference as patch reads it.
func (p *plan) showChange(e *env, before []byte, there bool) {
	old := p.path()
	if !there {
		old = os.DevNull
	}
	e.stdout.Write(unified.Diff(old, before, p.path(), p.corefile))
	if !p.show {
		return
	}
	for _, path := range p.absent() {
		fmt.Fprintln(e.stdout, path+" would be made")
	}
}

// absent returns the files and directories of the plan that are not there, but for
// the Corefile.
func (p *plan) absent() (paths []string) {
	all := []string{p.state}
	for _, f := range ownFiles {
		all = append(all, filepath.Join(p.dir, f.name))
	}
	for _, path := range all {
		if absent(path) == nil {
			paths = append(paths, path)
		}
	}
	return paths
}

// write makes the directories and files. The Corefile comes last: what it names is
// there then.
func (p *plan) write(e *env, before []byte, keep, same bool) error {
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return err
	}
	for _, f := range ownFiles {
		if err := p.add(e, f.name, f.text); err != nil {
			return err
		}
	}
	if err := p.makeState(e); err != nil {
		return err
	}
	if same {
		fmt.Fprintln(e.stdout, p.path()+" is as it would be written")
		return nil
	}
	if keep {
		name := "Corefile." + e.now().UTC().Format("20060102T150405Z")
		if err := p.create(e, name, before); err != nil {
			return err
		}
	}
	if err := e.save(p.path(), p.corefile, nil); err != nil {
		return err
	}
	fmt.Fprintln(e.stdout, p.path()+" is written")
	e.note("next: start the service again ('systemctl restart nonudify'), then 'nonudify doctor -conf %s'", p.path())
	return nil
}

// add makes a file if it is not there.
func (p *plan) add(e *env, name, text string) error {
	err := p.create(e, name, []byte(text))
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// create makes a file that is not there yet.
func (p *plan) create(e *env, name string, text []byte) error {
	d, err := newDraft(filepath.Join(p.dir, name), text, 0o644)
	if err != nil {
		return err
	}
	defer d.drop()
	if err := d.create(); err != nil {
		return err
	}
	fmt.Fprintln(e.stdout, d.name+" is made")
	return nil
}

// makeState makes the state directory. It belongs to the user that an installed
// server runs as, if there is such a user and we may give it away.
func (p *plan) makeState(e *env) error {
	if absent(p.state) != nil {
		return nil
	}
	if err := os.MkdirAll(p.state, 0o755); err != nil {
		return err
	}
	fmt.Fprintln(e.stdout, p.state+" is made")
	if os.Geteuid() != 0 {
		return nil
	}
	if err := giveTo(p.state, serviceUser); err != nil {
		e.note("%s must belong to the user that the server runs as: %v", p.state, err)
	}
	return nil
}

// stateOf returns the state directories of directives, each once.
func stateOf(configs []*directive.Config) (dirs []string) {
	seen := map[string]bool{}
	for _, c := range configs {
		if c.State != "" && !seen[c.State] {
			seen[c.State] = true
			dirs = append(dirs, c.State)
		}
	}
	return dirs
}
