package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/provenance"
)

// ledger counts what has become of the provenance of names that both editions hold.
type ledger struct {
	Entries  int `json:"entries"` // whose provenance is not the same; what follows is of these
	Risen    int `json:"risen"`   // confidence, as the next
	Fallen   int `json:"fallen"`
	Category int `json:"category"`
	Sources  int `json:"sources"`  // came or went
	Reviewed int `json:"reviewed"` // on another day
	Opened   int `json:"opened"`   // appeals, as the next two
	Upheld   int `json:"upheld"`
	Rejected int `json:"rejected"`
}

// count enters the changes of one name.
func (l *ledger) count(changes []provenance.Change) {
	if len(changes) > 0 {
		l.Entries++
	}
	for _, c := range changes {
		switch c.Key {
		case "confidence":
			l.confidence(provenance.Confidence(c.Old), provenance.Confidence(c.New))
		case "category":
			l.Category++
		case "sources":
			l.Sources++
		case "review":
			l.Reviewed++
		case "appeal":
			l.appeal(c.New)
		}
	}
}

func (l *ledger) confidence(before, now provenance.Confidence) {
	if now.Rank() > before.Rank() {
		l.Risen++
	} else {
		l.Fallen++
	}
}

func (l *ledger) appeal(now string) {
	switch state, _, _ := strings.Cut(now, ":"); state {
	case provenance.Open:
		l.Opened++
	case provenance.Upheld:
		l.Upheld++
	case provenance.Rejected:
		l.Rejected++
	}
}

// String returns the books in words.
func (l *ledger) String() string {
	var words []string
	for _, x := range []struct {
		n         int
		one, many string
	}{
		{l.Risen, "has more confidence", "have more confidence"}, {l.Fallen, "has less confidence", "have less confidence"},
		{l.Category, "has another category", "have another category"}, {l.Sources, "has other sources", "have other sources"},
		{l.Reviewed, "was reviewed", "were reviewed"}, {l.Opened, "has a new appeal", "have a new appeal"},
		{l.Upheld, "has an appeal that was upheld", "have an appeal that was upheld"},
		{l.Rejected, "has an appeal that was rejected", "have an appeal that was rejected"},
	} {
		if x.n > 0 {
			words = append(words, count(x.n, x.one, x.many))
		}
	}
	return sentence(words)
}

// sentence joins words as a sentence does.
func sentence(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}

// remember keeps what an edition knows of a name.
func (x *oneEdition) remember(name dnsname.Name, comment string) {
	if name == "" || !provenance.Is(comment) {
		return
	}
	if x.comments == nil {
		x.comments = map[dnsname.Name]string{}
	}
	if _, there := x.comments[name]; there {
		return // of several lines for a name, the first counts
	}
	if len(x.comments) == maxHeld {
		x.over = true
		return
	}
	x.comments[name] = comment
}

// publishable drops what is not published of the provenance, by a value of -comments:
// what an edition before has published of it, or a source that is compared with, must
// not be told again by the changelog.
func (x *oneEdition) publishable(which string) {
	switch which {
	case commentsAll:
		return
	case commentsNone:
		x.comments = nil
		return
	}
	for name, text := range x.comments {
		r, err := provenance.Parse(text)
		if err != nil { // a remark of somebody's
			delete(x.comments, name)
			continue
		}
		x.comments[name] = public(r).String()
	}
}

// public returns what everybody may know of an entry.
func public(r provenance.Record) provenance.Record {
	r.Note, r.Appeal = "", provenance.Appeal{}
	return r
}

// restated returns what has become of the provenance of a name that both editions
// hold. An edition without any, in a format that cannot hold it for instance, is not
// compared.
func (d *difference) restated(c change) []provenance.Change {
	known := len(d.Old.comments) > 0 && len(d.New.comments) > 0 && !d.Old.over && !d.New.over
	if !known || c.Old == (entry{}) || c.New == (entry{}) {
		return nil
	}
	a, b := d.Old.comments[c.Name], d.New.comments[c.Name]
	if a == b {
		return nil
	}
	before, errA := provenance.Parse(a)
	now, errB := provenance.Parse(b)
	if errA != nil || errB != nil {
		return []provenance.Change{{Key: "comment", Old: printable(a), New: printable(b)}}
	}
	return provenance.Compare(before, now)
}

// restatement writes changes of provenance in a line.
func restatement(changes []provenance.Change) string {
	var words []string
	for _, c := range changes {
		if c.Key == "sources" {
			words = append(words, "sources"+sources(c.Old, c.New))
			continue
		}
		words = append(words, fmt.Sprintf("%s %s -> %s", c.Key, orNone(c.Old), orNone(c.New)))
	}
	return strings.Join(words, ", ")
}

// sources writes which sources came and which went: " +new -old".
func sources(before, now string) (text string) {
	a, b := strings.Split(before, ","), strings.Split(now, ",")
	for _, x := range []struct {
		sign      string
		in, notIn []string
	}{{" +", b, a}, {" -", a, b}} {
		for _, s := range x.in {
			if s != "" && !slices.Contains(x.notIn, s) {
				text += x.sign + s
			}
		}
	}
	return text
}

// summarize returns the paragraph for a changelog. It names no name: a changelog is
// read by more people than a list, and a list may be published blinded.
func (d *difference) summarize() string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s lists %s.", d.New.title("This edition"), count(d.New.Names, "name", "names"))
	before := d.Old.title("the one before")
	switch {
	case d.Blinded && d.differ():
		fmt.Fprintf(&s, " %s had %s; a blinded list does not tell which came and went.", upper(before), count(d.Old.Names, "name", "names"))
	case d.Added+d.Removed+d.Changed == 0:
		fmt.Fprintf(&s, " These are the names of %s.", before)
	default:
		fmt.Fprintf(&s, " Since %s %s.", before, sentence(d.moves()))
	}
	if text := d.Restated.String(); text != "" {
		fmt.Fprintf(&s, " Of the entries that stayed, %s.", text)
	}
	return s.String()
}

// moves returns what became of the names, in words.
func (d *difference) moves() (words []string) {
	for _, x := range []struct {
		n         int
		one, many string
	}{
		{d.Added, "name was added", "names were added"}, {d.Removed, "name was removed", "names were removed"},
		{d.Changed, "name has another rule", "names have another rule"},
	} {
		if x.n > 0 {
			words = append(words, count(x.n, x.one, x.many))
		}
	}
	return words
}

// title names an edition by its serial and day.
func (x *oneEdition) title(without string) string {
	if x.Header.Serial == 0 {
		return without
	}
	text := fmt.Sprintf("edition %d", x.Header.Serial)
	if without[0] < 'a' { // it begins the sentence
		text = upper(text)
	}
	if !x.Header.Issued.IsZero() {
		text += " of " + string(provenance.DayOf(x.Header.Issued))
	}
	return text
}

func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
