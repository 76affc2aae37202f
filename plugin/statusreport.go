package nonudify

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/coredns/caddy"
	dto "github.com/prometheus/client_model/go"

	"github.com/nonudify/nonudify/plugin/directive"
	"github.com/nonudify/nonudify/plugin/feed"
	"github.com/nonudify/nonudify/plugin/status"
)

// report returns what is known of the instance and of the process.
func (o *overview) report() status.Report {
	now := time.Now()
	r := status.Report{
		Version: strings.TrimSpace(caddy.AppName + " " + caddy.AppVersion), Started: processStart,
		Lists: []status.List{}, Servers: []status.Server{}, Verdicts: tally.Read(now),
		HelpPage: status.HelpPage{Addresses: []string{}, Requests: requestsOfPage()},
	}
	seen := map[any]bool{}
	for _, n := range o.all() {
		r.Servers = append(r.Servers, n.server())
		n.addLists(&r, seen, now)
		n.addRest(&r, seen)
	}
	return r
}

// requestsOfPage returns how many requests the help page has answered.
func requestsOfPage() uint64 {
	var m dto.Metric
	if pageRequests.Write(&m) != nil {
		return 0
	}
	return uint64(m.GetCounter().GetValue())
}

// server describes the server block of the handler.
func (n *NoNudify) server() status.Server {
	c := n.config
	s := status.Server{
		Names: n.place.labels, Zones: c.Zones, Ready: n.judges(), Action: c.Answer.Action.String(), Reason: c.Reason.String(),
		Clients: c.Clients.Args(), Except: c.Except.Args(), Organization: c.Answer.Organization, Contacts: c.Answer.Contacts, Loggers: n.place.loggers,
	}
	if c.Shadow {
		s.Action = "shadow"
	}
	if c.Page.Help != nil {
		s.Help = c.Page.Help.String()
	}
	for _, f := range n.sources.feeds {
		if !slices.Contains(s.Lists, f.List) {
			s.Lists = append(s.Lists, f.List)
		}
	}
	for _, b := range c.Bypass {
		s.Bypass = append(s.Bypass, b.String())
	}
	return s
}

// addLists adds the lists of the handler that are not there yet.
func (n *NoNudify) addLists(r *status.Report, seen map[any]bool, now time.Time) {
	for i, l := range n.sources.lists {
		if seen[l.Refresher] {
			continue
		}
		seen[l.Refresher] = true
		f := n.sources.feeds[i]
		entry := status.List{Name: f.List, Sources: n.sourcesOf(i), MustBe: len(f.Config.Keys) > 0, Remote: f.Remote}
		describeRounds(&entry, l.Refresher)
		describeEdition(&entry, l.Value(), now)
		counts := counterOf(f.List).Counts()
		entry.Filter = status.Filter{Negative: counts.Negative, Positive: counts.Positive, FalsePositive: counts.FalsePositive}
		r.Lists = append(r.Lists, entry)
	}
}

// sourcesOf returns where a feed of the handler comes from, without what may be
// secret in a URL.
func (n *NoNudify) sourcesOf(i int) (all []status.Source) {
	if i >= len(n.config.Lists) {
		return []status.Source{{Kind: "file", Place: n.sources.feeds[i].Config.Load.File}}
	}
	for _, s := range n.config.Lists[i].Sources {
		kind, place := directive.SourceKind(s)
		all = append(all, status.Source{Kind: kind, Place: place})
	}
	return all
}

// maxError bounds an error in the report, in bytes.
const maxError = 500

// describeRounds adds what the rounds of a list have come to.
func describeRounds(l *status.List, r *feed.Refresher[feed.List]) {
	s := r.Status()
	l.Tried, l.Success, l.Next, l.Expires = whole(s.Attempt), whole(s.Success), whole(r.Next()), whole(s.Expires)
	if s.Err != nil {
		l.Cause, l.Error = string(feed.ResultOf(s.Err)), fmt.Sprintf("%.*s", maxError, s.Err)
	}
	l.Unsaved, l.Unread = errors.Is(s.Warning, feed.ErrNotSaved), errors.Is(s.Warning, feed.ErrUnread)
}

// describeEdition adds what is known of the edition in use, which may be nil.
func describeEdition(l *status.List, e *feed.List, now time.Time) {
	if e == nil {
		return
	}
	l.Here, l.ID, l.Format, l.Serial = true, e.Header.ID, e.Format.String(), e.Serial
	l.Entries, l.Refused = e.Stats.Rules, e.Stats.Refused
	l.Issued, l.Age = whole(e.Issued()), int64(now.Sub(e.Issued())/time.Second)
	if e.Signature != nil {
		l.Signed, l.KeyID = true, fmt.Sprintf("%016X", e.Signature.KeyID)
	}
}

// whole returns a time as the report has it.
func whole(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC().Truncate(time.Second)
}

// addRest adds what there is beside lists: prefixes, zones, fronts, help pages and
// their authority.
func (n *NoNudify) addRest(r *status.Report, seen map[any]bool) {
	for i, p := range n.sources.prefixes {
		if !seen[p.Refresher] {
			seen[p.Refresher] = true
			r.Prefixes = append(r.Prefixes, prefixFile(n.sources.files[i], p))
		}
	}
	for _, z := range n.sources.zones {
		if !seen["zone "+z.Origin] {
			seen["zone "+z.Origin] = true
			s := z.Status()
			r.Zones = append(r.Zones, status.Zone{Origin: z.Origin, Serial: s.Serial, Records: s.Records, LeftOut: s.LeftOut, Unsaved: s.Unsaved})
		}
	}
	for _, p := range n.sources.pages {
		if at := p.Address().String(); !slices.Contains(r.HelpPage.Addresses, at) {
			r.HelpPage.Addresses = append(r.HelpPage.Addresses, at)
		}
	}
	if s := n.sources.secure; s != nil && s.authority != nil {
		r.CertEnds = earlier(r.CertEnds, whole(s.authority.Status().NotAfter))
	}
	for _, address := range n.place.fronts {
		if !seen["front "+address] {
			seen["front "+address] = true
			r.Fronts = append(r.Fronts, fronts.status(address))
		}
	}
}

func prefixFile(f directive.PrefixFile, p feed.Share[[]netip.Prefix]) status.PrefixFile {
	out := status.PrefixFile{File: f.Path}
	if held := p.Value(); held != nil {
		out.Prefixes = len(*held)
	}
	if err := p.Err(); err != nil {
		out.Error = fmt.Sprintf("%.*s", maxError, err)
	}
	return out
}

// status describes the front of a listener.
func (f *frontage) status(address string) status.Front {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := status.Front{Server: address}
	if d := f.open[address]; d != nil {
		s.Open, s.Steered = true, d.Steered()
		d.Tally()
	}
	if c := f.counters[address]; c != nil {
		dropped := c.Dropped.Load()
		s.Answered, s.Passed = c.Answered.Load(), max(c.Passed.Load(), dropped)-dropped
		s.Dropped = dropped + c.Overflowed.Load()
	}
	return s
}
