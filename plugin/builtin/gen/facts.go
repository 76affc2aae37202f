package main

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/nonudify/nonudify/plugin/dnsname"
)

// Why a row of facts is refused.
var (
	errName       = errors.New("name is not in its canonical form")
	errTwice      = errors.New("stands in an earlier line too")
	errToken      = errors.New("holds a character other than a-z 0-9 . : / @ _ -")
	errKind       = errors.New("unknown kind of source")
	errDay        = errors.New("day is not of the form 2006-01-02, or from is after to")
	errConfidence = errors.New("confidence is neither high nor medium")
	errHigh       = errors.New("high confidence without two sources, one of which calls it a nudify tool")
	errNoSource   = errors.New("source is not in " + sourcesFile)
)

// kinds are what a source can be, and whether one of that kind says of a name
// that it is a nudify tool. The guide in docs/sources.md explains them.
var kinds = map[string]bool{
	"adult-list": false, "ai-list": false, "reputation": false, "request": false,
	"authority": true, "code": true, "directory": true, "nudify-list": true, "press": true, "promotion": true,
}

// source is where a fact comes from. A source that is known by a period and not
// by a day has that period's ends; both are empty where no day is known.
type source struct{ kind, from, to string }

// entry is one name of the list.
type entry struct {
	name       dnsname.Name
	confidence string
	sources    []string // ids, sorted
	since      string   // day, empty where no source has one
	seen       string   // day, empty where no source has one
}

// parseSources returns the sources by their ids.
func parseSources(text string) (map[string]source, error) {
	rows, err := parseTable(sourcesFile, text, "id", "kind", "from", "to", "what")
	if err != nil {
		return nil, err
	}
	sources := make(map[string]source, len(rows))
	for _, r := range rows {
		id, s := r.fields[0], source{r.fields[1], r.fields[2], r.fields[3]}
		_, known := kinds[s.kind]
		switch _, twice := sources[id]; {
		case twice:
			return nil, r.wrong(errTwice)
		case !isToken(id):
			return nil, r.wrong(errToken)
		case !known:
			return nil, r.wrong(errKind)
		case !s.valid():
			return nil, r.wrong(errDay)
		}
		sources[id] = s
	}
	return sources, nil
}

// valid reports whether s has two days in order, or none.
func (s source) valid() bool {
	if s.from == "" && s.to == "" {
		return true
	}
	return isDay(s.from) && isDay(s.to) && s.from <= s.to
}

// parseEntries returns the entries of the list, sorted by name.
func parseEntries(text string, sources map[string]source) ([]entry, error) {
	rows, err := parseTable(entriesFile, text, "name", "confidence", "sources", "note")
	if err != nil {
		return nil, err
	}
	entries := make([]entry, 0, len(rows))
	seen := make(map[dnsname.Name]bool, len(rows))
	for _, r := range rows {
		e, err := parseEntry(r, sources)
		if err != nil {
			return nil, err
		}
		if seen[e.name] {
			return nil, r.wrong(errTwice)
		}
		seen[e.name] = true
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(string(a.name), string(b.name)) })
	return entries, nil
}

func parseEntry(r row, sources map[string]source) (entry, error) {
	name, err := canonical(r.fields[0])
	if err != nil {
		return entry{}, r.wrong(err)
	}
	e := entry{name: name, confidence: r.fields[1], sources: strings.Split(r.fields[2], ",")}
	if e.confidence != "high" && e.confidence != "medium" {
		return entry{}, r.wrong(errConfidence)
	}
	slices.Sort(e.sources)
	if len(slices.Compact(slices.Clone(e.sources))) < len(e.sources) {
		return entry{}, r.wrong(errTwice)
	}
	known := make([]source, 0, len(e.sources))
	for _, id := range e.sources {
		s, ok := sources[id]
		if !ok {
			return entry{}, r.wrong(errNoSource)
		}
		known = append(known, s)
	}
	if e.confidence == "high" && !certain(known) {
		return entry{}, r.wrong(errHigh)
	}
	e.since, e.seen = span(known)
	return e, nil
}

// certain reports whether the sources are enough for high confidence.
func certain(sources []source) bool {
	return len(sources) >= 2 && slices.ContainsFunc(sources, func(s source) bool { return kinds[s.kind] })
}

// span returns the first and the last day on which the sources vouch for a name.
// Of a period it takes the end that claims less: its last day as the first of
// the name, its first day as the last. Where these cross, because a period is all
// there is, the earlier of the two stands for both.
func span(sources []source) (since, seen string) {
	for _, s := range sources {
		if s.from == "" {
			continue
		}
		if since == "" || s.to < since {
			since = s.to
		}
		seen = max(seen, s.from)
	}
	return min(since, seen), seen
}

// canonical returns s as a name when it is one already in its canonical form.
func canonical(s string) (dnsname.Name, error) {
	name, err := dnsname.Parse(s)
	if err != nil {
		return "", err
	}
	if string(name) != s {
		return "", errName
	}
	return name, nil
}

// isToken reports whether s can stand as a value in the comment of an entry.
func isToken(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789.:/@_-") == ""
}

func isDay(s string) bool {
	_, err := time.Parse(time.DateOnly, s)
	return err == nil
}
