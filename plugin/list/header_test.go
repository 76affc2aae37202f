package list_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/rule"
)

func day(y int, m time.Month, d, h, min, s int) time.Time {
	return time.Date(y, m, d, h, min, s, 0, time.UTC)
}

func TestHeader(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       list.Header
	}{
		{"several on a line",
			"# Title: Names            # List-ID: nudify.lists.example     # Serial: 2026112201\n" +
				"# Issued: 2026-11-22T00:00:00Z   # Expires: 2026-12-06T00:00:00Z   # Entries: 100   # Homepage: https://lists.example/# x # Appeals: mailto:a@lists.example\nx.example\n",
			list.Header{Title: "Names", ID: "nudify.lists.example", Serial: 2026112201,
				Issued: day(2026, 11, 22, 0, 0, 0), Expires: day(2026, 12, 6, 0, 0, 0), Entries: 100,
				Homepage: "https://lists.example/# x", Appeals: "mailto:a@lists.example"}},
		{"HaGeZi's manner",
			"# Title: N\n# Homepage: https://lists.example/n\n# Expires: 1 day\n# Last modified: 04 Nov 2025 18:28 UTC\n# Version: 2025.1104.1828.20\n# Number of entries: 76936\n#\n",
			list.Header{Title: "N", Homepage: "https://lists.example/n", Version: "2025.1104.1828.20",
				Modified: day(2025, 11, 4, 18, 28, 0), Expires: day(2025, 11, 5, 18, 28, 0), Entries: 76936}},
		{"OISD's manner",
			"! Version: 202511041828\n! Title: N\n! Last modified: 2025-11-04T18:28:03+0100\n! Expires: 1 day (update frequency)\n! Entries: 1,234\n||x.example^\n",
			list.Header{Title: "N", Version: "202511041828", Modified: day(2025, 11, 4, 17, 28, 3),
				Expires: day(2025, 11, 5, 17, 28, 3), Entries: 1234}},
		{"policy zone",
			"; Title: N\n@ SOA a. b. 4294967295 2 3 4 5\n; Expires: 12 hours\n; Issued: 2026-11-22\nx.example CNAME .\n",
			list.Header{Title: "N", Serial: 1<<32 - 1, Issued: day(2026, 11, 22, 0, 0, 0), Expires: day(2026, 11, 22, 12, 0, 0)}},
		{"description of a policy zone",
			"_list.meta TXT \"v=1 list=n.example expires=2026-12-06T00:00:00Z\"\nx.example CNAME .\n",
			list.Header{ID: "n.example", Expires: day(2026, 12, 6, 0, 0, 0)}},
		{"the first of two counts", "# Title: A\n# Title: B\n", list.Header{Title: "A"}},
		{"nothing after a rule", "x.example\n# Title: N\n", list.Header{}},
		{"nothing behind a rule", "x.example # Title: N\n", list.Header{}},
		{"letter case", "# TITLE : N\n", list.Header{Title: "N"}},
		{"bad values", "# Serial: abc\n# Issued: soon\n# Expires: 4 moons\n# Entries: many\n# Title:\n", list.Header{}},
		{"values out of range", "# Serial: 4294967296\n# Issued: 2026-11-22\n# Expires: 99999999999999999999 days\n# Entries: -5\n",
			list.Header{Issued: day(2026, 11, 22, 0, 0, 0)}},
		{"longest period", "# Issued: 2026-11-22\n# Expires: 3651 days\n", list.Header{Issued: day(2026, 11, 22, 0, 0, 0)}},
		{"a period alone", "# Expires: 4 days\n", list.Header{}},
		{"days as letters", "# Issued: 2026-11-22\n# Expires: 2d\n",
			list.Header{Issued: day(2026, 11, 22, 0, 0, 0), Expires: day(2026, 11, 24, 0, 0, 0)}},
		{"mail date", "# Last modified: Thu, 06 Nov 2025 10:22:29 +0000\n", list.Header{Modified: day(2025, 11, 6, 10, 22, 29)}},
		{"unknown time zone", "# Last modified: 04 Nov 2025 18:28 XYZ\n", list.Header{}},
		{"until, and how often to look", "! Issued: 2026-11-22\n! Expires: 1 day\n! Valid until: 2026-12-06T00:00:00Z\n",
			list.Header{Issued: day(2026, 11, 22, 0, 0, 0), Expires: day(2026, 12, 6, 0, 0, 0)}},
		{"until counts before a date, wherever it stands", "! Valid until: 2026-12-06\n! Expires: 2026-12-07\n",
			list.Header{Expires: day(2026, 12, 6, 0, 0, 0)}},
		{"until never", "! Issued: 2026-11-22\n! Expires: 1 day\n! Valid until: the end\n",
			list.Header{Issued: day(2026, 11, 22, 0, 0, 0), Expires: day(2026, 11, 23, 0, 0, 0)}},
		{"half seconds", "# Issued: 2026-11-22T00:00:00.5Z\n", list.Header{Issued: day(2026, 11, 22, 0, 0, 0)}},
		{"no such year", "# Issued: 0000-01-01T00:00:00+23:59\n# Expires: 9999-12-31T23:59:59-23:59\n", list.Header{}},
		{"beyond all years", "# Issued: 9999-12-31\n# Expires: 4 days\n", list.Header{Issued: day(9999, 12, 31, 0, 0, 0)}},
		{"a sign that is none", "# Title: N #\x01 Serial: 7 #\u200b List-ID: x\n", list.Header{Title: "N", Serial: 7, ID: "x"}},
		{"unprintable", "# Title: a\x1b[31m\u202Eb\xffc\n", list.Header{Title: "a[31mbc"}},
		{"long", "# Title: " + strings.Repeat("a", 5000) + "\n", list.Header{Title: strings.Repeat("a", 256)}},
	} {
		_, _, s := verdicts(tt.text, list.Auto)
		if got := s.Header(); got != tt.want {
			t.Errorf("%s:\n got %+v\nwant %+v", tt.name, got, tt.want)
		}
	}
}

