package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/nonudify/nonudify/plugin/feed"
	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/rule"
)

// report is what lint says of a file. The package documentation describes its
// JSON form, which must stay as it is.
type report struct {
	File       string      `json:"file"`
	Format     list.Format `json:"format"`
	Header     header      `json:"header"`
	Taken      bool        `json:"taken"`
	Error      string      `json:"error,omitempty"` // why it is not
	Rules      int         `json:"rules"`
	Blocks     int         `json:"blocks"`
	Passes     int         `json:"passes"`
	Comments   int         `json:"comments"` // only of a file that is taken
	Refused    int         `json:"refused"`
	Reasons    []reason    `json:"reasons,omitempty"`
	Lines      []badLine   `json:"lines,omitempty"`
	More       int         `json:"more,omitempty"` // refused lines that are not shown
	Duplicates int         `json:"duplicates"`     // as the next two, only of a file that is taken
	Covered    int         `json:"covered"`
	Memory     int         `json:"memory"` // of its set in the server, in bytes
	Findings   []string    `json:"findings,omitempty"`
	Notes      []string    `json:"notes,omitempty"`
	Provenance int         `json:"provenance,omitempty"` // entries with it, of the source of a list
	Codes      []codeCount `json:"codes,omitempty"`
	Issues     []issue     `json:"issues,omitempty"`
	Omitted    int         `json:"omitted,omitempty"` // issues that are not shown

	editor  *editor
	max     int
	lines   io.Writer // where refused lines go at once; nil: into Lines
	names   int       // distinct names, of a file that is taken
	expired bool
}

// header is list.Header in JSON.
type header struct {
	Title    string    `json:"title,omitempty"`
	ID       string    `json:"id,omitempty"`
	Version  string    `json:"version,omitempty"`
	Serial   uint32    `json:"serial,omitempty"`
	Issued   time.Time `json:"issued,omitzero"`
	Modified time.Time `json:"modified,omitzero"`
	Expires  time.Time `json:"expires,omitzero"`
	Entries  int       `json:"entries,omitempty"`
	Homepage string    `json:"homepage,omitempty"`
	Appeals  string    `json:"appeals,omitempty"`
	License  string    `json:"license,omitempty"`
	Salt     string    `json:"salt,omitempty"` // in hex
}

func newHeader(h list.Header) header {
	to := header{
		Title: h.Title, ID: h.ID, Version: h.Version, Serial: h.Serial, Issued: h.Issued, Modified: h.Modified,
		Expires: h.Expires, Entries: h.Entries, Homepage: h.Homepage, Appeals: h.Appeals, License: h.License,
	}
	if h.HasSalt {
		to.Salt = h.Salt.String()
	}
	return to
}

// reason is why some lines were refused.
type reason struct {
	Text  string `json:"reason"`
	Count int    `json:"count"`
}

// badLine is one refused line.
type badLine struct {
	Line   int    `json:"line"`
	Code   string `json:"code"`
	Reason string `json:"reason"`
}

// refuse takes note of a refused line.
func (r *report) refuse(e *rule.LineError) {
	r.Refused++
	r.countReason(sentinel(e.Err).Error())
	switch {
	case r.max > 0 && r.Refused > r.max:
		r.More++
	case r.lines != nil:
		fmt.Fprintln(r.lines, e)
	default:
		r.Lines = append(r.Lines, badLine{e.Line, refusalCode(e.Err), e.Err.Error()})
	}
}

func (r *report) countReason(text string) {
	i := slices.IndexFunc(r.Reasons, func(x reason) bool { return x.Text == text })
	if i < 0 {
		i = len(r.Reasons)
		r.Reasons = append(r.Reasons, reason{Text: text})
	}
	r.Reasons[i].Count++
}

// sentinel returns the error that the others are wrapped around: the reason
// without the words of the line.
func sentinel(err error) error {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err
}

// note takes an issue that the editor has found.
func (r *report) note(x issue) {
	r.Codes = countCode(r.Codes, x)
	if r.max > 0 && len(r.Issues) == r.max {
		r.Omitted++
		return
	}
	r.Issues = append(r.Issues, x)
}

// see counts a rule that may be used.
func (r *report) see(seen rule.Rule, line int, comment func() string, refused error) {
	if r.editor != nil { // nil of a list that only comes by: verify, fetch
		r.editor.see(seen, line, comment, refused)
	}
	switch {
	case refused != nil: // refuse is told of it
		return
	case seen.Action == rule.Pass:
		r.Passes++
	default:
		r.Blocks++
	}
	r.Rules++
}

// fill enters what loading the file has shown.
func (r *report) fill(l *feed.List, err error) {
	slices.SortStableFunc(r.Reasons, func(a, b reason) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Text, b.Text))
	})
	r.Header, r.Format = newHeader(l.Header), l.Format
	if errors.Is(err, list.ErrHTML) || errors.Is(err, list.ErrBinary) {
		r.Format = list.Auto // whatever it was taken for
	}
	if err != nil {
		r.Error = err.Error()
		return
	}
	r.edit(l.Header)
	r.Taken = true
	r.Comments, r.Memory = l.Stats.Comments, l.Set.Bytes()
	r.names, r.Duplicates, r.Covered = l.Set.Len(), duplicates(l), covered(l.Set)
}

// edit has the editor look at what was read as a whole.
func (r *report) edit(h list.Header) {
	if r.editor == nil {
		return
	}
	r.editor.finish(h)
	r.Provenance = r.editor.known
	sortCodes(r.Codes)
	sortIssues(r.Issues)
	if r.editor.over {
		r.Notes = append(r.Notes, fmt.Sprintf("only the first %d entries were compared with one another", maxHeld))
	}
}

