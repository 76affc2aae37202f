package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/nonudify/nonudify/plugin/feed"
)

// examine reads a list and returns what is wrong with it as one that is to be
// signed. The error is for a list that could not be read.
func examine(r io.Reader, modified time.Time, name string, now time.Time) (*feed.List, []string, error) {
	l, err := loadGuarded(r, modified, feed.LoadConfig{File: name})
	switch {
	case l == nil:
		return nil, nil, err
	case err != nil:
		return l, []string{"would be refused: " + strings.TrimPrefix(err.Error(), name+": ")}, nil
	}
	return l, append(missing(l), contradictions(l, now)...), nil
}

// missing returns what a header lacks. Without it nobody can tell one signed
// list from another.
func missing(l *feed.List) (faults []string) {
	h := l.Header
	for _, f := range []struct {
		there  bool
		field  string
		reason string
	}{
		{h.ID != "", "List-ID", "another list could be put in its place"},
		{h.Serial != 0, "Serial", "an older edition could be put in its place"},
		{!h.Issued.IsZero(), "Issued", "nobody can tell how old it is"},
		{!h.Expires.IsZero(), "Expires", "nobody can tell when it is too old"},
		{h.Entries != 0, "Entries", "nobody can tell whether some are missing"},
	} {
		if !f.there {
			faults = append(faults, fmt.Sprintf("no %s in the header: %s", f.field, f.reason))
		}
	}
	return faults
}

// clockSkew is by how much the clocks of publisher and reader may differ.
const clockSkew = 5 * time.Minute

// contradictions returns what in a header cannot be true.
func contradictions(l *feed.List, now time.Time) (faults []string) {
	h := l.Header
	r := report{Rules: l.Stats.Rules, Refused: l.Stats.Refused, names: l.Set.Len()}
	if h.Issued.After(now.Add(clockSkew)) {
		faults = append(faults, fmt.Sprintf("issued on %s, which is still to come if the clock is right", h.Issued.Format(time.RFC3339)))
	}
	switch {
	case h.Expires.IsZero():
	case h.Expires.Before(h.Issued):
		faults = append(faults, "expires before it is issued")
	case now.After(h.Expires):
		faults = append(faults, "expired on "+h.Expires.Format(time.RFC3339))
	}
	if h.Entries != 0 && !r.explains(h.Entries) {
		faults = append(faults, fmt.Sprintf("the header counts %d entries, the file holds %d", h.Entries, r.Rules+r.Refused))
	}
	return faults
}

// printFindings writes what is wrong, a line each.
func printFindings(w io.Writer, findings []string) {
	for _, f := range findings {
		field(w, "finding", "%s", f)
	}
}
