package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// indexSchema names the form of index.json. It changes when a reader of the one before
// would misunderstand it, and not for fields that are added.
const indexSchema = "nudify-list-index/1"

// index is what programs read of an edition.
type index struct {
	Schema       string      `json:"schema"`
	Title        string      `json:"title"`
	ID           string      `json:"id"` // List-ID
	Serial       uint32      `json:"serial"`
	Issued       time.Time   `json:"issued"`
	Expires      time.Time   `json:"expires"`
	Entries      int         `json:"entries"` // distinct names
	Blinded      bool        `json:"blinded"` // the list is published blinded only
	Homepage     string      `json:"homepage,omitempty"`
	Appeals      string      `json:"appeals"`
	License      string      `json:"license,omitempty"`
	Organization string      `json:"organization,omitempty"` // who decides
	Policy       string      `json:"policy,omitempty"`
	URL          string      `json:"url"`  // of the directory; the names of files are relative to it
	Main         string      `json:"main"` // the file that says the most of the list, for this project's resolver
	Key          indexKey    `json:"key"`
	Changes      indexChange `json:"changes"`
	Files        []published `json:"files"`
}

// indexKey is the key that has signed all files.
type indexKey struct {
	ID     string `json:"id"`     // 16 hexadecimal digits
	Public string `json:"public"` // as in a Corefile
	File   string `json:"file"`
}

// indexChange is what has changed since the edition before.
type indexChange struct {
	Since   uint32 `json:"since,omitempty"` // its serial
	Summary string `json:"summary"`
	Text    string `json:"text"` // the files that tell more
	JSON    string `json:"json"`
}

// newIndex returns the index of an edition.
func (p *publication) newIndex() *index {
	h := p.header
	x := &index{
		Schema: indexSchema, Title: h.Title, ID: h.ID, Serial: h.Serial, Issued: h.Issued, Expires: h.Expires, Entries: p.source.Set.Len(),
		Blinded: p.blinded, Homepage: h.Homepage, Appeals: h.Appeals, License: h.License, Organization: p.organization, Policy: p.policy, URL: p.url, Main: p.mainName(),
		Key:     indexKey{ID: fmt.Sprintf("%016X", p.secret.ID()), Public: fmt.Sprint(p.secret.Public()), File: pubName},
		Changes: p.change,
		Files:   p.files,
	}
	if x.Title == "" {
		x.Title = h.ID
	}
	return x
}

// indexes writes the indexes, the sums, and the signatures that are still missing.
func (p *publication) indexes(ctx context.Context) error {
	p.index = p.newIndex()
	var text, page bytes.Buffer
	if err := errors.Join(writeJSON(&text, p.index), writeIndexPage(&page, p.index)); err != nil {
		return err
	}
	if err := errors.Join(p.stage(indexJSON, text.Bytes()), p.stage(indexHTML, page.Bytes())); err != nil {
		return err
	}
	all := slices.Clone(p.files)
	for _, name := range []string{changesText, changesJSON, indexJSON, indexHTML, pubName} {
		f := published{Name: name}
		if err := p.seal(&f); err != nil {
			return err
		}
		all = append(all, f)
	}
	if ctx.Err() != nil {
		return errStopped
	}
	if err := p.stage(sumsName, sums(all)); err != nil {
		return err
	}
	return p.seal(&published{Name: sumsName})
}

// sums returns the sums of files, as the program sha256sum reads them.
func sums(files []published) []byte {
	var text bytes.Buffer
	for _, f := range slices.SortedFunc(slices.Values(files), func(a, b published) int { return strings.Compare(a.Name, b.Name) }) {
		fmt.Fprintf(&text, "%s  %s\n", f.SHA256, f.Name)
	}
	return text.Bytes()
}
