package directive

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/nonudify/nonudify/plugin/builtin"
	"github.com/nonudify/nonudify/plugin/policy"
)

// maxListName bounds the name of a list, which becomes a label of metrics.
const maxListName = 64

// reserved are the names that verdicts give to the operator's own rules.
var reserved = []string{policy.AllowList, BlockList}

// list reads a list property: the source, then options.
func (p *parser) list(args []string) error {
	l := List{Source: args[0]}
	switch {
	case l.Source == "":
		return p.Errf("the source of a list is empty")
	case strings.Contains(l.Source, "://"):
		return p.Errf("'%s': a list is %s or the path of a file", l.Source, builtin.Name)
	case l.Source != builtin.Name:
		if l.Source = p.path(l.Source); l.Source == builtin.Name { // a file of that name
			l.Source = "./" + l.Source
		}
	}
	if err := p.listOptions(&l, args[1:]); err != nil {
		return err
	}
	if l.Name == "" {
		l.Name = listName(l.Source)
	}
	if err := p.checkListName(l.Name); err != nil {
		return err
	}
	p.config.Lists = append(p.config.Lists, l)
	return nil
}

// listOptions reads pairs of an option and its value.
func (p *parser) listOptions(l *List, args []string) error {
	given := map[string]bool{}
	for pair := range slices.Chunk(args, 2) {
		if len(pair) < 2 {
			return p.Errf("list option '%s' has no value", pair[0])
		}
		if option := pair[0]; given[option] {
			return p.Errf("list option '%s' is given twice", option)
		}
		given[pair[0]] = true
		switch option, value := pair[0], pair[1]; option {
		case "name":
			if l.Name = value; value == "" {
				return p.Errf("the name of a list is empty")
			}
		case "format":
			if err := p.text([]string{value}, &l.Format); err != nil {
				return err
			}
		case "reason":
			l.Reason = new(policy.Reason)
			if err := p.text([]string{value}, l.Reason); err != nil {
				return err
			}
		default:
			return p.Errf("unknown list option '%s': want name, format or reason", option)
		}
	}
	return nil
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
