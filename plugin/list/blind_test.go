package list_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/rule"
)

// demoSalt is 00 01 02 … 0f.
func demoSalt() (s rule.Salt) {
	for i := range s {
		s[i] = byte(i)
	}
	return s
}

// hashed returns the lines of a blinded list of the names, sorted.
func hashed(salt rule.Salt, names ...dnsname.Name) []string {
	var lines []string
	for _, n := range names {
		lines = append(lines, rule.HashName(salt, n).String())
	}
	slices.Sort(lines)
	return lines
}

// blindFixture makes the fixture of the format: a list as publishers write it,
// then what may be met in others.
func blindFixture() []byte {
	salt := demoSalt()
	lines := hashed(salt, "badsite.example", "www.badsite.example", "xn--bcher-kva.example", "under_score.example",
		"a.b.c.deep.example", "more-1.example", "more-2.example", "more-3.example", "more-4.example")
	one := func(n dnsname.Name) string { return rule.HashName(salt, n).String() }
	head := []string{
		"# Title: Example blinded list   # List-ID: blind.lists.example   # Serial: 2026112201",
		"# Issued: 2026-11-22T00:00:00Z   # Expires: 2026-12-06T00:00:00Z   # Entries: 9",
		"# Salt: " + salt.String() + "   # Homepage: https://lists.example/#blind",
	}
	odd := []string{
		"# behind the sorted ones: duplicates and others out of order are fine",
		one("badsite.example"),
		strings.ToUpper(one("upper-case.example")),
		one("comment.example") + " # since=2026-02-10 category=nudify",
		"\t " + one("blanks.example") + " \t\r",
		"# Salt: " + strings.ToUpper(salt.String()) + " said again",
		"# Salt: the same",
		"! any comment sign", "; of the formats of names", "// will do", "",
		"plain.example",
		one("short.example")[1:],
		one("long.example") + "0",
		one("no-hex.example")[1:] + "g",
		one("two.example") + " " + one("two-2.example"),
		one("hash.example") + "#not-a-comment",
		"0x" + one("prefix.example"),
		one("nul.example")[:31] + "\x00",
	}
	return []byte(strings.Join(slices.Concat(head, lines, odd), "\n"))
}

