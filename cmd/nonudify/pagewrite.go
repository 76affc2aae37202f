package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/text/language"

	"github.com/nonudify/nonudify/plugin/directive"
	"github.com/nonudify/nonudify/plugin/helpline"
	"github.com/nonudify/nonudify/plugin/sinkhole"
	"github.com/nonudify/nonudify/plugin/sinkhole/message"
)

// The directories of the files.
const (
	dirBlocked = "blocked" // in the place of a blocked site
	dirHelp    = "help"    // at the operator's own address
)

// write writes the page as files.
func (c *pageFlags) write(e *env, config *directive.Config) (int, error) {
	p, err := config.NewPage(e.now)
	if err != nil {
		return wrong, err
	}
	until, err := expiry(config, e.now())
	if err != nil {
		return wrong, err
	}
	files := c.pages(p, config, until)
	if err := c.addSettings(files, p, config); err != nil {
		return wrong, err
	}
	if err := c.save(e, files); err != nil {
		return wrong, err
	}
	if until.IsZero() {
		e.note("warning: no phone number is shown: those that are known were checked too long ago")
	} else {
		e.note("the phone numbers are good until %s: have the files written again before that day", until.Format(time.DateOnly))
	}
	return fine, nil
}

// pages returns the page by the names of its files below the directory.
func (c *pageFlags) pages(p *sinkhole.Page, config *directive.Config, until time.Time) map[string][]byte {
	files := make(map[string][]byte)
	add := func(dir string, own bool) {
		for name, html := range p.Static(config.Reason, own) {
			files[filepath.Join(dir, name)] = append(slices.Clip(html), freshness(until)...)
		}
	}
	if !c.own {
		add(dirBlocked, false)
		files[filepath.Join(dirBlocked, nothing)] = nil
	}
	if c.own || config.Page.Help != nil {
		add(dirHelp, true)
	}
	return files
}

// freshness returns a comment that tells whoever looks after the files until
// when they may be shown.
func freshness(until time.Time) string {
	if until.IsZero() {
		return "<!-- Written by nonudify page. No phone number is on it. -->\n"
	}
	return fmt.Sprintf("<!-- Written by nonudify page. Its phone numbers are good until %s: write it again before that day. -->\n", until.Format(time.DateOnly))
}

// expiry returns the day from which on one of the numbers in the files must not
// be shown any more; zero when there is none in them.
func expiry(config *directive.Config, now time.Time) (until time.Time, err error) {
	d, err := directoryOf(config, now)
	if err != nil {
		return until, err
	}
	for _, code := range shownCountries(d, config) {
		c := d.Country(code, now)
		for _, entry := range slices.Concat(c.Emergency, c.Child, c.Carers, c.Hotlines, c.Removal.Under18, c.Removal.Adults,
			c.Behaviour.Under18, c.Behaviour.Adults, c.Centres, c.Directories) {
			if at := entry.Expires(); !at.IsZero() && (until.IsZero() || at.Before(until)) {
				until = at
			}
		}
	}
	return until, nil
}

// shownCountries returns the countries whose helplines are in the files: those
// that the operator has named, or else those that the languages point to.
func shownCountries(d *helpline.Directory, config *directive.Config) []string {
	if len(config.Page.Countries) > 0 {
		return config.Page.Countries
	}
	var codes []string
	for _, l := range message.Languages() {
		codes = append(codes, d.Guess([]language.Tag{l.Tag}))
	}
	return codes
}

// directoryOf returns the helplines of the page.
func directoryOf(config *directive.Config, now time.Time) (*helpline.Directory, error) {
	d := helpline.Builtin()
	for _, path := range config.Page.Helplines {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		changes, err := helpline.Parse(f, path, now)
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
		d = d.With(changes)
	}
	return d, nil
}

// save writes files and names them on the standard output. All are complete and
// on disk before the first gets its name: a full disk leaves what was there.
func (c *pageFlags) save(e *env, files map[string][]byte) error {
	names := slices.Sorted(maps.Keys(files))
	for _, name := range names {
		if err := os.MkdirAll(filepath.Join(c.out, filepath.Dir(name)), 0o755); err != nil {
			return err
		}
	}
	var drafts []*draft
	defer func() {
		for _, d := range drafts {
			d.drop()
		}
	}()
	for _, name := range names {
		d, err := newDraft(filepath.Join(c.out, name), files[name], 0o644)
		if err != nil {
			return err
		}
		drafts = append(drafts, d)
	}
	for _, d := range drafts {
		if err := d.replace(); err != nil {
			return err
		}
		fmt.Fprintln(e.stdout, d.name)
	}
	return nil
}
