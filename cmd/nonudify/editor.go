package main

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/likeness"
	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/provenance"
	"github.com/nonudify/nonudify/plugin/rule"
)

// The periods of the editorial policy, docs/editorial-policy.md.
const (
	reviewEvery  = 90 * 24 * time.Hour
	appealWithin = 14 * 24 * time.Hour
	staleAfter   = 365 * 24 * time.Hour // no source has held it since
)

// Limits of what an editor holds of a list.
const (
	sourceHead = 1000    // entries among which one must name its sources for a list to be a source
	maxHeld    = 1 << 18 // entries that are compared with one another
)

// editor reads a list as the person who answers for each entry of it.
type editor struct {
	now    time.Time
	demand bool // every list is a source
	famous *famous
	report func(issue)

	source   bool // this one is
	decided  bool
	late     bool     // that it is not was wrong
	pending  []listed // while it is not decided
	line     map[dnsname.Name]int
	entries  int
	known    int                  // entries with provenance
	unviewed int                  // entries without a review of their own
	over     bool                 // more entries than maxHeld
	covers   map[dnsname.Name]int // entries above names that must not be listed, and their lines
	passed   exceptions
}

// listed is one entry.
type listed struct {
	name    dnsname.Name
	line    int
	comment string
	alone   bool // what is below it is not blocked
}

// see is told of each rule that the resolver would use.
func (d *editor) see(r rule.Rule, line int, comment func() string, refused error) {
	if refused == nil && r.Action == rule.Pass {
		d.passed.add(r.Name, d.famous)
	}
	if refused != nil || r.Action != rule.Block || r.Name == "" || d.late {
		return
	}
	x := listed{r.Name, line, comment(), r.Trigger == rule.Exact}
	sourced := provenance.Is(x.comment) && strings.Contains(x.comment, "sources=")
	switch {
	case d.source:
		d.entry(x)
	case !d.decided:
		d.pending = append(d.pending, x)
		d.decide(d.demand || sourced, len(d.pending) == sourceHead)
	case sourced:
		d.late = true
		d.report(issue{x.line, x.name, "late-source", isError, fmt.Sprintf("names its sources, and none of the first %d entries does: -provenance tells what they lack", sourceHead)})
	}
}

// decide settles whether a list is a source once that is certain.
func (d *editor) decide(source, last bool) {
	if d.decided || !source && !last {
		return
	}
	d.source, d.decided = source, true
	if source {
		for _, x := range d.pending {
			d.entry(x)
		}
	}
	d.pending = nil
}

// finish looks at the list as a whole.
func (d *editor) finish(h list.Header) {
	d.decide(d.demand, true)
	if !d.source {
		return
	}
	for _, name := range slices.SortedFunc(maps.Keys(d.line), func(a, b dnsname.Name) int { return d.line[a] - d.line[b] }) {
		if above := d.above(name); above != "" {
			d.report(issue{d.line[name], name, "covered", isWarning, fmt.Sprintf("is below %s of line %d, which blocks it already", above, d.line[above])})
		}
	}
	d.judgeCovers()
	if d.unviewed == 0 {
		return
	}
	switch text := count(d.unviewed, "entry has no review of its own", "entries have no review of their own"); {
	case h.Issued.IsZero():
		d.report(issue{Code: "no-review", Severity: isWarning, Text: text + ", and the header does not say when the list was issued"})
	case d.now.Sub(h.Issued) > reviewEvery:
		d.report(issue{Code: "review-due", Severity: isWarning, Text: fmt.Sprintf("%s, and the list was issued on %s", text, provenance.DayOf(h.Issued))})
	}
}

// above returns the listed name that a name is below.
func (d *editor) above(name dnsname.Name) dnsname.Name {
	for p, ok := name.Parent(); ok; p, ok = p.Parent() {
		if d.line[p] > 0 {
			return p
		}
	}
	return ""
}

// entry judges one entry.
func (d *editor) entry(x listed) {
	d.entries++
	say := func(s severity, code, format string, args ...any) {
		d.report(issue{x.line, x.name, code, s, fmt.Sprintf(format, args...)})
	}
	d.twice(x, say)
	d.famous.judge(x.name, say)
	d.cover(x)
	r, ok := d.record(x, say)
	if !ok {
		return
	}
	d.known++
	judgeSources(x.name, r, say)
	d.judgeDays(r, say)
	d.judgeAppeal(r.Appeal, say)
	if r.Category == "" {
		say(isHint, "no-category", "has no category")
	}
	if r.Confidence == "" {
		say(isHint, "no-confidence", "has no confidence")
	}
}

// sayer takes one issue about the entry at hand.
type sayer func(s severity, code, format string, args ...any)

// twice tells an entry that stands there already.
func (d *editor) twice(x listed, say sayer) {
	if first := d.line[x.name]; first > 0 {
		say(isError, "duplicate", "stands in line %d already", first)
		return
	}
	if d.line == nil {
		d.line = map[dnsname.Name]int{}
	}
	if d.over = d.over || len(d.line) == maxHeld; !d.over {
		d.line[x.name] = x.line
	}
}

