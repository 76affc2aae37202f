package list

import (
	"bytes"
	"fmt"

	"github.com/nonudify/nonudify/plugin/rule"
)

// adblock reads the adblock format. What it makes of patterns and modifiers
// stands in the package documentation.
type adblock struct {
	stateless
	depth int // of !#if
}

// comment knows "!" lines that are no directives, the "[Adblock Plus 2.0]"
// line, and "#" lines that are no rules about parts of a page.
func (*adblock) comment(text []byte) bool {
	switch text[0] {
	case '!':
		return !isDirective(text)
	case '[':
		return text[len(text)-1] == ']'
	case '#':
		return !isCosmetic(text)
	}
	return false
}

// excepts knows "@@" in front of a pattern, and the modifier that takes another rule
// back.
func (*adblock) excepts(text []byte) bool {
	return bytes.HasPrefix(text, []byte("@@")) || bytes.HasSuffix(cutNote(text), []byte("badfilter"))
}

// isDirective reports whether a "!" line changes the meaning of other lines.
func isDirective(text []byte) bool {
	if text[0] != '!' {
		return false
	}
	for _, d := range []string{"!#if", "!#else", "!#endif", "!#include"} {
		if bytes.HasPrefix(text, []byte(d)) {
			return true
		}
	}
	return false
}

// isCosmetic tells "##.banner" and its relatives from a comment such as
// "## Title" or "####".
func isCosmetic(text []byte) bool {
	tail := bytes.TrimLeft(text[1:], "@?$%")
	return len(tail) > 1 && tail[0] == '#' && tail[1] != '#' && !isBlank(tail[1])
}

func (p *adblock) line(s *Scanner, text []byte) {
	text = trimLeft(text)
	switch {
	case isDirective(text):
		p.directive(s, text)
	case p.depth > 0: // what the condition asks for, a resolver cannot know
		s.refuse(ErrCondition, text)
	default:
		p.rule(s, cutNote(text), text)
	}
}

// cutNote drops a trailing comment, "# " after a blank.
func cutNote(text []byte) []byte {
	if before, _, ok := bytes.Cut(text, []byte(" # ")); ok {
		return trimRight(before)
	}
	return text
}

func (p *adblock) directive(s *Scanner, text []byte) {
	switch {
	case bytes.HasPrefix(text, []byte("!#include")):
		s.refuse(ErrDirective, text)
	case bytes.HasPrefix(text, []byte("!#if")):
		p.depth++
	case bytes.HasPrefix(text, []byte("!#endif")) && p.depth > 0:
		p.depth--
	}
}

// rule reads a rule from body; text is the whole line, for errors.
func (p *adblock) rule(s *Scanner, body, text []byte) {
	first, rest := field(body)
	if len(rest) > 0 {
		if _, ok := isNull(first); ok {
			hosts{}.line(s, text)
			return
		}
		s.refuse(ErrPattern, text)
		return
	}
	if bytes.IndexByte(body, '#') >= 0 || bytes.Contains(body, []byte("$$")) {
		s.refuse(ErrCosmetic, text)
		return
	}
	action := rule.Block
	if b, ok := bytes.CutPrefix(body, []byte("@@")); ok {
		body, action = b, rule.Pass
	}
	name, trigger, mods := pattern(body, action)
	if trigger == 0 {
		s.refuse(ErrPattern, text)
		return
	}
	if err := checkModifiers(mods, action); err != nil {
		s.refuse(err, text)
		return
	}
	s.addName(action, trigger, name)
}

// pattern takes a pattern apart that means one name and what is below it; the
// trigger is zero for any other. mods is what follows the pattern.
func pattern(body []byte, action rule.Action) (name []byte, t rule.Trigger, mods []byte) {
	bars := 0
	for bars < len(body) && body[bars] == '|' {
		bars++
	}
	anchored := body[bars:]
	end := nameEnd(anchored)
	if bars == 0 && action == rule.Block && plainName(body) {
		return body, rule.Subtree, nil
	}
	if bars == 0 || bars > 2 || end == len(anchored) || anchored[end] != '^' && anchored[end] != '|' {
		return nil, 0, nil
	}
	name, mods = anchored[:end], bytes.TrimPrefix(anchored[end:], []byte("^"))
	mods = bytes.TrimPrefix(mods, []byte("|"))
	if len(mods) > 0 && mods[0] != '$' {
		return nil, 0, nil
	}
	if bars == 1 {
		t = rule.Exact
	} else {
		t = rule.Subtree
		if below, ok := bytes.CutPrefix(name, []byte("*.")); ok {
			name, t = below, rule.Below
		}
	}
	if bytes.IndexByte(name, '*') >= 0 {
		return nil, 0, nil
	}
	return name, t, mods
}

// beyondName marks the bytes by which a pattern means something other than a
// name. The asterisk is not one: it may stand in front.
var beyondName = byteSet("^|/:$,=&?%~+!@()[]{}<>'\"")

func byteSet(s string) (set [256]bool) {
	for _, c := range []byte(s) {
		set[c] = true
	}
	return set
}

// nameEnd returns the length of the part of a pattern that may be a name.
func nameEnd(p []byte) int {
	for i, c := range p {
		if beyondName[c] {
			return i
		}
	}
	return len(p)
}

// plainName reports whether a line is nothing but a name of two labels or more.
// One label alone is a keyword.
func plainName(text []byte) bool {
	dot := bytes.IndexByte(text, '.')
	return dot > 0 && dot < len(text)-1 && nameEnd(text) == len(text) && bytes.IndexByte(text, '*') < 0
}

// checkModifiers returns nil if a rule with these modifiers, "" or beginning
// with "$", means no less than the same rule without them.
func checkModifiers(mods []byte, action rule.Action) error {
	if len(mods) == 0 {
		return nil
	}
	for m := range bytes.SplitSeq(mods[1:], []byte(",")) {
		if !harmless(string(m), action) {
			return fmt.Errorf("%w %.20q", ErrModifier, m)
		}
	}
	return nil
}

// harmless reports whether a modifier leaves the meaning of a rule as it is for
// a filter that sees names only.
func harmless(m string, action rule.Action) bool {
	switch m {
	case "important", "match-case", "_":
		return true
	case "all", // of a page's requests; an exception cannot have it
		"dnsrewrite=NXDOMAIN", "dnsrewrite=NXDOMAIN;;", "dnsrewrite=REFUSED", "dnsrewrite=REFUSED;;",
		"dnsrewrite=NOERROR;;", "dnsrewrite=0.0.0.0", "dnsrewrite=::":
		return action == rule.Block
	}
	return false
}
