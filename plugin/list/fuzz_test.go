package list_test

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/rule"
)

func itoa(n int) string { return strconv.Itoa(n) }

// FuzzScanner checks what holds of any text in any format: every line is
// accounted for, every name is canonical, the size of the reader's pieces does
// not matter, and no line blocks a name that does not stand in it.
func FuzzScanner(f *testing.F) {
	for _, format := range published {
		text := fixture(f, format)
		f.Add(text, uint8(format))
		for line := range bytes.Lines(text) {
			if len(line) < 200 {
				f.Add(line, uint8(format))
			}
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, n uint8) {
		format := list.Format(n % uint8(len(published)+1))
		s, events := read(bytes.NewReader(text), format)
		slow, slowEvents := read(iotest.OneByteReader(bytes.NewReader(text)), format)
		if got, want := dump(slow, slowEvents), dump(s, events); got != want {
			t.Fatalf("byte by byte:\n%s\nat once:\n%s", got, want)
		}
		checkStats(t, s, events, text)
		lines := bytes.Split(text, []byte("\n"))
		for _, e := range events {
			if !strings.HasPrefix(e.text, "refused: ") {
				checkRule(t, s.Format(), e, lines)
			}
		}
	})
}

// checkStats wants each line counted as what it is.
func checkStats(t *testing.T, s *list.Scanner, events []event, text []byte) {
	t.Helper()
	st := s.Stats()
	if st.Lines+st.Extra != st.Rules+st.Comments+st.Refused || st.Rules+st.Refused != len(events) {
		t.Fatalf("unaccounted for: %+v, %d events", st, len(events))
	}
	n := bytes.Count(text, []byte("\n"))
	if len(text) > 0 && text[len(text)-1] != '\n' {
		n++
	}
	if s.Err() == nil && st.Lines != n {
		t.Fatalf("%d lines read of %d", st.Lines, n)
	}
	for _, e := range events {
		if e.line < 1 || e.line > n {
			t.Fatalf("line %d of %d: %s", e.line, n, e.text)
		}
	}
}

// checkRule wants a canonical name that the rule's line spells out.
func checkRule(t *testing.T, format list.Format, e event, lines [][]byte) {
	t.Helper()
	f := strings.Fields(e.text) // action, trigger, name
	name := f[2]
	if format == list.Hashes {
		if f[0] != "block" || f[1] != "subtree" || !strings.Contains(strings.ToLower(string(lines[e.line-1])), name) {
			t.Fatalf("line %q: %q", lines[e.line-1], e.text)
		}
		return
	}
	if again, err := dnsname.Parse(name); err != nil || string(again) != name {
		t.Fatalf("%q is not canonical: %q, %v", name, again, err)
	}
	if f[0] != rule.Block.String() && f[0] != rule.Pass.String() {
		t.Fatalf("action of %q", e.text)
	}
	line := strings.ToLower(string(lines[e.line-1]))
	spelt := !slices.ContainsFunc([]byte(line), func(c byte) bool { return c >= 0x80 || c == '\\' })
	if format == list.RPZ { // where the name may come from lines before or after
		text := bytes.ToUpper(bytes.Join(lines, nil))
		spelt = spelt && !bytes.Contains(text, []byte("$ORIGIN")) && !bytes.Contains(text, []byte("SOA")) &&
			!strings.ContainsAny(line, "@(\"") && strings.TrimLeft(line, " \t\r\f\v") == line
	}
	if spelt && !strings.Contains(line, name) {
		t.Fatalf("line %q blocks %q", line, name)
	}
}

// FuzzWrite writes whatever was read to each target that can be read again: none
// of it is refused, and no name is blocked that was not before.
func FuzzWrite(f *testing.F) {
	for _, format := range published {
		if format != list.Hashes {
			f.Add(fixture(f, format), uint8(format))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, n uint8) {
		b := book{}
		s := list.NewScanner(bytes.NewReader(text), list.Config{Format: list.Format(n % uint8(list.Hashes))})
		for s.Scan() && len(b) < 50 {
			if s.Format() == list.Hashes {
				return
			}
			b.add(s.Rule())
		}
		for _, to := range list.Targets() {
			var out bytes.Buffer
			_, err := list.Write(&out, b.entries(), list.WriteConfig{To: to, Header: s.Header()})
			if errors.Is(err, list.ErrNothing) || errors.Is(err, list.ErrException) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if to.Format() == list.Auto || to == list.ToHashes {
				continue
			}
			back, _ := scanned(t, out.String(), to.Format())
			for _, q := range back.questions() {
				if back.blocks(q) && !b.blocks(q) {
					t.Fatalf("%v blocks %s:\n%s", to, q, out.String())
				}
			}
		}
	})
}
