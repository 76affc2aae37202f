package builtin

import (
	"bytes"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/publicsuffix"

	"github.com/nonudify/nonudify/plugin/dnsname"
)

// onlyOneSource is how many entries stood on a single source when the list was
// begun. A new entry needs two: this figure may fall, never rise.
const onlyOneSource = 10

// record is one line of a text of this package.
type record struct {
	name string
	keys map[string]string
}

// read takes a text apart, comments included, which a list's scanner drops. It
// knows no more of the format than the texts use.
func read(t *testing.T, text []byte) (header map[string]string, records []record) {
	t.Helper()
	header = make(map[string]string)
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if kv, ok := strings.CutPrefix(line, "# "); ok {
			key, value, ok := strings.Cut(kv, ": ")
			if !ok || len(records) > 0 {
				t.Fatalf("line %q is no header", line)
			}
			header[key] = value
			continue
		}
		name, comment, ok := strings.Cut(line, " # ")
		if !ok {
			t.Fatalf("line %q has no comment", line)
		}
		r := record{name, make(map[string]string)}
		for token := range strings.SplitSeq(comment, " ") {
			key, value, _ := strings.Cut(token, "=")
			if _, twice := r.keys[key]; twice {
				t.Fatalf("line %q has %s twice", line, key)
			}
			r.keys[key] = value
		}
		records = append(records, r)
	}
	return header, records
}

// column returns the first column of a table of facts, without its title.
func column(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for line := range strings.Lines(string(text)) {
		first, _, _ := strings.Cut(line, "\t")
		out = append(out, first)
	}
	return out[1:]
}

func names(records []record) []string {
	out := make([]string, len(records))
	for i, r := range records {
		out[i] = r.name
	}
	return out
}

// covers reports whether a rule for name blocks other: it is the same, or below.
func covers(name, other string) bool {
	return name == other || strings.HasSuffix(other, "."+name)
}

// guards are the names that the list must leave alone.
type guards struct{ help, shared, lookalikes []string }

func guardNames(t *testing.T) guards {
	_, help := read(t, Help())
	_, shared := read(t, Shared())
	return guards{names(help), names(shared), column(t, "lookalikes.tsv")}
}

// refuse returns why a name may not be listed, empty when it may.
func (g guards) refuse(name string) string {
	if n, err := dnsname.Parse(name); err != nil || string(n) != name {
		return "no canonical name"
	}
	if s, _ := publicsuffix.PublicSuffix(name); s == name {
		return "a public suffix"
	}
	for _, h := range g.help {
		if covers(name, h) || covers(h, name) {
			return "protected with " + h
		}
	}
	for _, s := range g.shared {
		if covers(name, s) {
			return "blocks the shared name " + s
		}
	}
	for _, l := range g.lookalikes {
		if covers(name, l) {
			return "blocks the lookalike " + l
		}
	}
	return ""
}

func TestEntriesAreAllowed(t *testing.T) {
	g := guardNames(t)
	_, entries := read(t, List())
	for _, e := range entries {
		if why := g.refuse(e.name); why != "" {
			t.Errorf("%s: %s", e.name, why)
		}
	}
}

