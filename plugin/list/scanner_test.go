package list_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/rule"
)

// verdicts scans a text and returns its rules, and its refusals by line.
func verdicts(text string, f list.Format) (rules []string, refused []*rule.LineError, s *list.Scanner) {
	s = list.NewScanner(strings.NewReader(text), list.Config{
		File: "f", Format: f,
		Refused: func(e *rule.LineError) { refused = append(refused, e) },
	})
	for s.Scan() {
		rules = append(rules, fmt.Sprintf("%d %v", s.Line(), s.Rule()))
	}
	return rules, refused, s
}

// TestRefusedFile has the files that are no lists.
func TestRefusedFile(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		err        error
	}{
		{"page", "<!DOCTYPE html>\n<html>x.example</html>", list.ErrHTML},
		{"page after a mark and blank lines", "\uFEFF\r\n \r\n  <HTML>", list.ErrHTML},
		{"XML", `<?xml version="1.0"?><Error/>`, list.ErrHTML},
		{"UTF-16", "\xff\xfex\x00.\x00e\x00", list.ErrBinary},
		{"gzip", "\x1f\x8b\x08\x00", list.ErrBinary},
		{"zeros", strings.Repeat("\x00", 4096), list.ErrBinary},
		{"noise", strings.Repeat("x.example\x01\x02\n", 100), list.ErrBinary},
		{"not found", "404: Not Found", list.ErrRefused},
		{"JSON", "{\n\"message\": \"Not Found\"\n}", list.ErrRefused},
		{"mostly refused", "a.example\n" + strings.Repeat("no name\n", 2), list.ErrRefused},
		{"half refused", strings.Repeat("a.example\nno name\n", 9), nil},
		{"one NUL", "a.example\nb\x00.example\n", nil},
		{"page in a comment", "# <html>\na.example\n", nil},
		{"page in the middle", "a.example\nb.example\n<html>\n</html>\n", nil},
		{"nothing", "", nil},
		{"comments", "# a\n\n# b", nil},
	} {
		for _, f := range []list.Format{list.Auto, list.Domains} {
			_, _, s := verdicts(tt.text, f)
			if err := s.Err(); !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
				t.Errorf("%s as %s: error %v, want %v", tt.name, f, err, tt.err)
			} else if err != nil && !strings.HasPrefix(err.Error(), "f: ") {
				t.Errorf("%s: error without the file's name: %v", tt.name, err)
			}
			if s.Scan() {
				t.Errorf("%s: goes on after its end", tt.name)
			}
		}
	}
}

// TestReadError wants the error of the reader, and no rule from a line that it
// cut off.
func TestReadError(t *testing.T) {
	broken := errors.New("connection reset")
	big := strings.Repeat("filler.example\n", 10_000) // more than Auto looks at
	for _, text := range []string{"a.example\nbadsite.exam", big + "a.example\nbadsite.exam", big + strings.Repeat("x", 100_000)} {
		r := io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken), strings.NewReader("ple\n"))
		s := list.NewScanner(r, list.Config{File: "f"})
		for s.Scan() {
			if n := s.Rule().Name; n == "badsite.exam" || n == "ple" {
				t.Errorf("rule %q from half a line", n)
			}
		}
		if err := s.Err(); !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "f: ") {
			t.Errorf("error %v, want %v with the file's name", err, broken)
		}
	}
}

// once is a reader that fails and then goes on.
type once struct{ err error }

func (o *once) Read([]byte) (int, error) {
	err := o.err
	o.err = io.EOF
	return 0, err
}

// TestReadErrorInRecord has the reader fail while a record waits for its end,
// and wants nothing from behind the gap.
func TestReadErrorInRecord(t *testing.T) {
	broken := errors.New("connection reset")
	head := strings.Repeat("filler.example CNAME .\n", 5_000) + "x.example (\n"
	r := io.MultiReader(strings.NewReader(head), &once{broken}, strings.NewReader("CNAME . )\nbehind.example CNAME .\n"))
	s := list.NewScanner(r, list.Config{})
	for s.Scan() {
		if s.Rule().Name != "filler.example" {
			t.Errorf("rule %v", s.Rule())
		}
	}
	if !errors.Is(s.Err(), broken) {
		t.Errorf("error %v, want %v", s.Err(), broken)
	}
}

// TestLineLimit goes to both sides of MaxLine, with every line end and the
// longest lines.
func TestLineLimit(t *testing.T) {
	pad := func(n int) string { return "x.example #" + strings.Repeat("a", n-len("x.example #")) }
	for _, end := range []string{"", "\n", "\r\n"} {
		for _, tt := range []struct {
			n    int
			rule bool
		}{
			{list.MaxLine, true}, {list.MaxLine + 1, false}, {64<<10 - 1, false}, {64 << 10, false},
			{64<<10 + 1, false}, {1 << 20, false},
		} {
			text := "first.example\n" + pad(tt.n) + end
			if end != "" {
				text += "last.example"
			}
			rules, refused, s := verdicts(text, list.Domains)
			want := 1
			if tt.rule {
				want++
			}
			if end != "" {
				want++
			}
			if len(rules) != want || (len(refused) == 0) != tt.rule || s.Err() != nil {
				t.Errorf("line of %d bytes, end %q: rules %q, refused %d, %v", tt.n, end, rules, len(refused), s.Err())
			}
			if !tt.rule && !errors.Is(refused[0], list.ErrLineTooLong) {
				t.Errorf("line of %d bytes: %v", tt.n, refused[0])
			}
		}
	}
	_, refused, s := verdicts("#"+strings.Repeat("a", 1<<20)+"\nx.example\n", list.Domains)
	if st := s.Stats(); len(refused) > 0 || st.Comments != 1 || st.Rules != 1 || s.Format() != list.Domains {
		t.Errorf("long comment: %+v, refused %v", st, refused)
	}
}

// TestExcerpt wants refusals short and printable, whatever the line holds.
func TestExcerpt(t *testing.T) {
	for _, text := range []string{
		strings.Repeat("a", 4000) + ".example",
		"\x1b[31mred\x1b[0m x",
		"\u202Eevil\u202C.example x",
		strings.Repeat("ü", 2000) + ".example",
		"||x.example^$\x1b[31m" + strings.Repeat("m", 3000),
		"\xff\xfe\xfd x.example",
		"x\x00y",
	} {
		for _, f := range published {
			_, refused, _ := verdicts("ok.example\n"+text+"\n", f)
			for _, e := range refused {
				msg := e.Error()
				if len(msg) > 500 || strings.ContainsFunc(msg, func(r rune) bool { return r < ' ' || r == '\u202E' }) {
					t.Errorf("%s: %q", f, msg)
				}
			}
		}
	}
}

// TestNoRefused has a caller that does not ask for refusals.
func TestNoRefused(t *testing.T) {
	s := list.NewScanner(strings.NewReader("a.example\nno name\n"), list.Config{})
	for s.Scan() {
	}
	if st := s.Stats(); st != (list.Stats{Lines: 2, Rules: 1, Refused: 1}) || s.Err() != nil {
		t.Errorf("%+v, %v", st, s.Err())
	}
}

func TestFormatText(t *testing.T) {
	for _, f := range append([]list.Format{list.Auto}, published...) {
		text, _ := f.MarshalText()
		var back list.Format
		if err := back.UnmarshalText(text); err != nil || back != f {
			t.Errorf("%s: back as %s, %v", text, back, err)
		}
	}
	var f list.Format
	if err := f.UnmarshalText([]byte("toml")); err == nil {
		t.Error("toml is no format")
	}
	if got := list.Format(200).String(); got != "format(200)" {
		t.Error(got)
	}
}
