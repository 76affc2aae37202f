package nonudify

import (
	"context"
	"net/netip"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/feed"
	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/totals"
)

// dailyTotals are shared by all directives with the same state directory.
var dailyTotals = totals.Pool{Report: func(err error) { log.Warningf("Daily totals: %v", err) }}

// openTotals begins to keep daily totals, if that was asked for.
func (n *NoNudify) openTotals() {
	if n.config.Totals {
		n.totals = dailyTotals.Acquire(n.config.State)
		n.sources.totals = n.totals
	}
}

// total counts a query for the daily totals: one that was denied, or would have been.
func (n *NoNudify) total(action string, v policy.Verdict, client netip.Addr) {
	if n.totals != nil && v.Blocked() {
		n.totals.Count(totals.Key{List: v.List, Reason: v.Reason.String(), Action: action}, client)
	}
}

// totalOf is total for a query that came to the server.
func (n *NoNudify) totalOf(ctx context.Context, w dns.ResponseWriter, action string, v policy.Verdict) {
	if n.totals != nil {
		n.total(action, v, addressOf(ctx, w))
	}
}

// tellEditions has the daily totals know which editions are in force, nil where there is
// none yet. The operator's own files are no editions of anything.
func (n *NoNudify) tellEditions(editions []*feed.List) {
	if n.totals == nil {
		return
	}
	var inForce []*totals.Edition
	for i, l := range editions[:len(n.config.Lists)] {
		if l != nil {
			inForce = append(inForce, &totals.Edition{List: n.config.Lists[i].Name, ID: l.Header.ID, Serial: l.Serial})
		}
	}
	n.totals.InForce(inForce)
}
