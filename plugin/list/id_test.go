package list_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/rule"
)

// TestCheckID has ids up to the longest, and such as would mean something where they
// are put.
func TestCheckID(t *testing.T) {
	for _, id := range []string{"a", "7", "nudify.lists.example", "Nudify_List-2", strings.Repeat("i", list.MaxID)} {
		if err := list.CheckID(id); err != nil {
			t.Errorf("%q: %v", id, err)
		}
	}
	for _, id := range []string{
		"", strings.Repeat("i", list.MaxID+1), "-a", ".a", "..", "_a", "a b", "a\nb", "a\tb", "a}", "a{$HOME}", `a"`, "a'", "a;b", "a/b", `a\b`, "a#b", "$(a)", "a[b]", "bücher",
	} {
		if err := list.CheckID(id); !errors.Is(err, list.ErrID) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

// TestHeaderID refuses the line of a List-ID that is none, in comments and in the
// record of a policy zone, and uses the rest of the list.
func TestHeaderID(t *testing.T) {
	for _, tt := range []struct {
		format list.Format
		text   string
		line   int // that is refused; 0: none
		id     string
	}{
		{list.Domains, "# Title: x # List-ID: demo.example # Serial: 7\nbadsite.example\n", 0, "demo.example"},
		{list.Domains, "# Title: x\n# List-ID: demo } import /etc/passwd # Serial: 7\nbadsite.example\n", 2, ""},
		{list.Domains, "# List-ID: demo.example\n# List-ID: a b\nbadsite.example\n", 2, "demo.example"},
		{list.Domains, "# List-ID:\nbadsite.example\n", 0, ""},
		{list.Domains, "badsite.example\n# List-ID: a b\n", 0, ""}, // no header any more
		{list.Adblock, "! List-ID: \"\n||badsite.example^\n", 1, ""},
		{list.RPZ, "@ SOA . . 7 1 1 1 1\n_list.meta TXT \"v=1 list=demo.example\"\nbadsite.example CNAME .\n", 0, "demo.example"},
		{list.RPZ, "@ SOA . . 7 1 1 1 1\n_list.meta TXT \"v=1 list=demo;x\"\nbadsite.example CNAME .\n", 2, ""},
	} {
		refused := 0
		s := list.NewScanner(strings.NewReader(tt.text), list.Config{Format: tt.format, Refused: func(e *rule.LineError) {
			refused = e.Line
			if !errors.Is(e, list.ErrID) {
				t.Errorf("%q: %v", tt.text, e)
			}
		}})
		n := 0
		for s.Scan() {
			n++
		}
		if st := s.Stats(); s.Err() != nil || n != 1 || refused != tt.line || s.Header().ID != tt.id || st.Lines+st.Extra != st.Rules+st.Comments+st.Refused {
			t.Errorf("%q: %d rules, line %d refused, List-ID %q, %+v, %v", tt.text, n, refused, s.Header().ID, st, s.Err())
		}
	}
}
