package directive

import "github.com/nonudify/nonudify/plugin/rule"

// position is where a Corefile names what is read later. The zero value is for
// what no file names.
type position struct {
	file string
	line int
}

// position returns that of the current token, where the Tokens know it: the
// server's controller and the dispenser of its lexer do.
func (p *parser) position() position {
	t, ok := p.Tokens.(interface {
		File() string
		Line() int
	})
	if !ok {
		return position{}
	}
	return position{t.File(), t.Line()}
}

// of says of an error where what it is about is named: it becomes a
// rule.LineError if that is known.
func (p position) of(err error) error {
	if p == (position{}) {
		return err
	}
	return &rule.LineError{File: p.file, Line: p.line, Err: err}
}