// record reads what is known of an entry.
func (d *editor) record(x listed, say sayer) (provenance.Record, bool) {
	switch {
	case x.comment == "":
		say(isError, "no-provenance", "nothing says why it is there")
	case !provenance.Is(x.comment):
		say(isError, "remark", "its comment is no provenance; what it says can go into note=\"…\"")
	default:
		r, err := provenance.Parse(x.comment)
		if err != nil {
			say(isError, "provenance", "%s", printable(err.Error()))
		}
		return r, err == nil
	}
	return provenance.Record{}, false
}

// judgeSources looks at who says so.
func judgeSources(name dnsname.Name, r provenance.Record, say sayer) {
	publishers := map[string]bool{}
	for _, s := range r.Sources {
		publishers[publisher(s)] = true
		host := siteOf(s)
		if host == name || host.IsBelow(name) {
			say(isError, "link", "a source is a link to the listed site itself")
		}
		if isPrivate(s) {
			say(isError, "private", "a source is how to reach somebody, or how to log in somewhere, and sources are published: give it an id")
		}
	}
	switch {
	case len(publishers) == 0:
		say(isError, "no-source", "nobody is named who says so")
	case len(publishers) == 1 && r.Confidence == provenance.High:
		say(isWarning, "few-sources", "has high confidence and one source")
	case len(publishers) == 1:
		say(isHint, "few-sources", "has one source")
	}
}

// private is in a source that says how to reach a person, or that has a user or a
// password in a URL.
var private = regexp.MustCompile(`(?i)^(mailto|tel|sms|sips?|xmpp):|://[^/?#]*@|^\+[0-9][-./()0-9]{6,}$`)

// isPrivate reports whether a source is nobody's business but the editors'. What stands
// behind the "@" of an id is a copy, a day or a version for instance; if it is a domain,
// the source is an address of mail.
func isPrivate(source string) bool {
	if strings.Contains(source, "://") || private.MatchString(source) {
		return private.MatchString(source)
	}
	_, copied, _ := strings.Cut(source, "@")
	name, err := dnsname.Parse(copied)
	return err == nil && name.Labels() > 1
}

// siteOf returns the host of a source that is a URL, "" of an id.
func siteOf(source string) dnsname.Name {
	u, err := url.Parse(source)
	if err != nil || !strings.Contains(source, "://") {
		return ""
	}
	host, _ := dnsname.Parse(u.Hostname()) // "" for an address, which is nobody's site
	return host
}

// publisher tells sources of one publisher apart from others, as well as that can be
// told: by the domain that somebody registered in a URL, with or without its scheme, and
// by what stands before "@" in an id, in any letter case. An archive's copy of a page is
// a source of whoever wrote the page.
func publisher(source string) string {
	source = strings.ToLower(source)
	for _, inner := range []string{"/http://", "/https://"} {
		if i := strings.LastIndex(source, inner); i >= 0 {
			source = source[i+1:]
		}
	}
	_, where, isURL := strings.Cut(source, "://")
	if !isURL {
		where, _, _ = strings.Cut(source, "@")
	}
	u, err := url.Parse("//" + where)
	if err != nil {
		return where
	}
	host, _ := dnsname.Parse(u.Hostname())
	if label, suffix, ok := likeness.Registrable(host); ok {
		return label + "." + suffix
	}
	if isURL {
		return u.Hostname() // the address of a machine
	}
	return where
}

// judgeDays looks at the days of an entry. Where somebody is, it may be tomorrow.
func (d *editor) judgeDays(r provenance.Record, say sayer) {
	tomorrow := provenance.DayOf(d.now.Add(24 * time.Hour))
	for _, x := range []struct {
		key string
		day provenance.Day
	}{{"since", r.Since}, {"seen", r.Seen}, {"review", r.Review}, {"appeal", r.Appeal.Since}} {
		if x.day > tomorrow {
			say(isError, "future", "%s is %s, which is still to come", x.key, x.day)
		}
	}
	if r.Since != "" && r.Seen != "" && r.Since > r.Seen {
		say(isError, "order", "was last seen on %s, before it was first seen on %s", r.Seen, r.Since)
	}
	if r.Seen != "" && d.now.Sub(r.Seen.Start()) > staleAfter {
		say(isHint, "stale", "no source has held it since %s", r.Seen)
	}
	switch {
	case r.Review == "":
		d.unviewed++
	case d.now.Sub(r.Review.Start()) > reviewEvery:
		say(isWarning, "review-due", "was reviewed on %s, more than 90 days ago", r.Review)
	}
}

func (d *editor) judgeAppeal(a provenance.Appeal, say sayer) {
	switch {
	case a.State == provenance.Upheld:
		say(isError, "appeal-upheld", "its owner was right on %s, and it is still listed", a.Since)
	case a.State == provenance.Open && d.now.Sub(a.Since.Start()) > appealWithin:
		say(isWarning, "appeal-due", "an appeal is open since %s, more than 14 days", a.Since)
	case a.State == provenance.Open:
		say(isHint, "appeal-open", "an appeal is open since %s", a.Since)
	}
}
