package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/feed"
	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/provenance"
	"github.com/nonudify/nonudify/plugin/rule"
)

// What of the comments behind the entries is published.
const (
	commentsPublic = "public" // without notes and appeals, which are for editors
	commentsAll    = "all"
	commentsNone   = "none"
)

// knownEntries are the names of which something is known.
type knownEntries map[dnsname.Name]provenance.Record

// manuscript is the source of a list, read once: what resolvers would use of it, what
// lint says of it, and what is known of its entries.
type manuscript struct {
	converted
	file   string
	report *report
	known  knownEntries
	plain  bool // every rule blocks a name with all below it, so that a line can say all of it
	over   bool // there are too many entries for their comments to be kept
}

// source reads the list as lint does.
func (c *publishFlags) source(e *env, name string) (*manuscript, error) {
	body, err := openAny(e, name)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	famous, err := famousWith(e, c.never)
	if err != nil {
		return nil, err
	}
	m := &manuscript{file: name, plain: true, known: knownEntries{}}
	m.report = &report{File: name, max: maxShown}
	m.report.editor = &editor{now: e.now(), demand: c.demand, famous: famous, report: m.note}
	m.List, err = loadGuarded(body, body.Modified, feed.LoadConfig{File: name, Format: c.format, Refused: m.report.refuse, Seen: m.see})
	if m.List == nil {
		return nil, err
	}
	m.report.fill(m.List, err)
	if err == nil && m.Set.Blinded() {
		return nil, fmt.Errorf("%s: is blinded: nobody knows its names, so it cannot be published as anything else", name)
	}
	return m, nil
}

// note takes an issue that lint has found. Errors are kept, others only counted.
func (m *manuscript) note(x issue) {
	if x.Severity == isError {
		m.report.note(x)
		return
	}
	m.report.Codes = countCode(m.report.Codes, x)
}

// see passes a rule on to lint, and keeps what is known of it.
func (m *manuscript) see(r rule.Rule, line int, comment func() string, refused error) {
	m.report.see(r, line, comment, refused)
	if refused != nil {
		return
	}
	m.converted.see(r, line, comment, nil)
	m.plain = m.plain && r.Action == rule.Block && r.Trigger == rule.Subtree
	text := comment()
	if !provenance.Is(text) {
		return
	}
	if m.over = m.over || len(m.known) == maxHeld; m.over {
		return
	}
	if known, err := provenance.Parse(text); err == nil { // else lint refuses it
		m.known[r.Name] = known
	}
}

// faults returns why the list must not be published: what lint calls an error. A
// header that is wrong about its entries or its life is among it; what publish
// writes into the header itself is not.
func (m *manuscript) faults(p *publication) (faults []string) {
	r := m.report
	if !r.Taken {
		return []string{"would be refused: " + strings.TrimPrefix(r.Error, m.file+": ")}
	}
	for _, l := range r.Lines {
		faults = append(faults, fmt.Sprintf("line %d: %s", l.Line, l.Reason))
	}
	for _, x := range r.Issues {
		faults = append(faults, fmt.Sprintf("line %d: %s: %s (%s)", x.Line, x.Name, x.Text, x.Code))
	}
	if n := m.Header.Entries; n != 0 && !r.explains(n) {
		faults = append(faults, fmt.Sprintf("the header counts %d entries, the file holds %d: correct it, or leave it out, as it is counted here", n, r.Rules+r.Refused))
	}
	if n := r.More + r.Omitted; n > 0 {
		faults = append(faults, fmt.Sprintf("and more, which 'nonudify lint -max 0 %s' shows", m.file))
	}
	return append(faults, p.lacks(m.Header)...)
}

// warn tells what a person should look into although the list is published.
func (m *manuscript) warn(e *env) {
	for _, x := range m.report.Codes {
		if x.Severity == isWarning {
			e.note("warning: %s: %s of lint: %s", m.file, count(x.Count, "warning", "warnings"), x.Code)
		}
	}
	if m.over {
		e.note("warning: %s: has more than %d entries with comments, which are left out", m.file, maxHeld)
	}
}

// comments returns what is published of the comments, nil for nothing.
func (m *manuscript) comments(which string) knownEntries {
	if which == commentsNone || !m.plain || m.over || len(m.known) == 0 {
		return nil
	}
	if which == commentsPublic {
		for name, r := range m.known {
			m.known[name] = public(r)
		}
	}
	return m.known
}

// commented writes the list as its source has it, with what is known of its entries,
// in the order of the other files.
func (m *manuscript) commented(ctx context.Context, e *env, w io.Writer, h list.Header, known knownEntries) (list.Written, error) {
	h.Entries = m.Set.Len()
	out := bufio.NewWriter(w)
	out.Write(h.Comments())
	for x := range m.entries(ctx, e.bar) {
		out.WriteString(string(x.Name))
		if text := known[x.Name].String(); text != "" {
			out.WriteString(" # " + text)
		}
		out.WriteByte('\n')
	}
	return list.Written{Rules: h.Entries}, out.Flush()
}
