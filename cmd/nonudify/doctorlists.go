package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/nonudify/nonudify/plugin/builtin"
	"github.com/nonudify/nonudify/plugin/directive"
	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/source"
)

// How old a list may be before it is looked at twice.
const (
	expirySoon = 3 * 24 * time.Hour
	oldAge     = 90 * 24 * time.Hour
)

// lookAtLists looks at what the server would start with: files, and the copies of what
// comes over the network.
func (x *examination) lookAtLists(ctx context.Context) {
	l := &loader{bar: x.env.bar, now: x.env.now, want: map[dnsname.Name]bool{}, editions: map[string]*edition{}}
	for _, s := range x.servers {
		feeds, err := s.config.Feeds()
		if err != nil {
			x.wrong("list", "Mend it in the Corefile", "%v", err)
			continue
		}
		for _, f := range feeds {
			x.lookAtFeed(ctx, l, f)
		}
		if _, err := clientsOf(ctx, s.config); err != nil {
			x.wrong("clients", "Mend the file: the last good one goes on until the next start", "%v", err)
		}
	}
	x.lookAtHeld()
	if x.network {
		x.lookAtSources(ctx)
	}
}

// lookAtFeed looks at one list or file of names.
func (x *examination) lookAtFeed(ctx context.Context, l *loader, f directive.Feed) {
	ed, err := l.edition(ctx, f)
	switch {
	case err != nil:
		x.wrong("list", "Mend the file, or take the line out of the Corefile: 'nonudify lint FILE' says more", "%v", err)
	case ed.list == nil && f.Config.Copy == nil: // said of the state directory
	case ed.list == nil:
		x.wrong("list", fmt.Sprintf("'nonudify fetch -conf %s' fetches it, or says why not", x.conf), "%s is not there: %s", f.List, ed.missing)
	default:
		x.lookAtEdition(f, ed)
	}
}

// lookAtEdition looks at the age of a list.
func (x *examination) lookAtEdition(f directive.Feed, ed *edition) {
	now, name, h := x.env.now(), f.List, ed.list.Header
	remedy := fmt.Sprintf("'nonudify fetch -conf %s' says whether there is a newer one; if not, ask its publisher", x.conf)
	if f.Config.Load.File == builtin.Name {
		remedy = "Install a newer version of the program"
	}
	switch {
	case h.Issued.After(now.Add(time.Hour)) && now.Before(made()): // said of the clock
	case h.Issued.After(now.Add(time.Hour)):
		x.wrong("clock", "Look at the clock first, and then at the list", "list %s says that it was made at %s, which is yet to come", name, stamp(h.Issued))
	case !h.Expires.IsZero() && h.Expires.Before(now):
		x.wrong("list", remedy, "list %s has expired at %s, and goes on being used", name, stamp(h.Expires))
	case !h.Expires.IsZero() && h.Expires.Before(now.Add(expirySoon)):
		x.hint("list", remedy, "list %s expires at %s", name, stamp(h.Expires))
	case h.Expires.IsZero() && f.Remote && now.Sub(ed.list.Issued()) > oldAge:
		x.hint("list", remedy, "list %s is of %s", name, ed.list.Issued().Format(time.DateOnly))
	case len(ed.warnings) > 0:
		x.wrong("list", remedy, "list %s: %s", name, ed.warnings[0])
	default:
		x.fine("list", "%s has %s", name, count(ed.list.Set.Len(), "rule", "rules"))
	}
}

// lookAtHeld looks for editions that a server has not taken because they have shrunk.
func (x *examination) lookAtHeld() {
	configs := make([]*directive.Config, len(x.servers))
	for i, s := range x.servers {
		configs[i] = s.config
	}
	for _, dir := range stateOf(configs) {
		copies, err := source.HeldIn(dir)
		if err != nil {
			continue // said of the directory
		}
		editions, err := heldIn(copies)
		if err != nil {
			x.hint("list", "", "%v", err)
		}
		for _, h := range editions {
			if !h.Approved {
				x.wrong("list", fmt.Sprintf("Look at it with 'nonudify approve -state %s'", dir), "an edition of %s is held back: it has %d entries instead of %d", h.List, h.Entries, h.Before)
			}
		}
	}
}

// lookAtSources compares the clock with those of the servers that lists come from. Only
// -network does.
func (x *examination) lookAtSources(ctx context.Context) {
	asked := map[string]bool{}
	for _, s := range x.servers {
		for _, l := range s.config.Lists {
			for _, text := range l.Sources {
				u, err := url.Parse(text)
				if err != nil || u.Scheme != "https" && u.Scheme != "http" || asked[u.Host] {
					continue
				}
				asked[u.Host] = true
				x.lookAtSource(ctx, u)
			}
		}
	}
}

// lookAtSource asks one server for the time, and for nothing else.
func (x *examination) lookAtSource(ctx context.Context, u *url.URL) {
	ctx, cancel := context.WithTimeout(ctx, 2*x.patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, u.String(), nil)
	if err != nil {
		return // it was read a moment ago
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		x.wrong("source", "Look at the connection of this machine, its clock and its firewall; 'nonudify fetch' says more", "%s does not answer: %s", source.Redact(u.String()), redactError(err))
		return
	}
	response.Body.Close()
	there, err := http.ParseTime(response.Header.Get("Date"))
	if gap := x.env.now().Sub(there).Abs(); err == nil && gap > largestGap {
		x.wrong("clock", "Set the clock", "the clock differs by %v from that of %s", gap.Round(time.Minute), u.Host)
		return
	}
	x.fine("source", "%s answers", u.Host)
}

// redactError returns the error of a request without its URL, which may have a secret.
func redactError(err error) string {
	if e, ok := err.(*url.Error); ok {
		err = e.Err
	}
	return err.Error()
}
