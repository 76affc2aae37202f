package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"
)

//go:embed transparency.html
var transparencyHTML string

// transparencyPage is the report for people. It has no script and asks for nothing else.
var transparencyPage = template.Must(template.New("report").Funcs(template.FuncMap{
	"title": (*transparencyReport).title, "intro": (*transparencyReport).intro, "tables": (*transparencyReport).tables,
	"handled": (*transparencyReport).handled, "how": (*transparencyReport).how, "day": longDay, "since": sinceDay,
}).Parse(transparencyHTML))

// in returns the report in a format.
func (r *transparencyReport) in(form string) ([]byte, error) {
	var b bytes.Buffer
	var err error
	switch form {
	case "json":
		err = writeJSON(&b, r)
	case "html":
		err = transparencyPage.Execute(&b, r)
	default:
		r.markdown(&b)
	}
	return b.Bytes(), err
}

// markdown writes the report as CommonMark with tables.
func (r *transparencyReport) markdown(b *bytes.Buffer) {
	paragraphs := func(texts []string) {
		for _, text := range texts {
			fmt.Fprintf(b, "\n%s\n", escaped(text))
		}
	}
	fmt.Fprintf(b, "# %s\n\nFrom %s to %s, both included, by the clock of UTC.\n\n## What was denied\n", escaped(r.title()), longDay(r.From), longDay(r.To))
	paragraphs(r.intro())
	for _, t := range r.tables() {
		fmt.Fprintf(b, "\n%s:\n\n", t.Caption)
		tableRow(b, t.Head)
		b.WriteString("| --- |" + strings.Repeat(" ---: |", len(t.Head)-1) + "\n")
		for _, row := range t.Rows {
			tableRow(b, row)
		}
	}
	b.WriteString("\n## The lists that were in force\n\n")
	if len(r.Editions) == 0 {
		b.WriteString("None is known.\n")
	} else {
		b.WriteString("| List | List-ID | Edition | Since |\n| --- | --- | --- | --- |\n")
	}
	for _, e := range r.Editions {
		tableRow(b, []string{e.List, e.ID, strconv.FormatUint(uint64(e.Serial), 10), sinceDay(e.From)})
	}
	if r.Handled != nil {
		b.WriteString("\n## Reports of wrong blocks\n")
		paragraphs(r.handled())
	}
	b.WriteString("\n## How these numbers are made\n")
	paragraphs(r.how())
}

func tableRow(b *bytes.Buffer, cells []string) {
	for _, c := range cells {
		b.WriteString("| " + escaped(c) + " ")
	}
	b.WriteString("|\n")
}

