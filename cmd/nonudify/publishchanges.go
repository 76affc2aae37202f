package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"aead.dev/minisign"

	"github.com/nonudify/nonudify/plugin/feed"
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
	case before == p.before.held && before.sum == now.sum:
		err := p.keepChanges()
		if err == nil {
			return nil
		}
		e.note("warning: what has changed by this edition is not known any more: %v", err)
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
		lines := bufio.NewWriter(w)
		if err := d.find(e, defaultShrink, asJSON(lines)); err != nil {
			return err
		}
		return errors.Join(newLines(lines).Encode(d), lines.Flush())
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
		return errors.Join(again.names(e, asText(lines)), lines.Flush())
	})
}

// keepChanges takes the changelog over from the edition that is there, which is the
// same one. The error is for one that is not there, or was not made here: what is taken
// over is signed again, so it has to be what was signed.
func (p *publication) keepChanges() error {
	for _, name := range []string{changesText, changesJSON} {
		if err := p.stageBy(name, func(w io.Writer) error { return p.copySigned(w, name) }); err != nil {
			return err
		}
	}
	x, err := p.readChanges()
	p.change = x
	return err
}

// errUnsigned says that somebody else may have written a file.
var errUnsigned = errors.New("is not signed with this key")

// copySigned copies a file of the edition that is there, if the key that signs this one
// has signed it.
func (p *publication) copySigned(w io.Writer, name string) error {
	signature, err := p.heldText(name+signatureSuffix, feed.MaxSignature)
	if err != nil {
		return err
	}
	f, err := openRegular(filepath.Join(p.dir, name))
	if err != nil || f == nil {
		return errors.Join(err, fmt.Errorf("%s: is missing, or is no file", name))
	}
	defer f.Close()
	m := minisign.NewReader(f)
	if _, err := io.Copy(w, m); err != nil {
		return err
	}
	if pub, ok := p.secret.Public().(minisign.PublicKey); !ok || !m.Verify(pub, signature) {
		return fmt.Errorf("%s: %w", name, errUnsigned)
	}
	return nil
}

// heldText reads a small file of the edition that is there, nothing if it is none.
func (p *publication) heldText(name string, limit int64) ([]byte, error) {
	f, err := openRegular(filepath.Join(p.dir, name))
	if err != nil || f == nil {
		return nil, err
	}
	defer f.Close()
	return readSmall(f, limit)
}

// readChanges reads from the changelog what the index says of it. That is in the last
// object of it. One that names names is none of a blinded edition.
func (p *publication) readChanges() (x indexChange, err error) {
	f, err := p.root.Open(changesJSON)
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