// TestBlindFixture wants the fixture to be what this generator makes of names.
// It runs before TestGolden, which reads it.
func TestBlindFixture(t *testing.T) {
	file := filepath.Join(fixtures, "hashes.txt")
	if *update {
		if err := os.WriteFile(file, blindFixture(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got := fixture(t, list.Hashes); !bytes.Equal(got, blindFixture()) {
		t.Errorf("%s is not what the generator makes; if that is meant, run with -update", file)
	}
}

// TestSalt wants a file refused as a whole unless one salt stands before its
// first hash, and no other behind it.
func TestSalt(t *testing.T) {
	hash := rule.HashName(demoSalt(), "badsite.example").String() + "\n"
	salt := "# Salt: " + demoSalt().String() + "\n"
	other := "# Salt: " + strings.Repeat("f", 32) + "\n"
	for _, tt := range []struct {
		name, text string
		rules      int
		err        error
	}{
		{"as it should be", salt + hash, 1, nil},
		{"any sign, any case", "! SALT : " + strings.ToUpper(demoSalt().String()) + "\n" + hash, 1, nil},
		{"behind another field", "# Title: x # Salt: " + demoSalt().String() + "\n" + hash, 1, nil},
		{"all zeros", "# Salt: " + strings.Repeat("0", 32) + "\n" + hash, 1, nil},
		{"said again", salt + hash + salt + hash, 2, nil},
		{"a bad line before it", "plain.example\n" + salt + hash + hash, 2, nil},
		{"none", hash, 0, list.ErrNoSalt},
		{"too late", hash + salt, 0, list.ErrNoSalt},
		{"too late for one", "# x\n" + hash + salt + hash, 0, list.ErrNoSalt},
		{"behind a hash", hash[:32] + " # Salt: " + demoSalt().String() + "\n", 0, list.ErrNoSalt},
		{"too short", salt[:len(salt)-2] + "\n" + hash, 0, list.ErrNoSalt},
		{"too long", salt[:len(salt)-1] + "0\n" + hash, 0, list.ErrNoSalt},
		{"no hex", "# Salt: " + strings.Repeat("g", 32) + "\n" + hash, 0, list.ErrNoSalt},
		{"two", salt + other + hash, 1, list.ErrSalts},
		{"another list behind", salt + hash + other + hash, 2, list.ErrSalts},
		{"another at the end", salt + hash + other, 1, list.ErrSalts},
		{"no hash at all", salt, 0, nil},
		{"nothing", "", 0, nil},
	} {
		for _, f := range []list.Format{list.Hashes, list.Auto} {
			if f == list.Auto && !strings.Contains(tt.text, hash[:32]) {
				continue // nothing to go by
			}
			s := list.NewScanner(strings.NewReader(tt.text), list.Config{File: "blind.txt", Format: f})
			n := 0
			for s.Scan() {
				n++
			}
			err := s.Err()
			if n != tt.rules || !errors.Is(err, tt.err) || s.Stats().Rules != n {
				t.Errorf("%s, format %s: %d rules, %v; want %d, %v", tt.name, f, n, err, tt.rules, tt.err)
			}
			if err != nil && !strings.HasPrefix(err.Error(), "blind.txt: ") {
				t.Errorf("%s: the error does not name the file: %v", tt.name, err)
			}
		}
	}
	// In other formats it is a comment like any other.
	s := list.NewScanner(strings.NewReader(salt+"x.example\n"+other+"y.example\n"), list.Config{})
	for s.Scan() {
	}
	if h := s.Header(); s.Err() != nil || s.Stats().Rules != 2 || !h.HasSalt || h.Salt != demoSalt() {
		t.Errorf("A plain list with salts: %+v, %v", h, s.Err())
	}
}

// TestHash wants each entry's own hash, and a rule without a name.
func TestHash(t *testing.T) {
	names := []dnsname.Name{"a.example", "b.example", "c.example"}
	text := fmt.Sprintf("# Salt: %v\n%s # on a line\n", demoSalt(), strings.Join(hashed(demoSalt(), names...), "\n"))
	want := map[rule.Hash]bool{}
	for _, n := range names {
		want[rule.HashName(demoSalt(), n)] = true
	}
	s := list.NewScanner(strings.NewReader(text), list.Config{})
	comment := ""
	for s.Scan() {
		if got := s.Rule(); got != (rule.Rule{Trigger: rule.Subtree, Action: rule.Block}) {
			t.Errorf("line %d: rule %+v", s.Line(), got)
		}
		if !want[s.Hash()] {
			t.Errorf("line %d: hash %v", s.Line(), s.Hash())
		}
		delete(want, s.Hash())
		comment = s.Comment()
	}
	if len(want) > 0 || s.Err() != nil || comment != "on a line" {
		t.Errorf("%d hashes missing, comment %q, %v", len(want), comment, s.Err())
	}
}

// FuzzHashes reads a blinded list that was damaged: each line with 32 hex
// digits, and nothing but them and a comment, is one hash, and no other is.
func FuzzHashes(f *testing.F) {
	f.Add(blindFixture())
	for line := range bytes.Lines(blindFixture()) {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		text = append([]byte("# Salt: "+demoSalt().String()+"\n"), text...)
		if bytes.Count(bytes.ToLower(text), []byte("salt")) > 1 {
			return // TestSalt
		}
		s, events := read(bytes.NewReader(text), list.Hashes)
		if s.Err() != nil {
			return
		}
		checkStats(t, s, events, text)
		found := map[int]bool{}
		for _, e := range events {
			if hash, ok := strings.CutPrefix(e.text, "block subtree "); ok {
				found[e.line] = true
				if line := lineOf(text, e.line); !strings.HasPrefix(line, hash) {
					t.Errorf("line %d, %q: %s", e.line, line, hash)
				}
			}
		}
		for n := range bytes.Count(text, []byte("\n")) {
			if line := lineOf(text, n+1); len(line) == 32 && strings.Trim(line, "0123456789abcdef") == "" && !found[n+1] {
				t.Errorf("line %d, %q: not read", n+1, line)
			}
		}
	})
}

// lineOf returns a line in lower case, without the blanks in front of it.
func lineOf(text []byte, n int) string {
	line := strings.ToLower(string(bytes.Split(text, []byte("\n"))[n-1]))
	line = strings.TrimPrefix(line, "\uFEFF")
	return strings.TrimLeft(line, " \t\r\f\v")
}
