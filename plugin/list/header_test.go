package list_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nonudify/nonudify/plugin/list"
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
		{"unprintable", "# Title: a\x1b[31m\u202Eb\xffc\n", list.Header{Title: "a[31mbc"}},
		{"long", "# Title: " + strings.Repeat("a", 5000) + "\n", list.Header{Title: strings.Repeat("a", 256)}},
	} {
		_, _, s := verdicts(tt.text, list.Auto)
		if got := s.Header(); got != tt.want {
			t.Errorf("%s:\n got %+v\nwant %+v", tt.name, got, tt.want)
		}
	}
}
