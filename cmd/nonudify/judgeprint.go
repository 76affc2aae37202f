package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/nonudify/nonudify/plugin/rule"
)

// maxPrefixes is the number of prefixes that are shown to a person.
const maxPrefixes = 8

// print writes the judgement for a person.
func (v judgement) print(w io.Writer) {
	where := ""
	if v.Server != "" {
		where = " at " + v.Server
	}
	if v.View != "" {
		where += ", view " + v.View
	}
	fmt.Fprintf(w, "%s%s: %s\n", v.Name, where, v.headline())
	if v.Match != nil {
		field(w, "rule", "%v", rule.Rule{Name: v.Match.Rule, Trigger: v.Match.Trigger, Action: v.Match.Action})
		field(w, "list", "%s", v.listed())
		field(w, "line", "%s", v.Match.position())
		field(w, "comment", "%s", v.Match.Comment)
	}
	if v.Reason != "" {
		field(w, "reason", "%s (EDE %d)", v.Reason, v.code)
	}
	if v.Answer != nil {
		field(w, "answer", "%s", v.Answer.summary())
		field(w, "error", "%s", v.Answer.explanation())
	}
	v.Clients.print(w)
	for _, r := range v.Also {
		field(w, "also", "%s", r.summary())
	}
	for _, r := range v.Refused {
		field(w, "refused", "%s: %s", r.summary(), r.Refused)
	}
	for _, m := range v.Missing {
		field(w, "missing", "%s (%s): %s", m.List, m.Source, m.Reason)
	}
	for _, text := range v.Warnings {
		field(w, "warning", "%s", text)
	}
}

// headline returns the verdict with what lets the name pass.
func (v judgement) headline() string {
	switch v.Why {
	case whyAllow:
		return passed + ", allowed by the operator"
	case whyException:
		return passed + ", an exception of the list"
	case whyClient:
		return passed + ", the list is not used for this client"
	case whyZone:
		if v.Instead != "" {
			return passed + ", queries for it go to the server block " + v.Instead
		}
		return passed + ", queries for it are not this server block's"
	}
	if v.Verdict == notKnown && v.Answer == nil {
		return notKnown + ", and answered like any other name: a list is missing"
	}
	if v.Verdict == notKnown {
		return notKnown + ": a list is missing"
	}
	if v.Shadow {
		return v.Verdict + " in shadow: counted, and answered like any other name"
	}
	return v.Verdict
}

// listed names the list that decided.
func (v judgement) listed() string {
	if v.Serial == 0 {
		return v.Match.List
	}
	return fmt.Sprintf("%s, serial %d", v.Match.List, v.Serial)
}

// position returns "file:line", as far as it is known.
func (f foundRule) position() string {
	if f.Line == 0 {
		return f.File
	}
	return fmt.Sprintf("%s:%d", f.File, f.Line)
}

// summary is a rule with its position in one line.
func (f foundRule) summary() string {
	where := f.position()
	if where == "" {
		where = "list " + f.List
	} else if where != f.List && !strings.HasPrefix(where, f.List+":") {
		where += " (" + f.List + ")"
	}
	return fmt.Sprintf("%s %v %v %s", where, f.Action, f.Trigger, f.Rule)
}

// summary is the reply in one line.
func (r *reply) summary() string {
	what := r.Rcode
	switch {
	case len(r.Addresses) > 0:
		what = strings.Join(r.Addresses, " ")
	case r.Rcode == "NOERROR":
		what = "NODATA"
	}
	out := r.Type + " " + what
	if r.TTL > 0 {
		out += fmt.Sprintf(", TTL %d", r.TTL)
	}
	if r.SOA != "" {
		out += ", SOA " + r.SOA
	}
	return out
}

// explanation is the extended error in one line.
func (r *reply) explanation() string {
	switch {
	case r.EDE == nil:
		return ""
	case r.EDE.Text == "":
		return fmt.Sprintf("EDE %d %s", r.EDE.Code, r.EDE.Name)
	}
	return fmt.Sprintf("EDE %d %s: %s", r.EDE.Code, r.EDE.Name, r.EDE.Text)
}

// print writes whom a policy is for.
func (a *audience) print(w io.Writer) {
	if a == nil {
		return
	}
	if len(a.Only) > 0 {
		field(w, "clients", "only %s", some(a.Only))
	}
	if len(a.Except) > 0 {
		field(w, "except", "%s", some(a.Except))
	}
}

// some joins the first of many words.
func some(words []string) string {
	text := strings.Join(words[:min(len(words), maxPrefixes)], " ")
	if more := len(words) - maxPrefixes; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
