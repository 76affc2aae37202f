package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/nonudify/nonudify/plugin/directive"
	"github.com/nonudify/nonudify/plugin/helpline"
	"github.com/nonudify/nonudify/plugin/sinkhole"
)

// The directories of the files.
const (
	dirBlocked = "blocked" // in the place of a blocked site
	dirHelp    = "help"    // at the operator's own address
)

// write writes the page as files.
func (c *pageFlags) write(e *env, config *directive.Config) (int, error) {
	own, err := config.ReadHelplines(e.now())
	if err != nil {
		return wrong, err
	}
	p, err := config.NewPage(own, e.now)
	if err != nil {
		return wrong, err
	}
	files, until := c.pages(p, config)
	if err := c.addSettings(files, p, config); err != nil {
		return wrong, err
	}
	if err := c.save(e, files); err != nil {
		return wrong, err
	}
	c.tellNumbers(e, config, helpline.Builtin().With(own).Due(e.now()), until)
	return fine, nil
}

// tellNumbers says until when the numbers in the files are good, and which are
// missing there. due are the entries whose number is not shown any more, the
// operator's first.
func (c *pageFlags) tellNumbers(e *env, config *directive.Config, due []helpline.Entry, until time.Time) {
	for _, entry := range due {
		if entry.Local {
			e.note("warning: %s: the number is no longer shown since %s: check it, and write down the day", entry.Source, entry.Expires().Format(time.DateOnly))
		}
	}
	countries := config.Page.Countries
	if len(countries) == 0 {
		e.note("no country is given: the files show no country's phone numbers, not even emergency numbers; give %s", c.flagOr("country"))
	}
	meant := func(entry helpline.Entry) bool { return slices.Contains(countries, entry.Country) }
	switch {
	case !until.IsZero():
		e.note("the phone numbers are good until %s: have the files written again before that day", until.Format(time.DateOnly))
	case slices.ContainsFunc(due, meant):
		e.note("warning: no phone number is shown: those that are known were checked too long ago")
	case len(countries) > 0:
		e.note("warning: no phone number is shown: none is known")
	}
}

// flagOr returns how a property is given: by a flag, or in the Corefile.
func (c *pageFlags) flagOr(property string) string {
	if c.conf != "" {
		return "'" + property + "' in " + c.conf
	}
	return "-" + property
}

// pages returns the page by the names of its files below the directory, and the
// day from which on one of the numbers in them must not be shown any more; zero when
// there is none.
func (c *pageFlags) pages(p *sinkhole.Page, config *directive.Config) (files map[string][]byte, until time.Time) {
	files = make(map[string][]byte)
	add := func(dir string, own bool) {
		pages, good := p.Static(config.Reason, own)
		for name, html := range pages {
			files[filepath.Join(dir, name)] = append(slices.Clip(html), freshness(good)...)
		}
		until = good // the numbers are the same in both directories
	}
	if !c.own {
		add(dirBlocked, false)
		files[filepath.Join(dirBlocked, nothing)] = nil
	}
	if c.own || config.Page.Help != nil {
		add(dirHelp, true)
	}
	return files, until
}

// freshness returns a comment that tells whoever looks after the files until
// when they may be shown.
func freshness(until time.Time) string {
	if until.IsZero() {
		return "<!-- Written by nonudify page. No phone number is on it. -->\n"
	}
	return fmt.Sprintf("<!-- Written by nonudify page. Its phone numbers are good until %s: write it again before that day. -->\n", until.Format(time.DateOnly))
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
