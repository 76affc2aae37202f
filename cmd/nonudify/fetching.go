package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/nonudify/nonudify/plugin/feed"
	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/source"
)

// noTime is the time of modification of what has none.
var noTime time.Time

// What has become of a list.
const (
	resultNew       = "new"
	resultUnchanged = "unchanged"
	resultRefused   = "refused"
	resultFailed    = "failed" // it could not be had
	resultLocked    = "locked" // a server keeps it
)

// fetched is what fetch says of one list. The package documentation describes
// its JSON form, which must stay as it is.
type fetched struct {
	Result  string      `json:"result"`
	Cause   feed.Result `json:"cause,omitempty"`
	Key     string      `json:"key,omitempty"`
	Comment string      `json:"comment,omitempty"`
	Saved   []string    `json:"saved,omitempty"`
	*report

	err error
}

// code returns the exit code.
func (r *fetched) code() int {
	if !r.Taken || r.expired {
		return finding
	}
	return fine
}

// fetching is a feed that is watched while it has its rounds.
type fetching struct {
	*feed.Feed
	now    func() time.Time
	from   string     // the mirror that was asked last
	report *report    // of what is being read
	list   *feed.List // the edition that is there
	good   *report    // of that one
}

// newFetching returns the feed of a configuration, which it changes.
func newFetching(e *env, c feed.Config) *fetching {
	x := &fetching{now: e.now}
	c.Load.Refused = func(err *rule.LineError) { x.report.refuse(err) }
	c.Load.Seen = func(r rule.Rule, line int, comment func() string, refused error) {
		x.report.see(r, line, comment, refused)
	}
	for i, m := range c.Mirrors {
		c.Mirrors[i].Opener = begun{metered{m.Opener, e.bar, m.Name}, func() { x.begin(m.Name) }}
	}
	x.Feed = feed.NewFeed(c)
	return x
}

// begun is an opener that says when it is asked.
type begun struct {
	feed.Opener
	begin func()
}

func (b begun) Open(ctx context.Context, have source.Version) (source.Body, error) {
	b.begin()
	return b.Opener.Open(ctx, have)
}

// maxFetchedLines is the number of refused lines that fetch keeps.
const maxFetchedLines = 20

// begin begins the report on what a mirror has.
func (x *fetching) begin(from string) {
	x.from = from
	x.report = &report{File: from, max: maxFetchedLines}
}

// restore makes the copy the edition that is there.
func (x *fetching) restore() error {
	x.begin(x.Load.File)
	l, _, err := x.Restore()
	if err == nil && l != nil {
		x.took(l)
	}
	return err
}

// took notes the edition that is there now.
func (x *fetching) took(l *feed.List) {
	x.list, x.good = l, x.report
	x.good.fill(l, nil)
	x.good.judge(x.now())
}

// round asks the mirrors once. The error says that there was none.
func (x *fetching) round(ctx context.Context) (*fetched, error) {
	l, err := x.Fetch(ctx)
	switch {
	case ctx.Err() != nil:
		return nil, errInterrupted
	case err == nil:
		x.took(l)
		return x.taken(resultNew), nil
	case errors.Is(err, source.ErrNotModified):
		x.good.File = x.from
		return x.taken(resultUnchanged), nil
	}
	r := &fetched{Result: resultOf(err), Cause: feed.ResultOf(err), err: err}
	r.report = &report{File: x.Load.File, Error: strings.ReplaceAll(printableLines(err.Error()), "\n", "; ")}
	return r, nil
}

// unreached are the causes that say nothing of a list: it was not there.
var unreached = map[feed.Result]bool{
	feed.CauseNetwork: true, feed.CauseTimeout: true, feed.CauseTLS: true, feed.CauseClock: true,
	feed.CauseStatus: true, feed.CauseRedirect: true, feed.CauseTransfer: true, feed.CauseFile: true,
}

// resultOf tells a list that was refused from one that could not be had.
func resultOf(err error) string {
	if unreached[feed.ResultOf(err)] {
		return resultFailed
	}
	return resultRefused
}

// taken returns the result of a round that was fine.
func (x *fetching) taken(result string) *fetched {
	r := &fetched{Result: result, report: x.good}
	if s := x.list.Signature; s != nil {
		r.Key = fmt.Sprintf("%016X", s.KeyID)
		r.Comment = printable(strings.ReplaceAll(s.Comment, "\t", " "))
	}
	return r
}

// print writes the result for a person.
func (r *fetched) print(w io.Writer) {
	fmt.Fprintf(w, "%s: %s\n", r.File, r.headline())
	if !r.Taken {
		field(w, "cause", "%s", r.Cause)
		for line := range strings.Lines(printableLines(r.err.Error())) {
			field(w, "", "%s", strings.TrimSuffix(line, "\n"))
		}
		if errors.Is(r.err, feed.ErrShrunk) {
			field(w, "", "if that is right: -shrink PERCENT, or -shrink off")
		}
		return
	}
	r.details(w)
	if r.Key != "" {
		field(w, "signed by", "%s", r.Key)
		field(w, "comment", "%s", r.Comment)
	}
	for _, name := range r.Saved {
		field(w, "written", "%s", name)
	}
}

func (r *fetched) headline() string {
	switch {
	case r.Result == resultNew && len(r.Saved) == 0:
		return "good"
	case r.Result == resultFailed:
		return "could not be had"
	}
	return r.Result
}
