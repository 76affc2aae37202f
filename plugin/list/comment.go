package list

import (
	"bytes"
	"strings"
)

// recent holds copies of the last two lines that a parser has read. A rule
// stands in the last of them, or in the one before: a redirect zone of the
// unbound format waits for the line after it.
type recent [2]struct {
	line int
	text []byte
}

// keep adds a line and drops the older one.
func (r *recent) keep(n int, text []byte) {
	r[0], r[1] = r[1], r[0]
	r[0].line, r[0].text = n, append(r[0].text[:0], text...)
}

// find returns the text of a line, nil when it is not held.
func (r *recent) find(n int) []byte {
	for _, l := range r {
		if l.line == n {
			return l.text
		}
	}
	return nil
}

// Comment returns the comment behind the rule that Scan moved to, on the same
// line, without its sign and the blanks around it; "" when there is none. It is
// at most MaxLine bytes of a stranger's text, and need not be UTF-8 or fit to be
// printed. It is valid only after Scan returned true, and made on each call.
func (s *Scanner) Comment() string {
	text := s.recent.find(s.Line())
	switch s.c.Format {
	case RPZ: // no rule has a quoted or escaped semicolon: no name does
		_, comment, _ := bytes.Cut(text, []byte(";"))
		return string(trim(comment))
	case Hosts:
		body, _ := cutHash(text)
		return afterSign(text[len(body):])
	}
	return afterSign(text[len(cutComment(text)):])
}

// Remark returns what a whole-line comment says beside the fields of a Header, without
// its sign; "" when that is nothing. A field whose value makes no sense is no field.
// What cannot be printed is left out.
func Remark(comment []byte) string {
	var remarks []string
	for rest := strings.TrimLeft(string(comment), "#!;/ \t"); rest != ""; {
		var part string
		part, rest = cutField(rest)
		if !isField(part) {
			remarks = append(remarks, strings.TrimSpace(printable(part)))
		}
	}
	return strings.Join(remarks, " # ")
}

// isField reports whether a part of a comment is a field that a Header takes over.
func isField(part string) bool {
	key, value, _ := strings.Cut(part, ":")
	var h headerReader
	err := h.set(strings.ToLower(strings.TrimSpace(key)), clean(value))
	return err == nil && (h.Header != Header{} || h.period > 0)
}

// afterSign returns the words of a comment that begins with its number sign.
func afterSign(text []byte) string {
	return string(trim(bytes.TrimPrefix(trimLeft(text), []byte("#"))))
}
