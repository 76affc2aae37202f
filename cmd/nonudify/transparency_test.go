package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/nonudify/nonudify/plugin/totals"
)

var (
	firstOfMarch = time.Date(2020, 3, 1, 0, 0, 0, 0, time.UTC)
	lastOfMarch  = time.Date(2020, 3, 31, 0, 0, 0, 0, time.UTC)
)

// keepTotals writes the totals of days into a new state directory.
func keepTotals(t *testing.T, days ...totals.Day) string {
	t.Helper()
	state := t.TempDir()
	if err := os.Mkdir(filepath.Join(state, totals.Dir), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, d := range days {
		d.Format = "nonudify-totals/v1"
		text, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(state, totals.Dir, d.Day+".json"), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return state
}

// reportOf returns the report on March 2020 of state directories, in all formats.
func reportOf(t *testing.T, k int, states ...string) (r *transparencyReport, all string) {
	t.Helper()
	r = newTransparencyReport(firstOfMarch, lastOfMarch, k)
	if err := r.read(states); err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{"markdown", "html", "json"} {
		text, err := r.in(form)
		if err != nil {
			t.Fatal(err)
		}
		all += string(text)
	}
	return r, all
}

var (
	someLists   = []string{"a", "b", "c", "block", "bypass"}
	someReasons = []string{"filtered", "blocked", "censored"}
	someActions = []string{"nxdomain", "nodata", "sinkhole", "shadow"}
)

// randomDays returns totals of some days; of some Keys there are never enough clients.
func randomDays(r *rand.Rand, few map[figureKey]bool) []totals.Day {
	days := make([]totals.Day, 5)
	for i := range days {
		days[i].Day = firstOfMarch.AddDate(0, 0, i).Format(time.DateOnly)
		for _, l := range someLists[:3] {
			days[i].Editions = append(days[i].Editions, &totals.Edition{List: l, Serial: 1, From: firstOfMarch})
		}
		for _, k := range everyKey() {
			clients := []int{0, 20, 50, 100}[r.IntN(4)]
			if few[keyOf(k)] {
				clients = 0
			}
			if r.IntN(3) > 0 {
				days[i].Counts = append(days[i].Counts, &totals.Count{Key: k, Queries: r.Uint64N(5000), Clients: clients})
			}
		}
	}
	return days
}

func everyKey() (keys []totals.Key) {
	for _, l := range someLists {
		for _, reason := range someReasons {
			for _, action := range someActions {
				keys = append(keys, totals.Key{List: l, Reason: reason, Action: action})
			}
		}
	}
	return keys
}

func keyOf(k totals.Key) figureKey { return figureKey{k.List, k.Reason, k.Action == "shadow"} }

// TestWithheld: what is not shown has no influence on any octet of a report, so nobody can
// find it by subtracting, comparing or counting.
func TestWithheld(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	shown := 0
	for range 40 {
		few := map[figureKey]bool{}
		for _, k := range everyKey() {
			few[keyOf(k)] = r.IntN(2) == 0
		}
		days := randomDays(r, few)
		report, before := reportOf(t, 20, keepTotals(t, days...))
		for i := range days {
			days[i].Counts = slices.DeleteFunc(days[i].Counts, func(c *totals.Count) bool { return few[keyOf(c.Key)] })
			if r.IntN(2) == 0 {
				continue
			}
			for k := range maps.Keys(few) {
				if few[k] {
					days[i].Counts = append(days[i].Counts, &totals.Count{Key: totals.Key{List: k.list, Reason: k.reason, Action: map[bool]string{true: "shadow", false: "nodata"}[k.shadow]}, Queries: r.Uint64N(1e6)})
				}
			}
		}
		if _, after := reportOf(t, 20, keepTotals(t, days...)); after != before {
			t.Fatalf("seed %d: a report tells of what it does not show:\n%s\n%s", seed, before, after)
		}
		if report.Total.Denied != nil {
			shown++
		}
	}
	if shown < 20 {
		t.Errorf("only %d reports show anything", shown)
	}
}

// TestFigures: what is shown is right to the rounding, and adds up.
func TestFigures(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	for range 20 {
		one, two := randomDays(r, nil), randomDays(r, nil)
		report, _ := reportOf(t, 50, keepTotals(t, one...), keepTotals(t, two...))
		want := map[figureKey]*figureCell{}
		for _, d := range slices.Concat(one, two) {
			for _, c := range d.Counts {
				k := keyOf(c.Key)
				if want[k] == nil {
					want[k] = new(figureCell)
				}
				want[k].queries += c.Queries
				want[k].clients = max(want[k].clients, c.Clients)
			}
		}
		var denied, bypass uint64
		for k, c := range want {
			switch n := (c.queries + 5) / 10 * 10; {
			case c.clients < 50 || k.shadow:
			case k.list == "bypass":
				bypass += n
			default:
				denied += n
			}
		}
		sum := func(rows []publicRow) (n uint64) {
			for _, row := range rows {
				if row.Denied != nil {
					n += *row.Denied
				}
			}
			return n
		}
		if *report.Total.Denied != denied || sum(report.Reasons) != denied || sum(report.Lists) != denied || *report.Bypass.Denied != bypass {
			t.Errorf("denied %d, by reason %d, by list %d, want %d; bypass %d, want %d",
				*report.Total.Denied, sum(report.Reasons), sum(report.Lists), denied, *report.Bypass.Denied, bypass)
		}
		if report.Days.Covered != 5 || len(report.Editions) != 3 {
			t.Errorf("%d days, %d editions", report.Days.Covered, len(report.Editions))
		}
	}
}

func TestRounded(t *testing.T) {
	for n, want := range map[uint64]uint64{0: 0, 4: 0, 5: 10, 14: 10, 15: 20, 123456: 123460} {
		if got := rounded(n); got != want {
			t.Errorf("%d: %d, want %d", n, got, want)
		}
	}
}

// TestTransparencyHostile: text that a report is given stays text.
func TestTransparencyHostile(t *testing.T) {
	state := keepTotals(t, totals.Day{
		Day: "2020-03-01", Counts: []*totals.Count{{Key: totals.Key{List: hostile + "|\x1b[1m\n# x", Reason: "filtered", Action: "nodata"}, Queries: 100, Clients: 20}},
		Editions: []*totals.Edition{{List: "[a](javascript:b)", ID: hostile, Serial: 1, From: firstOfMarch}},
	})
	r, all := reportOf(t, 20, state)
	r.Organization = hostile
	for form, bad := range map[string]string{"markdown": `[^\\]<|\x1b|\n# x|\]\(`, "html": `<script|<img|\x1b`} {
		text, err := r.in(form)
		if err != nil {
			t.Fatal(err)
		}
		all += string(text)
		if found := regexp.MustCompile(bad).FindString(strings.ReplaceAll(string(text), `\](`, "")); found != "" {
			t.Errorf("%s has %q in it:\n%s", form, found, text)
		}
	}
	if strings.Contains(all, "ZgotmplZ") {
		t.Error("the page is broken")
	}
}

// TestTransparencyPage looks at how the page is built. That it is accessible to the eye,
// cmd/coredns asks a browser.
func TestTransparencyPage(t *testing.T) {
	r, _ := reportOf(t, 20, keepTotals(t, randomDays(rand.New(rand.NewPCG(1, 2)), nil)...))
	r.Handled = &handledInPeriod{}
	text, err := r.in("html")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := html.Parse(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	p := parsed{t: t}
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode {
			p.elements = append(p.elements, n)
		}
	}
	p.inert()
	p.headings()
	for _, name := range []string{"h1", "main", "header", "footer", "title"} {
		if n := len(p.all(name)); n != 1 {
			t.Errorf("%d elements %s", n, name)
		}
	}
	if attr(p.all("html")[0], "lang") != "en" || len(p.all("table")) != 4 || len(p.all("caption")) != 4 {
		t.Error("no language, or a table without a caption")
	}
	for _, th := range p.all("th") {
		if s := attr(th, "scope"); s != "col" && s != "row" || wordsIn(th) == "" {
			t.Errorf("a head %q of scope %q", wordsIn(th), s)
		}
	}
}

func TestHandled(t *testing.T) {
	many := strings.Repeat("2020-03-05 2020-03-09 unblocked\n", 12) + strings.Repeat("2020-03-06 2020-03-07 kept\n", 7) + "2020-03-07 2020-03-07 passed-on\n"
	for name, c := range map[string]struct{ text, want string }{
		"none":   {"# nothing\n\n", "Received: 0. Answered: 0. Open at the end of the period: 0."},
		"few":    {"2020-03-01 2020-03-03 kept # a note\n", "Received: 1. Answered: 1. Open at the end of the period: 0. Half of those that were answered had their answer within 2 days. What came of them is told only of 20 or more: of a few, it could tell of somebody who is known to have asked."},
		"one":    {"2020-03-01 2020-03-02 kept\n", "Received: 1. Answered: 1. Open at the end of the period: 0. Half of those that were answered had their answer within 1 day. What came of them is told only of 20 or more: of a few, it could tell of somebody who is known to have asked."},
		"many":   {many, "Received: 20. Answered: 20. Open at the end of the period: 0. Half of those that were answered had their answer within 4 days. What came of those that were answered: unblocked: 12, kept: 7, passed on to the publisher of the list: 1."},
		"around": {"2020-02-28 2020-03-01 kept\n2020-02-01\n2020-03-31 2020-04-01 kept\n2020-04-01\n2020-02-01 2020-02-02 kept\n", "Received: 1. Answered: 1. Open at the end of the period: 2. Half of those that were answered had their answer within 2 days. What came of them is told only of 20 or more: of a few, it could tell of somebody who is known to have asked."},
	} {
		r := newTransparencyReport(firstOfMarch, lastOfMarch, 20)
		var err error
		if r.Handled, err = (&transparencyFlags{handled: write(t, "handled.txt", c.text)}).readHandled(r); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := strings.Join(r.handled(), " "); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
	for text, want := range map[string]string{
		"\n2020-03-01 yes":                    "handled.txt:2: want the day received",
		"2020-03-01 2020-03-02 kept by Erika": "handled.txt:1: want the day received",
		"1.3.2020":                            `"1.3.2020" is not a day`,
		"2020-03-01 soon kept":                `"soon" is not a day`,
		"2020-03-02 2020-03-01 kept":          "it was answered before it was received",
		"2020-03-01 2020-03-01 erika":         `"erika" is no outcome`,
		strings.Repeat("#", 70_000):           "token too long",
		strings.Repeat("#\n", maxHandled/2+1): "is too large",
	} {
		c := &transparencyFlags{handled: write(t, "handled.txt", text)}
		if _, err := c.readHandled(newTransparencyReport(firstOfMarch, lastOfMarch, 20)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %s", text, err, want)
		}
	}
}

// TestPeriods: a report is of a period that is over, and not of a few days.
func TestPeriods(t *testing.T) {
	now := time.Date(2020, 3, 15, 1, 0, 0, 0, time.FixedZone("", 2*60*60)) // the 14th in UTC
	for _, c := range []struct{ month, from, to, want string }{
		{"", "", "", "2020-02-01 2020-02-29"},
		{"2019-12", "", "", "2019-12-01 2019-12-31"},
		{"", "2020-03-01", "2020-03-07", "2020-03-01 2020-03-07"},
		{"", "2020-03-07", "2020-03-13", "2020-03-07 2020-03-13"},
		{"", "2020-03-07", "2020-03-14", "is not over"},
		{"2020-03", "", "", "is not over"},
		{"", "2020-03-01", "2020-03-06", "7 days at least"},
		{"", "2020-03-09", "2020-03-01", "7 days at least"},
		{"", "2010-03-01", "2020-03-01", "800 days at most"},
		{"March", "", "", `-month "March"`},
		{"", "2020-03-01", "", "a period is"},
		{"2020-03", "2020-03-01", "2020-03-08", "a period is"},
		{"", "2020-03-01", "2020-02-31", "want YYYY-MM-DD"},
	} {
		flags := transparencyFlags{month: c.month, from: c.from, to: c.to}
		first, last, err := flags.period(now)
		got := first.Format(time.DateOnly) + " " + last.Format(time.DateOnly)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

// silent is an env that nobody listens to.
func silent() *env {
	return &env{stdout: io.Discard, stderr: io.Discard, now: time.Now, bar: &progress{now: time.Now}}
}

// TestReportOfServer: the totals of a server become a report, from the files on.
func TestReportOfServer(t *testing.T) {
	state := keepTotals(t, totals.Day{Day: "2020-03-02", Damaged: true, Counts: []*totals.Count{{Key: totals.Key{List: "nudify", Reason: "filtered", Action: "nodata"}, Queries: 123, Clients: 20}}})
	code, stdout, stderr := tool(t, nil, "report", "-state", state, "-month", "2020-03", "-organization", "Example School")
	for _, want := range []string{"# Transparency report of Example School", "| filtered: the user or subscriber asked for it | 120 | not shown |", "numbers of 1 of the 31 days", "Of 1 day, some are lost"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
	if code != fine || !strings.Contains(stderr, "no totals of 30 days") || !strings.Contains(stderr, "damaged") {
		t.Error(code, stderr)
	}
	if code, stdout, _ := tool(t, nil, "report", "-state", state, "-month", "2020-03", "-school"); code != fine || strings.Contains(stdout, "120") {
		t.Error(code, stdout)
	}
	if err := os.WriteFile(filepath.Join(state, totals.Dir, "2020-03-05.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, stderr = tool(t, nil, "report", "-state", state, "-month", "2020-03")
	if want := fmt.Sprintf("nonudify: %s: the totals are damaged", filepath.Join(state, totals.Dir, "2020-03-05.json")); code != wrong || !strings.Contains(stderr, want) {
		t.Error(code, stderr)
	}
}

// TestTransparencyGuide: the file that the guide shows is one that can be used.
func TestTransparencyGuide(t *testing.T) {
	guide, err := os.ReadFile("../../docs/transparency.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, found := strings.Cut(string(guide), "```handled\n")
	text, _, ended := strings.Cut(text, "```")
	if !found || !ended {
		t.Fatal("the guide shows no such file")
	}
	october := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	c := &transparencyFlags{handled: write(t, "wrong-blocks.txt", text)}
	h, err := c.readHandled(newTransparencyReport(october, october.AddDate(0, 1, -1), 20))
	if err != nil || h.Received != 3 || h.Answered != 2 || h.Open != 1 {
		t.Errorf("%+v %v", h, err)
	}
}