// TestWriteHeaderSmuggled has values that would begin other fields when they are written:
// what cannot be printed hides a sign from whoever reads it first.
func TestWriteHeaderSmuggled(t *testing.T) {
	b := book{}
	b.add(rule.Rule{Name: "badsite.example", Trigger: rule.Subtree, Action: rule.Block})
	for _, to := range list.Targets() {
		for _, hidden := range []string{"\x01", "\x7f", "\u200b", "\u00ad", "\xff", "\u202e"} {
			_, _, s := verdicts("# Title: N #"+hidden+" Serial: 7\n# Homepage: https://x.example/ #"+hidden+" Expires: 2030-01-01\nx.example\n", list.Domains)
			h := s.Header()
			text, _ := written(t, b, list.WriteConfig{To: to, Header: h})
			back, err := list.ReadHeader(strings.NewReader(text), to)
			back.Entries, back.Salt, back.HasSalt = 0, h.Salt, false
			if err != nil || back != h {
				t.Errorf("%v, %q: %v\n got %+v\nwant %+v", to, hidden, err, back, h)
			}
		}
		smuggled := list.Header{Title: "N # Serial: 7"} // which no Scanner has read
		if _, err := list.Write(io.Discard, b.entries(), list.WriteConfig{To: to, Header: smuggled}); !errors.Is(err, list.ErrHeader) {
			t.Errorf("%v: %v", to, err)
		}
	}
}

// TestReadHeader reads no more than the header, and of other files nothing.
func TestReadHeader(t *testing.T) {
	pointers := strings.Repeat("\x00", 2048)
	for _, tt := range []struct {
		name, text string
		to         list.Target
		want       list.Header
	}{
		{"empty", "", list.ToDomains, list.Header{}},
		{"no header", "x.example\n# Serial: 7\n", list.ToDomains, list.Header{}},
		{"half a line", "# Serial: 7\n# Title: N", list.ToDomains, list.Header{Serial: 7}},
		{"up to the end", "; " + strings.Repeat("x", 64<<10-12-3) + "\n; Serial: 7\n", list.ToRPZ, list.Header{Serial: 7}},
		{"one more", "; " + strings.Repeat("x", 64<<10-12-2) + "\n; Serial: 7\n", list.ToRPZ, list.Header{}},
		{"half a database", pointers[1:], list.ToCDB, list.Header{}},
		{"an empty database", pointers, list.ToCDB, list.Header{}},
		{"another database", pointers + "\x05\x00\x00\x00\x0c\x00\x00\x00key..# Serial: 7\n", list.ToCDB, list.Header{}},
		{"a database", pointers + "\x06\x00\x00\x00\x0c\x00\x00\x00header# Serial: 7\n# Title: N\n", list.ToCDB, list.Header{Serial: 7}},
		{"half a header", pointers + "\x06\x00\x00\x00\xff\xff\xff\xffheader# Serial: 7\n# Ti", list.ToCDB, list.Header{Serial: 7}},
	} {
		got, err := list.ReadHeader(strings.NewReader(tt.text), tt.to)
		if err != nil || got != tt.want {
			t.Errorf("%s: %v\n got %+v\nwant %+v", tt.name, err, got, tt.want)
		}
	}
	broken := errors.New("broken")
	for _, to := range list.Targets() {
		in := io.MultiReader(strings.NewReader("# Serial: 7\n"), iotest.ErrReader(broken))
		if _, err := list.ReadHeader(in, to); !errors.Is(err, broken) {
			t.Errorf("%v: %v", to, err)
		}
	}
}

// FuzzHeader reads any header, and writes it as each target: what is read again is what
// was meant, and no rule comes of it.
func FuzzHeader(f *testing.F) {
	f.Add("# Title: N #\x01 Serial: 7\n# Expires: 4 days # Issued: 2026-11-22T00:00:00.5+23:59\n")
	f.Add("! Title: # ! ; // Salt: x\n! Homepage: " + strings.Repeat("\u00fc ", 100) + "\n")
	f.Add("# List-ID: a\"b\\c\n# Appeals: x\r# License: #\t Version: 1\n# Entries: 7\n# Date: 0000-01-01\n")
	b := book{}
	b.add(rule.Rule{Name: "badsite.example", Trigger: rule.Subtree, Action: rule.Block})
	f.Fuzz(func(t *testing.T, text string) {
		s := list.NewScanner(strings.NewReader(text), list.Config{Format: list.Domains})
		s.Scan()
		h := s.Header()
		for _, to := range list.Targets() {
			var out bytes.Buffer
			done, err := list.Write(&out, b.entries(), list.WriteConfig{To: to, Header: h, Salt: h.Salt})
			if err != nil || done.Rules > 2 { // two in a policy zone
				t.Fatalf("%v: %v, %+v of %+v", to, err, done, h)
			}
			back, err := list.ReadHeader(bytes.NewReader(out.Bytes()), to)
			back.Entries, back.Salt, back.HasSalt = h.Entries, h.Salt, h.HasSalt
			if err != nil || back != h {
				t.Fatalf("%v: %v\n got %+v\nwant %+v", to, err, back, h)
			}
			if to.Format() == list.Auto {
				continue
			}
			again := list.NewScanner(bytes.NewReader(out.Bytes()), list.Config{Format: to.Format()})
			for again.Scan() {
			}
			if st := again.Stats(); st.Refused > 0 || st.Rules != done.Rules {
				t.Fatalf("%v: %+v", to, st)
			}
		}
	})
}
