package main

import (
	"cmp"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/nonudify/nonudify/plugin/feed"
	"github.com/nonudify/nonudify/plugin/likeness"
	"github.com/nonudify/nonudify/plugin/provenance"
	"github.com/nonudify/nonudify/plugin/rule"
)

var stats = verb{
	name:  "stats",
	args:  "[-old FILE] [-top N] [-json] LIST",
	short: "count the entries of a list by suffix, category, confidence, age and source",
	long: `stats counts the entries of a list: by public suffix, and, where the list has
provenance, by category, confidence, age, source, number of sources, and appeal,
and says how many are due for a review. With -old it says, too, what has changed
since that edition. It names no name.
`,
	run: runStats,
}

// statsFlags is what the command line of stats says.
type statsFlags struct {
	old  string
	top  int
	json bool
}

func runStats(e *env, fs *flag.FlagSet, args []string) (int, error) {
	var c statsFlags
	fs.StringVar(&c.old, "old", "", "say what has changed since the edition in `FILE`")
	fs.IntVar(&c.top, "top", 10, "name the `N` most frequent suffixes and sources, and count the others together; 0 names all")
	fs.BoolVar(&c.json, "json", false, "write one JSON object")
	lists, err := parse(fs, args)
	switch {
	case err != nil:
		return wrong, err
	case len(lists) != 1:
		return wrong, usagef("%d lists given, one wanted", len(lists))
	case c.top < 0:
		return wrong, usagef("-top %d is less than nothing", c.top)
	}
	f, err := c.figures(e, lists[0])
	if err != nil {
		return wrong, err
	}
	if c.old != "" {
		if f.Churn, err = churnOf(e, c.old, lists[0]); err != nil {
			return wrong, err
		}
	}
	if c.json {
		return fine, writeJSON(e.stdout, f)
	}
	f.print(e.stdout)
	return fine, nil
}

// figures is what stats says of a list. The package documentation describes its JSON
// form, which must stay as it is.
type figures struct {
	File       string  `json:"file"`
	Header     header  `json:"header"`
	Names      int     `json:"names"`
	Blocks     int     `json:"blocks"` // rules, as the next
	Passes     int     `json:"passes"`
	Suffixes   []tally `json:"suffixes,omitempty"`
	Provenance int     `json:"provenance"` // entries that have it; the rest is of these
	Categories []tally `json:"categories,omitempty"`
	Confidence []tally `json:"confidence,omitempty"`
	Age        []tally `json:"age,omitempty"`  // since it was first seen
	Seen       []tally `json:"seen,omitempty"` // since it was last seen
	Count      []tally `json:"sources_each,omitempty"`
	Sources    []tally `json:"sources,omitempty"`
	Appeals    []tally `json:"appeals,omitempty"`
	Reviews    []tally `json:"reviews,omitempty"`
	Churn      *churn  `json:"churn,omitempty"`
}

// tally is how many entries there are of a kind.
type tally struct {
	Key   string `json:"key"`
	Count int    `json:"count"`
}

// churn is what has changed since an older edition.
type churn struct {
	Old      string  `json:"old"`
	Added    int     `json:"added"`
	Removed  int     `json:"removed"`
	Changed  int     `json:"changed"`
	Restated ledger  `json:"restated,omitzero"`
	Share    float64 `json:"share"` // of the names of the old one, in percent
	Summary  string  `json:"summary"`
}

// churnOf compares two editions as diff does.
func churnOf(e *env, before, now string) (*churn, error) {
	a, err := readEdition(e, before)
	if err != nil {
		return nil, err
	}
	b, err := readEdition(e, now)
	if err != nil {
		return nil, err
	}
	d := &difference{Old: a, New: b}
	if err := d.find(e, defaultShrink, unseen); err != nil {
		return nil, err
	}
	return &churn{before, d.Added, d.Removed, d.Changed, d.Restated, d.Share, d.Summary}, nil
}

// counter counts entries as they are read.
type counter struct {
	*figures
	now   time.Time
	by    map[string]map[string]int // by what, then by key
	undue int                       // entries without a review of their own
}

// figures reads a list and counts.
func (c statsFlags) figures(e *env, name string) (*figures, error) {
	body, err := openList(e, name)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	n := &counter{figures: &figures{File: name}, now: e.now(), by: map[string]map[string]int{}}
	l, err := loadGuarded(body, body.Modified, feed.LoadConfig{File: name, Seen: n.see})
	if err != nil {
		return nil, err
	}
	n.Header, n.Names = newHeader(l.Header), l.Set.Len()
	n.unviewed(l.Header.Issued)
	n.fill(c.top)
	return n.figures, nil
}

func (n *counter) count(what, key string) { n.add(what, key, 1) }

// add counts entries under a key. Keys that come when there are maxHeld of them are
// counted together, under "", which is none.
func (n *counter) add(what, key string, entries int) {
	counts := n.by[what]
	if counts == nil {
		counts = map[string]int{}
		n.by[what] = counts
	}
	if _, there := counts[key]; !there {
		if key = strings.Clone(key); len(counts) >= maxHeld { // a copy, as the key may be a small part of a comment
			key = ""
		}
	}
	counts[key] += entries
}

