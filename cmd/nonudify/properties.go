package main

import (
	"slices"

	"github.com/nonudify/nonudify/plugin/directive"
)

// properties is a nonudify directive that is made of a command line. It is read
// by the grammar of the Corefile, which so judges both alike.
type properties struct {
	lines [][]string // the directive itself, then each property with its arguments
	at    int
}

// properties returns a directive with one list.
func (c *fetchFlags) properties(urls []string, state string) (*properties, error) {
	list := append([]string{"list"}, urls...)
	for _, name := range []string{"format", "signature", "id", "shrink", "max"} {
		if value, ok := c.options[name]; ok {
			list = append(list, name, value)
		}
	}
	for _, arg := range c.keys {
		k, err := publicKey(arg)
		if err != nil {
			return nil, err
		}
		list = append(list, "key", k.String())
	}
	p := &properties{lines: [][]string{{directive.Name}, append(list, "name", "list")}}
	for _, more := range [][]string{append([]string{"bootstrap"}, c.bootstrap...), {"state", state}} {
		if len(more) > 1 && more[1] != "" {
			p.lines = append(p.lines, more)
		}
	}
	return p, nil
}

// NextBlock goes to the next property.
func (p *properties) NextBlock() bool {
	p.at++
	return p.at < len(p.lines)
}

// Val returns the name of the property.
func (p *properties) Val() string { return p.lines[p.at][0] }

// RemainingArgs returns its arguments.
func (p *properties) RemainingArgs() []string { return slices.Clone(p.lines[p.at][1:]) }

// ArgErr says that there are too many arguments, or too few.
func (p *properties) ArgErr() error { return usagef("wrong number of values for %s", p.Val()) }

// Errf says what is wrong. There is no file and no line to name.
func (p *properties) Errf(format string, args ...any) error { return usagef(format, args...) }
