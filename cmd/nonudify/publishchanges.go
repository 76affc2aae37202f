package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// changes writes what has changed since the edition before. The new one is read as
// resolvers will. An edition that is made once more keeps its changelog.
func (p *publication) changes(e *env) error {
	now, err := readEdition(e, filepath.Join(p.staging, p.mainName()))
	if err != nil {
		return err
	}
	now.File = p.mainName()
	now.publishable(p.publishFlags.comments)
	before := p.before.last()
	switch {
	case before == nil:
		return p.first(now)
	case before == p.before.held && before.sum == now.sum && p.keepChanges() == nil:
		return nil
	}
	return p.compare(e, before, now)
}

// first writes the changelog of the first edition.
func (p *publication) first(now *oneEdition) error {
	now.Names = now.list.Set.Len()
	d := &difference{New: now, Taken: true}
	d.Summary = fmt.Sprintf("%s lists %s. It is the first one.", now.title("This edition"), count(now.Names, "name", "names"))
	var line bytes.Buffer
	if err := newLines(&line).Encode(d); err != nil {
		return err
	}
	p.change = indexChange{Summary: d.Summary, Text: changesText, JSON: changesJSON}
	return errors.Join(p.stage(changesJSON, line.Bytes()), p.stage(changesText, []byte(d.Summary+"\n")))
}

// compare writes the changelog for programs, then the one for people, which begins
// with the summary of what the first has found.
func (p *publication) compare(e *env, before, now *oneEdition) error {
	d := &difference{Old: before, New: now}
	err := p.stageBy(changesJSON, func(w io.Writer) error {
		out, lines := *e, bufio.NewWriter(w)
		out.stdout = lines
		_, err := diffFlags{shrink: defaultShrink, json: true}.fill(&out, d)
		return errors.Join(err, lines.Flush())
	})
	if err != nil {
		return err
	}
	for _, r := range d.Reasons {
		if before.Format == now.Format { // else rules are counted otherwise
			e.note("warning: resolvers that have the edition before will not take this one: %s", r)
		}
	}
	p.change = indexChange{Since: before.Header.Serial, Summary: d.Summary, Text: changesText, JSON: changesJSON}
	return p.stageBy(changesText, func(w io.Writer) error {
		lines := bufio.NewWriter(w)
		fmt.Fprintln(lines, d.Summary)
		if d.Blinded || d.Added+d.Removed+d.Changed+d.Restated.Entries == 0 {
			return lines.Flush()
		}
		fmt.Fprintln(lines)
		again := &difference{Old: before, New: now}
		return errors.Join(again.names(e, diffFlags{}.writer(lines)), lines.Flush())
	})
}

// keepChanges takes the changelog over from the edition that is there, which is the
// same one. The error is for one that is not there, or was not made here.
func (p *publication) keepChanges() error {
	x, err := p.readChanges()
	if err != nil {
		return err
	}
	for _, name := range []string{changesText, changesJSON} {
		err = errors.Join(err, p.stageBy(name, func(w io.Writer) error {
			f, err := os.Open(filepath.Join(p.dir, name))
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = io.Copy(w, f)
			return err
		}))
	}
	p.change = x
	return err
}

// readChanges reads from the changelog what the index says of it. That is in the last
// object of it. One that names names is none of a blinded edition.
func (p *publication) readChanges() (x indexChange, err error) {
	f, err := os.Open(filepath.Join(p.dir, changesJSON))
	if err != nil {
		return x, err
	}
	defer f.Close()
	type edition struct{ Header header }
	type line struct {
		Name     string
		New, Old edition
		Summary  string
	}
	var last line
	names := false
	for in := json.NewDecoder(bufio.NewReader(f)); err == nil; {
		var one line
		if err = in.Decode(&one); err == nil {
			last, names = one, names || one.Name != ""
		}
	}
	if names && p.blinded || !errors.Is(err, io.EOF) || last.Summary == "" || last.New.Header.Serial != p.header.Serial {
		return x, errors.New("is no changelog of this edition")
	}
	return indexChange{Since: last.Old.Header.Serial, Summary: last.Summary, Text: changesText, JSON: changesJSON}, nil
}
