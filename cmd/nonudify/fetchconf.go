package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/nonudify/nonudify/plugin/directive"
	"github.com/nonudify/nonudify/plugin/feed"
	"github.com/nonudify/nonudify/plugin/source"
)

// kept is what fetch says of one list of a Corefile. The package documentation
// describes its JSON form, which must stay as it is.
type kept struct {
	List    string      `json:"list"`
	Source  string      `json:"source"`
	Server  string      `json:"server"`
	Result  string      `json:"result"`
	Cause   feed.Result `json:"cause,omitempty"`
	Error   string      `json:"error,omitempty"`
	Warning string      `json:"warning,omitempty"`
	Rules   int         `json:"rules,omitempty"`
	Serial  uint32      `json:"serial,omitempty"`
	Key     string      `json:"key,omitempty"`
	Copy    string      `json:"copy,omitempty"`

	bad bool
}

// all fetches the lists of a Corefile, each once however many server blocks
// name it.
func (c *fetchFlags) all(ctx context.Context, e *env) (int, error) {
	servers, err := readCorefile(e, c.conf)
	if err != nil {
		return wrong, err
	}
	code, seen := fine, map[string]bool{}
	for _, s := range servers {
		feeds, err := s.config.Feeds()
		if err != nil {
			return wrong, err
		}
		for _, f := range feeds {
			if !f.Remote || seen[f.Key] {
				continue
			}
			seen[f.Key] = true
			one, err := c.keep(ctx, e, s, f)
			if err != nil {
				return wrong, err
			}
			code = max(code, one)
		}
	}
	if len(seen) == 0 {
		e.note("%s: no list comes over the network", c.conf)
	}
	return code, nil
}

// keep fetches one list into its state directory and says what came of it. The
// error says that the program was asked to end.
func (c *fetchFlags) keep(ctx context.Context, e *env, s server, f directive.Feed) (int, error) {
	k := &kept{List: f.List, Source: f.Config.Load.File, Server: s.label()}
	switch {
	case f.Config.Copy == nil:
		k.fail("", "there is no directory to keep it in: 'state DIR' in the directive names one")
	default:
		k.Copy = f.Config.Copy.Path()
		if err := e.inState(f.Config.Copy.Dir, func() error { return k.round(ctx, e, f.Config) }); err != nil {
			return wrong, err
		}
	}
	code := fine
	if k.bad {
		code = finding
	}
	e.bar.clear()
	if c.json {
		return code, newLines(e.stdout).Encode(k)
	}
	_, err := fmt.Fprintln(e.stdout, k)
	return code, err
}

// fail notes that the list could not be had.
func (k *kept) fail(cause feed.Result, why string) {
	k.Result, k.Cause, k.Error, k.bad = resultFailed, cause, why, true
}

// round does what a server does when it starts: it takes the copy, and asks the
// mirrors for what is newer.
func (k *kept) round(ctx context.Context, e *env, config feed.Config) error {
	if err := config.Copy.Lock(); errors.Is(err, source.ErrLocked) {
		k.locked(config.Copy)
		return nil
	} else if err != nil {
		k.fail("not_saved", err.Error())
		return nil
	}
	x := newFetching(e, config)
	defer x.Close()
	if err := x.restore(); err != nil {
		k.warn(fmt.Errorf("the copy is not used: %w", err))
	}
	r, err := x.round(ctx)
	if err != nil {
		return err
	}
	k.Result, k.Cause, k.Error, k.Key = r.Result, r.Cause, r.Error, r.Key
	k.Rules, k.Serial, k.bad = r.Rules, r.Header.Serial, !r.Taken
	if w := x.Warning(); errors.Is(w, feed.ErrNotSaved) {
		k.fail(feed.ResultOf(w), printableLines(w.Error()))
	} else if w != nil {
		k.warn(w)
		k.bad = true
	}
	return nil
}

// locked notes that a server keeps the copy. If there is one, all is well.
func (k *kept) locked(c *source.Copy) {
	k.Result = resultLocked
	saved, err := c.Load()
	if err != nil {
		k.bad, k.Error = true, err.Error()
		return
	}
	saved.Close()
	k.Rules, k.Serial = saved.Entries, saved.Serial
}

func (k *kept) warn(err error) {
	if k.Warning != "" {
		k.Warning += "; "
	}
	k.Warning += strings.ReplaceAll(printableLines(err.Error()), "\n", "; ")
}

// String returns the line for a person.
func (k *kept) String() string {
	line := k.List + ": " + k.outcome()
	if k.Warning != "" {
		line += "; warning: " + k.Warning
	}
	return line
}

func (k *kept) outcome() string {
	var what string
	switch k.Result {
	case resultFailed:
		what = "could not be had"
	case resultLocked:
		what = "left to the server that is running and keeps it fresh"
	default:
		what = k.Result
	}
	if k.Cause != "" {
		what += ", " + string(k.Cause)
	}
	if k.Error != "" {
		what += ": " + k.Error
	}
	if k.Cause == "shrunk" {
		what += "; see 'nonudify approve'"
	}
	if k.Rules > 0 {
		what += fmt.Sprintf(", %d rules", k.Rules)
	}
	if k.Serial > 0 {
		what += fmt.Sprintf(", serial %d", k.Serial)
	}
	if k.Key != "" {
		what += ", signed by " + k.Key
	}
	return what
}

// inState does something in a state directory, as the user that it belongs to. A
// directory that it makes belongs to whoever runs the tool, who is told so.
func (e *env) inState(dir string, do func() error) error {
	_, err := os.Stat(dir)
	made := errors.Is(err, os.ErrNotExist)
	if err := asOwner(dir, do); err != nil {
		return err
	}
	if _, err := os.Stat(dir); err == nil && made {
		e.note("made %s, which must belong to the user that the server runs as", dir)
	}
	return nil
}