// see counts one rule.
func (n *counter) see(r rule.Rule, _ int, comment func() string, refused error) {
	if refused != nil {
		return
	}
	if r.Action == rule.Pass {
		n.Passes++
		return
	}
	n.Blocks++
	if r.Name == "" {
		return
	}
	_, suffix, _ := likeness.Registrable(r.Name)
	n.count("suffix", suffix)
	text := comment()
	if !provenance.Is(text) {
		return
	}
	if known, err := provenance.Parse(text); err == nil { // lint tells of the others
		n.record(known)
	}
}

// record counts what is known of an entry.
func (n *counter) record(r provenance.Record) {
	n.Provenance++
	n.count("category", orNone(r.Category))
	n.count("confidence", orNone(string(r.Confidence)))
	n.count("age", n.age(r.Since))
	n.count("seen", n.age(r.Seen))
	n.count("each", several(len(r.Sources)))
	for _, s := range r.Sources {
		n.count("source", s)
	}
	n.count("appeal", orNone(r.Appeal.State))
	if r.Review == "" {
		n.undue++
		return
	}
	n.count("review", n.due(r.Review.Start()))
}

// unviewed counts the entries that were reviewed with the edition, if at all.
func (n *counter) unviewed(issued time.Time) {
	n.add("review", n.due(issued), n.undue)
}

// The words for a span of time, in their order.
var (
	ages    = []string{"under 30 days", "30 to 90 days", "90 days to a year", "over a year", "none"}
	dues    = []string{"overdue", "due within 30 days", "later", "none"}
	sizes   = []string{"0", "1", "2", "3 or more"}
	sures   = []string{"high", "medium", "low", "none"}
	appeals = []string{provenance.Open, provenance.Upheld, provenance.Rejected, "none"}
)

// age returns how long ago a day is, in words.
func (n *counter) age(d provenance.Day) string {
	switch days := int(n.now.Sub(d.Start()) / (24 * time.Hour)); {
	case d == "":
		return ages[4]
	case days < 30:
		return ages[0]
	case days < 90:
		return ages[1]
	case days < 365:
		return ages[2]
	}
	return ages[3]
}

// due returns when an entry is to be reviewed again, in words.
func (n *counter) due(last time.Time) string {
	left := last.Add(reviewEvery).Sub(n.now)
	switch {
	case last.IsZero():
		return dues[3]
	case left < 0:
		return dues[0]
	case left < 30*24*time.Hour:
		return dues[1]
	}
	return dues[2]
}

func several(n int) string { return sizes[min(n, len(sizes)-1)] }

// fill enters the counts.
func (n *counter) fill(top int) {
	n.Suffixes = frequent(n.by["suffix"], top)
	n.Sources = frequent(n.by["source"], top)
	n.Categories = frequent(n.by["category"], 0)
	n.Confidence = inOrder(n.by["confidence"], sures)
	n.Age, n.Seen = inOrder(n.by["age"], ages), inOrder(n.by["seen"], ages)
	n.Count = inOrder(n.by["each"], sizes)
	n.Appeals = inOrder(n.by["appeal"], appeals)
	n.Reviews = inOrder(n.by["review"], dues)
}

// inOrder returns the counts in the order of their keys.
func inOrder(counts map[string]int, keys []string) (list []tally) {
	for _, k := range keys {
		if counts[k] > 0 {
			list = append(list, tally{k, counts[k]})
		}
	}
	return list
}

// others is the key of what is not among the most frequent.
const others = "others"

// frequent returns the most frequent first, and in one all but top of them and what
// has no key.
func frequent(counts map[string]int, top int) (list []tally) {
	rest := tally{others, counts[""]}
	for k, v := range counts {
		if k != "" {
			list = append(list, tally{k, v})
		}
	}
	slices.SortFunc(list, func(a, b tally) int { return cmp.Or(b.Count-a.Count, strings.Compare(a.Key, b.Key)) })
	if top > 0 && len(list) > top {
		for _, t := range list[top:] {
			rest.Count += t.Count
		}
		list = list[:top:top]
	}
	if rest.Count > 0 {
		list = append(list, rest)
	}
	return list
}

// print writes the figures for a person.
func (f *figures) print(w io.Writer) {
	fmt.Fprintf(w, "%s: %s\n", f.File, count(f.Names, "name", "names"))
	f.Header.print(w)
	field(w, "rules", "%d block, %d let pass", f.Blocks, f.Passes)
	field(w, "suffixes", "%s", inWords(f.Suffixes, "."))
	field(w, "provenance", "of %d", f.Provenance)
	for _, x := range []struct {
		name string
		list []tally
	}{
		{"category", f.Categories}, {"confidence", f.Confidence}, {"age", f.Age}, {"last seen", f.Seen},
		{"sources", f.Count}, {"from", f.Sources}, {"appeals", f.Appeals}, {"reviews", f.Reviews},
	} {
		field(w, x.name, "%s", inWords(x.list, ""))
	}
	if f.Churn != nil {
		field(w, "changes", "%s", f.Churn.Summary)
		field(w, "share", "%v %%", f.Churn.Share)
	}
}

// inWords writes counts in a line: "12 × .app, 3 × .io".
func inWords(list []tally, before string) string {
	var words []string
	for _, t := range list {
		key := before + t.Key
		if t.Key == others {
			key = others
		}
		words = append(words, fmt.Sprintf("%d × %s", t.Count, key))
	}
	return strings.Join(words, ", ")
}
