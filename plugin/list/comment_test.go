package list_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/nonudify/nonudify/plugin/list"
)

// TestComment has each rule of a file give the comment behind it, and no other.
func TestComment(t *testing.T) {
	full := "x.example # " + strings.Repeat("c", list.MaxLine-len("x.example # "))
	tests := []struct {
		name   string
		format list.Format
		text   string
		want   []string
	}{
		{"none", list.Domains, "badsite.example\n", []string{""}},
		{"not the one before", list.Domains, "a.example # one\nb.example\n# three\nc.example # four\n", []string{"one", "", "four"}},
		{"signs inside", list.Domains, "badsite.example # since=2026 # and more\n", []string{"since=2026 # and more"}},
		{"tab and CR", list.Wildcard, "*.badsite.example\t# since=2026\r\n", []string{"since=2026"}},
		{"no blank", list.Wildcard, "badsite.example #none", []string{"none"}},
		{"empty", list.Domains, "badsite.example #\n", []string{""}},
		{"any byte", list.Domains, "badsite.example # \x1b[31mred \xff\n", []string{"\x1b[31mred \xff"}},
		{"of all names of a line", list.Hosts, "0.0.0.0 a.example b.example#here\n", []string{"here", "here"}},
		{"adblock", list.Adblock, "||a.example^ # why\n||b.example^\n0.0.0.0 c.example # here\n", []string{"why", "", "here"}},
		{"a sign that is no comment", list.Dnsmasq, "address=/badsite.example/#\nlocal=/b.example/ # b\n", []string{"", "b"}},
		{"unbound", list.Unbound, "local-zone: \"a.example\" static # a\n", []string{"a"}},
		{"of the zone that waited", list.Unbound, "local-zone: \"a.example\" redirect # zone\n# between\n\n" +
			"local-data: \"a.example A 0.0.0.0\" # data\nlocal-zone: \"b.example\" static # b\n", []string{"zone", "b"}},
		{"rpz", list.RPZ, "a.example CNAME . ; here # too\nb.example CNAME .\n", []string{"here # too", ""}},
		{"of the line that a record begins in", list.RPZ, "a.example CNAME ( ; first\n. ; second\n) ; third\nb.example CNAME . ; b\n", []string{"first", "b"}},
		{"of lines that were given back", list.RPZ, "$ORIGIN rpz.example.\na CNAME ( ; lost\nb.example CNAME . ; b\n; end\n", []string{"b"}},
		{"a full line", list.Domains, full, []string{full[len("x.example # "):]}},
	}
	for _, tt := range tests {
		s := list.NewScanner(strings.NewReader(tt.text), list.Config{Format: tt.format})
		var got []string
		for s.Scan() {
			got = append(got, s.Comment())
		}
		if !slices.Equal(got, tt.want) || s.Err() != nil {
			t.Errorf("%s: %q, want %q (error %v)", tt.name, got, tt.want, s.Err())
		}
	}
}

// TestCommentAsked: what nobody asks for costs nothing.
func TestCommentAsked(t *testing.T) {
	line := "badsite.example # since=2026-02-10 category=nudify\n"
	scan := func(n int) float64 {
		text := strings.Repeat(line, n)
		return testing.AllocsPerRun(5, func() {
			for s := list.NewScanner(strings.NewReader(text), list.Config{Format: list.Domains}); s.Scan(); {
				_ = s.Rule()
			}
		})
	}
	if a, b := scan(100), scan(1100); b-a > 1000+10 { // one for each name
		t.Errorf("1000 lines more take %v allocations", b-a)
	}
}

// TestRemark has what a comment says beside the fields of a header.
func TestRemark(t *testing.T) {
	for comment, want := range map[string]string{
		"# Title: x   # List-ID: demo.example # Serial: 7": "",
		"#":                                "",
		"!! a note":                        "a note",
		"# Contact: a@lists.example":       "Contact: a@lists.example",
		"# Contact: a # b # Serial: 7":     "Contact: a # b",
		"# Serial: seven":                  "Serial: seven",
		"# Serial: seven # Title: x":       "Serial: seven",
		"# List-ID: a b":                   "List-ID: a b",
		"# Expires: 4 days (every 4 days)": "",
		"; a\x00b\x1b[2J\xff":              "ab[2J",
		"// https://lists.example/":        "https://lists.example/",
	} {
		if got := list.Remark([]byte(comment)); got != want {
			t.Errorf("%q: %q, want %q", comment, got, want)
		}
	}
}
