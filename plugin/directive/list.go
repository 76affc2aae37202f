package directive

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nonudify/nonudify/plugin/builtin"
	"github.com/nonudify/nonudify/plugin/feed"
	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/policy"
)

// maxListName bounds the name of a list, which becomes a label of metrics.
const maxListName = 64

// reserved are the names that verdicts give to the operator's own rules.
var reserved = []string{policy.AllowList, policy.BlockList, policy.BypassList}

// list reads a list property: the sources, then options.
func (p *parser) list(args []string) error {
	n := 1
	for n < len(args) && isURL(args[n]) {
		n++
	}
	l := List{Sources: args[:n:n]}
	if err := p.sources(&l); err != nil {
		return err
	}
	if isURL(l.Sources[0]) { // whoever changes a file of his own means it
		l.Shrink = defaultShrink
	}
	if err := p.listOptions(&l, args[n:]); err != nil {
		return err
	}
	if err := p.suit(&l); err != nil {
		return err
	}
	if l.Name == "" {
		l.Name = listName(l.Sources[0])
	}
	if err := p.checkListName(l.Name); err != nil {
		return err
	}
	p.config.Lists = append(p.config.Lists, l)
	return nil
}

// sources checks what the list is read from.
func (p *parser) sources(l *List) error {
	first := l.Sources[0]
	scheme, _, _ := strings.Cut(first, ":")
	switch {
	case first == "":
		return p.Errf("the source of a list is empty")
	case isURL(first):
		for _, s := range l.Sources {
			if _, err := parseURL(s); err != nil {
				return p.Errf("%v", err)
			}
		}
		return nil
	case schemes[strings.ToLower(scheme)] != "":
		return p.Errf("'%s' is no URL: two slashes follow the colon", show(first))
	case len(l.Sources) > 1:
		return p.Errf("'%s': only a URL has mirrors", show(first))
	case first != builtin.Name:
		file := p.path(first)
		if file == builtin.Name { // a file of that name
			file = "./" + file
		}
		l.Sources = []string{file}
	}
	return nil
}

// suit checks options that depend on one another and on the source.
func (p *parser) suit(l *List) error {
	if l.Signature != "" && len(l.Keys) == 0 {
		return p.Errf("a signature is of no use without a key")
	}
	if l.Sources[0] == builtin.Name && (len(l.Keys) > 0 || l.Refresh > 0) {
		return p.Errf("the built-in list is a part of the program: it is neither signed nor refreshed")
	}
	if l.Addresses && (l.Sources[0] == builtin.Name || l.Format != list.Auto && l.Format != list.RPZ) {
		return p.Errf("'addresses on': only a list of format rpz has rules about addresses")
	}
	if !isURL(l.Sources[0]) {
		return nil
	}
	return p.suitURLs(l)
}

// addresses reads whether the response-address triggers of a list are honoured.
func (p *parser) addresses(l *List, value string) error {
	on, err := p.onOff("addresses", value)
	if err != nil {
		return err
	}
	l.Addresses = on
	if on && p.uninspected == nil {
		p.uninspected = p.Errf("'addresses on' does nothing with 'inspect off': addresses are found in answers only")
	}
	return nil
}

// suitURLs checks what the schemes ask for.
func (p *parser) suitURLs(l *List) error {
	first, _ := parseURL(l.Sources[0])
	for _, s := range l.Sources {
		u, _ := parseURL(s)
		switch {
		case isZone(u) != isZone(first) || isZone(u) && u.Path != first.Path:
			return p.Errf("'%s' is no mirror of '%s': mirrors have the same bytes, or the same zone", redact(u), redact(first))
		case u.Scheme == "http" && len(l.Keys) == 0:
			return p.Errf("'%s': over plain http anybody on the way may change the list: it needs a key, or https", redact(u))
		case isZone(u) && len(l.Keys) > 0:
			return p.Errf("'%s': a zone transfer has no signature of this kind: use tsig, and axfrs", redact(u))
		case isZone(u) && l.Format != list.Auto && l.Format != list.RPZ:
			return p.Errf("'%s': a zone is of format rpz", redact(u))
		}
	}
	if isZone(first) {
		l.Format = list.RPZ
	}
	return nil
}

const (
	// defaultShrink is by how many percent a list may fall that somebody else
	// changes.
	defaultShrink = 20
	// minRefresh is the shortest time between two rounds.
	minRefresh = time.Second
)

// listOptions are the names of the options of a list.
var listOptions = []string{"name", "format", "reason", "key", "signature", "id", "refresh", "shrink", "max", "addresses"}