// escaped returns text without what means something in Markdown.
func escaped(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune("\\`*_{}[]<>|#&~!", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// longDay returns a day as 3 October 2026.
func longDay(day string) string {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return day
	}
	return t.Format("2 January 2006")
}

func sinceDay(t time.Time) string { return t.UTC().Format(time.DateOnly) }

func (r *transparencyReport) title() string {
	if r.Organization == "" {
		return "Transparency report"
	}
	return "Transparency report of " + r.Organization
}

// figureTable is a table of figures.
type figureTable struct {
	Caption string
	Head    []string
	Rows    [][]string
}

// missingFigure stands in the place of a number that is not shown.
const missingFigure = "not shown"

func shownFigure(n *uint64) string {
	if n == nil {
		return missingFigure
	}
	return strconv.FormatUint(*n, 10)
}

// reasonsInWords are what the reasons mean to a reader.
var reasonsInWords = map[string]string{
	"filtered": "filtered: the user or subscriber asked for it",
	"blocked":  "blocked: the operator decided it",
	"censored": "censored: the law or a court orders it",
}

// ownLists are what the words mean that stand in the place of a list's name.
var ownLists = map[string]string{"block": "block: names that the operator has added"}

// tables returns the figures as tables: by reason, by list if that is known, and what leads
// round the filter.
func (r *transparencyReport) tables() []figureTable {
	head := func(of string) []string { return []string{of, "Queries denied", "Only counted, not denied"} }
	reasons := figureTable{Caption: "Queries by reason", Head: head("Reason"), Rows: rowsInWords(r.Reasons, reasonsInWords)}
	reasons.Rows = append(reasons.Rows, figureRow("all that are shown", r.Total))
	all := []figureTable{reasons}
	if r.Source == fromTotals {
		all = append(all, figureTable{Caption: "The same queries by list", Head: head("List"), Rows: rowsInWords(r.Lists, ownLists)})
	}
	return append(all, figureTable{
		Caption: "Queries for names that lead round the filter, which are in no other table", Head: head("Names"),
		Rows: [][]string{figureRow("of all kinds", r.Bypass)},
	})
}

func rowsInWords(rows []publicRow, words map[string]string) (cells [][]string) {
	for _, row := range rows {
		name := row.Name
		if w := words[name]; w != "" {
			name = w
		}
		cells = append(cells, figureRow(name, row.publicFigure))
	}
	return cells
}

func figureRow(name string, f publicFigure) []string {
	return []string{name, shownFigure(f.Denied), shownFigure(f.Shadow)}
}

// intro returns what stands before the tables.
func (r *transparencyReport) intro() []string {
	texts := []string{
		"A query is a question for the address of a name, asked by a device. One visit to a site makes several, and devices ask again by themselves. So these numbers " +
			"are no numbers of people, or of visits.",
		fmt.Sprintf("\"%s\" means that there was nothing to count, or too little to show: which of the two, the report does not tell.", missingFigure),
	}
	if d := r.Days; d.Covered < d.Period || d.Incomplete > 0 {
		text := fmt.Sprintf("There are numbers of %d of the %d days of the period.", d.Covered, d.Period)
		if d.Incomplete > 0 {
			text += fmt.Sprintf(" Of %s, some are lost.", count(d.Incomplete, "day", "days"))
		}
		texts = append(texts, text)
	}
	return texts
}

// handled returns what is told of the reports of wrong blocks.
func (r *transparencyReport) handled() []string {
	h := r.Handled
	text := fmt.Sprintf("Received: %d. Answered: %d. Open at the end of the period: %d.", h.Received, h.Answered, h.Open)
	if h.Days != nil {
		text += fmt.Sprintf(" Half of those that were answered had their answer within %s.", count(*h.Days, "day", "days"))
	}
	texts := []string{text}
	switch o := h.Outcomes; {
	case o != nil:
		texts = append(texts, fmt.Sprintf("What came of those that were answered: unblocked: %d, kept: %d, passed on to the publisher of the list: %d.", o.Unblocked, o.Kept, o.PassedOn))
	case h.Answered > 0:
		texts = append(texts, fmt.Sprintf("What came of them is told only of %d or more: of a few, it could tell of somebody who is known to have asked.", r.Rule.K))
	}
	return texts
}

// how returns which numbers are shown, and how.
func (r *transparencyReport) how() []string {
	rule := fmt.Sprintf("A number is shown only if there was a day on which at least %d different clients were behind it. A client is an address; of IPv6, the first 56 bits of one. "+
		"A household, or all behind a forwarder, may be one client. The servers keep no address: they keep how many there were at least.", r.Rule.K)
	if r.Source == fromPrometheus {
		rule = fmt.Sprintf("A number is shown only if it is %d or more. The metrics that it comes from know no clients, so all of these queries may be of one: "+
			"this is a weaker rule than one by clients. Numbers by list are not there.", r.Rule.K)
	}
	return []string{
		rule,
		fmt.Sprintf("Each number, by reason, list and whether the query was denied, is rounded to the nearest multiple of %d. All sums are sums of these rounded numbers. "+
			"What is not shown is in no sum, so that it cannot be found by subtracting.", r.Rule.Rounding),
		"To make these numbers, nobody had to write down who asked for what.",
	}
}
