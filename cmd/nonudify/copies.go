package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nonudify/nonudify/plugin/directive"
	"github.com/nonudify/nonudify/plugin/feed"
	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/source"
)

// copied is the copy of a list as a source. Reading it takes no lock and makes no
// file: the server that the copy is for may be running, as another user.
type copied struct {
	*source.Copy
	meta source.Meta // of the copy that was opened last
}

// Open returns what the copy holds.
func (c *copied) Open(context.Context, source.Version) (source.Body, error) {
	saved, err := c.Load()
	if err != nil {
		return source.Body{}, err
	}
	c.meta = saved.Meta
	body := struct {
		io.Reader
		io.Closer
	}{saved.Reader(), saved}
	return source.Body{ReadCloser: body, Modified: saved.Modified, Timers: saved.Timers}, nil
}

// signature returns the one that is kept with the copy.
func (c *copied) signature(context.Context) ([]byte, error) { return c.meta.Signature, nil }

// expiry returns since when a zone is too old, which depends on when its primary
// was asked last.
func (c *copied) expiry(l *feed.List, now time.Time) error {
	at := c.meta.Fetched.Add(c.meta.Timers.Expire)
	if !l.Header.Expires.IsZero() || c.meta.Timers.Expire == 0 || now.Before(at) {
		return nil
	}
	return fmt.Errorf("%w: since %s", feed.ErrExpired, at.UTC().Format(time.DateTime))
}

// reading is a feed that is read as a server reads it when it starts: the copy
// first, then, if it is a file, what it is a copy of.
type reading struct {
	*feed.Feed
	e     *edition
	rules *[]foundRule // of what is being read
	own   []feed.Mirror
	kept  *copied // nil: no copy is kept
}

// load reads what a feed holds. The error is for a file that neither itself nor
// its copy can be used.
func (l *loader) load(ctx context.Context, f directive.Feed, e *edition) error {
	r := l.reading(f.Config, e)
	if f.Remote {
		r.remote(ctx, l.now())
		return nil
	}
	return r.file(ctx)
}

// reading returns the feed of a configuration. Its mirrors are those of the copy, if
// there is one.
func (l *loader) reading(c feed.Config, e *edition) *reading {
	r := &reading{e: e, own: c.Mirrors}
	file := c.Load.File
	var found see
	watched := func(o feed.Opener) feed.Opener {
		return begun{metered{o, l.bar, file}, func() {
			r.rules = new([]foundRule)
			found = l.finder(file, r.rules)
		}}
	}
	c.Load.Seen = func(x rule.Rule, line int, comment func() string, refused error) { found(x, line, comment, refused) }
	c.Load.Unblind = l.unblinder()
	for i, m := range r.own {
		r.own[i].Opener = watched(m.Opener)
	}
	c.Mirrors = nil
	if c.Copy != nil {
		r.kept = &copied{Copy: c.Copy}
		c.Mirrors = []feed.Mirror{{Name: "the copy on disk", Opener: watched(r.kept), Signature: r.kept.signature}}
	}
	c.Copy = nil // it is only read
	r.Feed = feed.NewFeed(c)
	return r
}

// take reads what the mirrors have. What was read last stays if that is nothing
// that can be used.
func (r *reading) take(ctx context.Context) error {
	list, err := r.Fetch(ctx)
	switch {
	case errors.Is(err, source.ErrNotModified):
		return nil
	case err != nil:
		return err
	}
	r.e.list, r.e.rules = list, *r.rules
	return nil
}

// remote reads the copy of a list that comes over the network.
func (r *reading) remote(ctx context.Context, now time.Time) {
	if r.kept == nil {
		r.e.missing = "the directive names no directory for copies ('state DIR')"
		return
	}
	switch err := r.take(ctx); {
	case errors.Is(err, source.ErrNoCopy):
		r.e.missing = "no copy in " + r.kept.Dir
	case err != nil:
		r.e.missing = "the copy cannot be used: " + printable(err.Error())
	default:
		r.warn(r.Warning())
		r.warn(r.kept.expiry(r.e.list, now))
	}
}

// file reads a file, whose copy a server falls back on.
func (r *reading) file(ctx context.Context) error {
	if r.kept != nil {
		if err := r.take(ctx); err != nil && !errors.Is(err, source.ErrNoCopy) {
			r.warn(fmt.Errorf("the copy cannot be used: %w", err))
		}
	}
	r.Mirrors = r.own
	err := r.take(ctx)
	if r.e.list == nil {
		return err
	}
	if err != nil {
		err = fmt.Errorf("the copy on disk stands in for the file: %w", err)
	}
	r.warn(err)
	r.warn(r.Warning())
	return nil
}

func (r *reading) warn(err error) {
	if err != nil {
		r.e.warnings = append(r.e.warnings, printable(err.Error()))
	}
}