// listOptions reads pairs of an option and its value.
func (p *parser) listOptions(l *List, args []string) error {
	given := map[string]bool{}
	for pair := range slices.Chunk(args, 2) {
		option := pair[0]
		if !slices.Contains(listOptions, option) {
			return p.Errf("unknown list option '%s': want %s; only URLs have mirrors, side by side", show(option), strings.Join(listOptions, ", "))
		}
		if len(pair) < 2 {
			return p.Errf("list option '%s' has no value", option)
		}
		value := pair[1]
		if given[option] && option != "key" {
			return p.Errf("list option '%s' is given twice", option)
		}
		given[option] = true
		if err := p.listOption(l, option, value); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) listOption(l *List, option, value string) error {
	switch {
	case value == "":
		return p.Errf("list option '%s' is empty", option)
	case option != "signature" && isURL(value):
		return p.Errf("list option '%s' is no URL", option)
	}
	var err error
	switch option {
	case "name":
		l.Name = value
	case "format":
		return p.text([]string{value}, &l.Format)
	case "reason":
		l.Reason = new(policy.Reason)
		err = p.text([]string{value}, l.Reason)
		p.mustTell(*l.Reason)
		return err
	case "key":
		var k feed.Key
		k, err = feed.ParseKey(value)
		l.Keys = append(l.Keys, k)
	case "signature":
		l.Signature, err = p.signature(value)
	case "id":
		l.ID = value
	case "refresh":
		if l.Refresh, err = time.ParseDuration(value); err != nil || l.Refresh < minRefresh {
			return p.Errf("bad refresh '%s': want a duration of %v or more, such as 30m", value, minRefresh)
		}
	case "shrink":
		l.Shrink, err = parseShrink(value)
	case "max":
		l.MaxBytes, err = parseBytes(value)
	case "addresses":
		return p.addresses(l, value)
	}
	if err != nil {
		return p.Errf("%v", err)
	}
	return nil
}

// signature reads where a signature is: a URL, or the path of a file.
func (p *parser) signature(value string) (string, error) {
	if !isURL(value) {
		return p.path(value), nil
	}
	u, err := parseURL(value)
	if err == nil && isZone(u) {
		err = fmt.Errorf("'%s': a signature is a file", redact(u))
	}
	return value, err
}

// parseShrink reads a number of percent, or off.
func parseShrink(s string) (int, error) {
	if s == "off" {
		return 0, nil
	}
	n, err := strconv.Atoi(strings.TrimSuffix(s, "%"))
	switch {
	case err != nil || n < 0 || n >= 100:
		return 0, fmt.Errorf("bad shrink '%s': want a number of percent below 100, or off", s)
	case n == 0:
		return feed.NoFall, nil
	}
	return n, nil
}

// maxListBytes bounds what max may say: a set can index 2 GiB of names.
const maxListBytes = 16 << 30

// parseBytes reads a number of bytes, in units of 1024 if it ends in K, M or G, or in their lower case.
func parseBytes(s string) (int64, error) {
	digits, shift := s, 0
	for i, unit := range []string{"K", "M", "G"} {
		if d, ok := strings.CutSuffix(strings.ToUpper(strings.TrimSuffix(s, "iB")), unit); ok {
			digits, shift = d, 10*(i+1)
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n <= 0 || n > maxListBytes>>shift {
		return 0, fmt.Errorf("bad max '%s': want a number of bytes up to 16G, such as 64M", s)
	}
	return n << shift, nil
}

func (p *parser) checkListName(name string) error {
	if len(name) > maxListName || strings.ContainsFunc(name, func(c rune) bool { return c <= ' ' || c > '~' || c == '"' }) {
		return p.Errf("list name '%.80s': want at most %d printable characters without spaces", name, maxListName)
	}
	if slices.Contains(reserved, name) {
		return p.Errf("list name '%s' is reserved for the property of that name", name)
	}
	if slices.ContainsFunc(p.config.Lists, func(l List) bool { return l.Name == name }) {
		return p.Errf("two lists are named '%s': give one of them another with 'name'", name)
	}
	return nil
}

// listName is the name of a list that was not given any: the file's, without
// its extension if it is not all extension.
func listName(source string) string {
	base := filepath.Base(source)
	if u, err := parseURL(source); err == nil && isURL(source) {
		if base = path.Base(u.Path); base == "/" || base == "." {
			base = u.Hostname()
		}
		if isZone(u) {
			return base
		}
	}
	if name := strings.TrimSuffix(base, filepath.Ext(base)); name != "" {
		return name
	}
	return base
}

// path takes relative paths from the root of the Corefile's files.
func (p *parser) path(arg string) string {
	if filepath.IsAbs(arg) || p.root == "" {
		return filepath.Clean(arg)
	}
	return filepath.Join(p.root, arg)
}