// judge compares the header with the content.
func (r *report) judge(now time.Time) {
	if h := r.Header; !h.Expires.IsZero() && now.After(h.Expires) {
		r.expired = true
		r.Findings = append(r.Findings, fmt.Sprintf("expired on %s", h.Expires.Format(time.RFC3339)))
	}
	if n := r.Header.Entries; r.Taken && n != 0 && !r.explains(n) {
		r.Findings = append(r.Findings, fmt.Sprintf("the header counts %d entries, the file holds %d", n, r.Rules+r.Refused))
	}
	if r.Taken && r.Header.Serial == 0 {
		r.Notes = append(r.Notes, "no serial in the header: an older copy cannot be told from a newer one")
	}
	if r.Format == list.Hashes && r.Taken {
		r.Notes = append(r.Notes, "blinded: which names are covered by others, or would be refused, only its publisher can tell")
	}
}

// noteAddresses says what becomes of the address triggers of a policy zone.
func (r *report) noteAddresses(n int, used bool) {
	switch {
	case n == 0:
	case used:
		r.Notes = append(r.Notes, fmt.Sprintf("address triggers: %d, used only where the configuration says \"addresses on\" for the list", n))
	default:
		r.Notes = append(r.Notes, fmt.Sprintf("address triggers: %d, off unless the configuration says \"addresses on\" for the list", n))
	}
}

// explains reports whether a number of entries is one that a publisher may
// have counted: lines, the rules among them, or distinct names.
func (r *report) explains(entries int) bool {
	return entries == r.Rules+r.Refused || entries == r.Rules || entries == r.names
}

// bad reports whether something about the file should be mended.
func (r *report) bad() bool {
	return !r.Taken || r.Refused > 0 || len(r.Findings) > 0 ||
		slices.ContainsFunc(r.Codes, func(c codeCount) bool { return c.Severity != isHint })
}

// print writes the summary for a person.
func (r *report) print(w io.Writer) {
	if r.More > 0 {
		fmt.Fprintf(w, "%s: %d more refused lines, which -max 0 shows\n", r.File, r.More)
	}
	r.issues(w)
	fmt.Fprintf(w, "%s: %s\n", r.File, r.headline())
	r.details(w)
}

// issues writes what the editor has found, in the form that others have for a line.
func (r *report) issues(w io.Writer) {
	for _, x := range r.Issues {
		at := r.File
		if x.Line > 0 {
			at = fmt.Sprintf("%s:%d", r.File, x.Line)
		}
		fmt.Fprintf(w, "%s: %s: %s (%s)\n", at, x.Severity, strings.TrimPrefix(string(x.Name)+": "+x.Text, ": "), x.Code)
	}
	if r.Omitted > 0 {
		fmt.Fprintf(w, "%s: %s more, which -max 0 shows\n", r.File, count(r.Omitted, "issue", "issues"))
	}
}

// details writes what is behind the headline.
func (r *report) details(w io.Writer) {
	if r.Format != list.Auto {
		field(w, "format", "%v", r.Format)
	}
	r.Header.print(w)
	field(w, "rules", "%d", r.Rules)
	if r.Passes > 0 {
		field(w, "of these", "%d block, %d let pass", r.Blocks, r.Passes)
	}
	if r.Taken {
		field(w, "comments", "%d", r.Comments)
	}
	field(w, "refused", "%d", r.Refused)
	for _, x := range r.Reasons {
		field(w, "", "%d × %s", x.Count, x.Text)
	}
	if r.Taken {
		field(w, "duplicates", "%d", r.Duplicates)
		if r.Format != list.Hashes {
			field(w, "covered", "%d by a name above them", r.Covered)
		}
		field(w, "memory", "%s", size(int64(r.Memory)))
	}
	r.books(w)
	for _, f := range r.Findings {
		field(w, "finding", "%s", f)
	}
	for _, n := range r.Notes {
		field(w, "note", "%s", n)
	}
}

// books writes how many issues the editor has found.
func (r *report) books(w io.Writer) {
	if r.editor == nil || !r.editor.source {
		return
	}
	field(w, "provenance", "of %d of %s", r.Provenance, count(r.editor.entries, "entry", "entries"))
	for _, c := range r.Codes {
		field(w, string(c.Severity), "%d × %s", c.Count, c.Code)
	}
}

func (r *report) headline() string {
	switch {
	case !r.Taken:
		return "would be refused: " + strings.TrimPrefix(r.Error, r.File+": ")
	case r.bad():
		return "would be taken, and has faults"
	}
	return "fine"
}

// print writes the fields that are there.
func (h header) print(w io.Writer) {
	field(w, "title", "%s", h.Title)
	field(w, "list-id", "%s", h.ID)
	field(w, "version", "%s", h.Version)
	if h.Serial != 0 {
		field(w, "serial", "%d", h.Serial)
	}
	for _, t := range []struct {
		name string
		time time.Time
	}{{"issued", h.Issued}, {"modified", h.Modified}, {"expires", h.Expires}} {
		if !t.time.IsZero() {
			field(w, t.name, "%s", t.time.Format(time.RFC3339))
		}
	}
	if h.Entries != 0 {
		field(w, "entries", "%d", h.Entries)
	}
	field(w, "homepage", "%s", h.Homepage)
	field(w, "appeals", "%s", h.Appeals)
	field(w, "license", "%s", h.License)
	field(w, "salt", "%s", h.Salt)
}