func TestRefuse(t *testing.T) {
	g := guardNames(t)
	tests := []struct{ name, want string }{
		{"Badsite.example", "no canonical name"},
		{"badsite.example.", "no canonical name"},
		{"com", "a public suffix"},
		{"co.uk", "a public suffix"},
		{"pages.dev", "a public suffix"},
		{"stopncii.org", "protected with stopncii.org"},
		{"chat.stopncii.org", "protected with stopncii.org"},
		{"ncmec.org", "protected with takeitdown.ncmec.org"},
		{"paypal.com", "blocks the shared name paypal.com"},
		{"telegram.org", "blocks the shared name telegram.org"},
		{"mit.edu", "blocks the lookalike detectfakes.media.mit.edu"},
		{"theundress.com", "blocks the lookalike theundress.com"},
		{"badsite.pages.dev", ""},
		{"badsite.wordpress.com", ""},
		{"badsite.example", ""},
	}
	for _, tt := range tests {
		if got := g.refuse(tt.name); got != tt.want {
			t.Errorf("refuse(%s) = %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestEntriesAreSortedAndApart(t *testing.T) {
	for file, text := range map[string][]byte{"nudify.txt": List(), "help.txt": Help()} {
		_, records := read(t, text)
		all := names(records)
		ordered(t, file, all)
		for _, a := range all {
			for _, b := range all {
				if a != b && covers(a, b) {
					t.Errorf("%s: %s stands under %s, which covers it", file, b, a)
				}
			}
		}
	}
}

func ordered(t *testing.T, file string, all []string) {
	t.Helper()
	for i := 1; i < len(all); i++ {
		if all[i-1] >= all[i] {
			t.Errorf("%s: %s does not belong before %s", file, all[i-1], all[i])
		}
	}
}

func TestEntriesSayWhereTheyComeFrom(t *testing.T) {
	header, entries := read(t, List())
	sources := column(t, "sources.tsv")
	issued := header["Issued"][:len(time.DateOnly)]
	alone := 0
	for _, e := range entries {
		from := strings.Split(e.keys["sources"], ",")
		for _, id := range from {
			if !slices.Contains(sources, id) {
				t.Errorf("%s: source %q is not explained", e.name, id)
			}
		}
		if len(from) == 1 {
			alone++
		}
		if c := e.keys["confidence"]; c != "medium" && (c != "high" || len(from) < 2) {
			t.Errorf("%s: confidence %q on %d sources", e.name, c, len(from))
		}
		if e.keys["category"] != "nudify" {
			t.Errorf("%s: category %q", e.name, e.keys["category"])
		}
		since, seen := e.keys["since"], e.keys["seen"]
		if dated := since != "" || seen != ""; dated && (since == "" || since > seen || seen > issued) {
			t.Errorf("%s: since %q, seen %q, issued %s", e.name, since, seen, issued)
		}
	}
	if alone > onlyOneSource {
		t.Errorf("%d entries have one source, want at most %d", alone, onlyOneSource)
	}
}

// TestSourcesAreUsed finds a source that lost its last entry.
func TestSourcesAreUsed(t *testing.T) {
	_, entries := read(t, List())
	for _, id := range column(t, "sources.tsv") {
		if !slices.ContainsFunc(entries, func(e record) bool {
			return slices.Contains(strings.Split(e.keys["sources"], ","), id)
		}) {
			t.Errorf("no entry has source %s", id)
		}
	}
}

// TestProtected checks the form of both protected lists.
func TestProtected(t *testing.T) {
	token := regexp.MustCompile(`^[a-z-]+$`)
	for file, text := range map[string][]byte{"help.txt": Help(), "shared.txt": Shared()} {
		_, records := read(t, text)
		ordered(t, file, names(records))
		for _, r := range records {
			if n, err := dnsname.Parse(r.name); err != nil || string(n) != r.name || n.Labels() < 2 {
				t.Errorf("%s: %s is no canonical name of two labels", file, r.name)
			}
			if len(r.keys) != 2 || !token.MatchString(r.keys["category"]) || !token.MatchString(r.keys["basis"]) {
				t.Errorf("%s: %s: want a category and a basis, got %v", file, r.name, r.keys)
			}
		}
	}
}

// TestHelpIsNarrow checks that no name of help.txt protects strangers: it is no
// public suffix, and no shared name.
func TestHelpIsNarrow(t *testing.T) {
	g := guardNames(t)
	for _, h := range g.help {
		if s, _ := publicsuffix.PublicSuffix(h); s == h {
			t.Errorf("%s is a public suffix", h)
		}
		for _, s := range g.shared {
			if covers(h, s) {
				t.Errorf("%s protects the shared name %s and all below it", h, s)
			}
		}
	}
}

func TestSharedBasis(t *testing.T) {
	lookalikes := column(t, "lookalikes.tsv")
	_, shared := read(t, Shared())
	for _, s := range shared {
		suffix, _ := publicsuffix.PublicSuffix(s.name)
		ok := true
		switch s.keys["basis"] {
		case "lookalikes":
			ok = slices.Contains(lookalikes, s.name)
		case "psl":
			ok = suffix == s.name
		case "known":
			ok = suffix != s.name && !slices.Contains(lookalikes, s.name)
		default:
			ok = false
		}
		if !ok {
			t.Errorf("%s: basis %s is wrong", s.name, s.keys["basis"])
		}
	}
}

func TestLookalikesAreSorted(t *testing.T) {
	ordered(t, "lookalikes.tsv", column(t, "lookalikes.tsv"))
}

// TestTextsAreCopies checks that a caller cannot change what the next one gets.
func TestTextsAreCopies(t *testing.T) {
	for name, text := range map[string]func() []byte{"List": List, "Help": Help, "Shared": Shared} {
		want := bytes.Clone(text())
		clear(text())
		if !bytes.Equal(text(), want) {
			t.Errorf("%s hands out its own bytes", name)
		}
	}
}
