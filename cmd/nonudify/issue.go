package main

import (
	"cmp"
	"slices"
	"strings"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/policy"
)

// severity says who has to act: an error is against the rules of a source, a warning
// is for somebody to look into, a hint may be nothing at all.
type severity string

const (
	isError   severity = "error"
	isWarning severity = "warning"
	isHint    severity = "hint"
)

// issue is what is wrong with one entry of a source. Line is 0 of what is about the
// whole list.
type issue struct {
	Line     int          `json:"line,omitempty"`
	Name     dnsname.Name `json:"name,omitempty"`
	Code     string       `json:"code"`
	Severity severity     `json:"severity"`
	Text     string       `json:"text"`
}

// refusalCodes are the codes of lines that the resolver refuses, by their reason.
var refusalCodes = []struct {
	reason error
	code   string
}{
	{policy.ErrSingleLabel, "top-level"}, {policy.ErrPublicSuffix, "public-suffix"}, {policy.ErrProtected, "protected"}, {policy.ErrAbove, "above-protected"},
	{list.ErrID, "list-id"},
}

// refusalCode returns the code of a refused line.
func refusalCode(err error) string {
	for _, x := range refusalCodes {
		if sentinel(err) == x.reason {
			return x.code
		}
	}
	return "line"
}

// codeCount is how often a list has issues of one code.
type codeCount struct {
	Code     string   `json:"code"`
	Severity severity `json:"severity"`
	Count    int      `json:"count"`
}

// countCode enters an issue into the books.
func countCode(codes []codeCount, x issue) []codeCount {
	i := slices.IndexFunc(codes, func(c codeCount) bool { return c.Code == x.Code && c.Severity == x.Severity })
	if i < 0 {
		i = len(codes)
		codes = append(codes, codeCount{Code: x.Code, Severity: x.Severity})
	}
	codes[i].Count++
	return codes
}

// sortCodes brings the worst first, and of these the most frequent.
func sortCodes(codes []codeCount) {
	rank := []severity{isError, isWarning, isHint}
	slices.SortFunc(codes, func(a, b codeCount) int {
		return cmp.Or(slices.Index(rank, a.Severity)-slices.Index(rank, b.Severity), b.Count-a.Count, strings.Compare(a.Code, b.Code))
	})
}

// sortIssues brings them into the order of the lines.
func sortIssues(issues []issue) {
	slices.SortFunc(issues, func(a, b issue) int {
		return cmp.Or(a.Line-b.Line, strings.Compare(a.Code, b.Code), strings.Compare(a.Text, b.Text))
	})
}
