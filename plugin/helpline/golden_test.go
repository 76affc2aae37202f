package helpline

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the golden file")

const golden = "testdata/countries.golden"

// TestGolden keeps what three countries get, one about which much is known, one
// about which nearly nothing is, and one that the directory has never heard of,
// before and after the numbers expire. Run it with -update after a wanted change
// and read the difference.
func TestGolden(t *testing.T) {
	var b strings.Builder
	for _, now := range []time.Time{read, read.AddDate(0, lifetime, 0)} {
		for _, code := range []string{"GB", "CM", ""} {
			dump(&b, now, Builtin().Country(code, now))
		}
	}
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	gotLines, wantLines := strings.Split(b.String(), "\n"), strings.Split(string(want), "\n")
	for i, line := range gotLines {
		if i >= len(wantLines) || line != wantLines[i] {
			t.Fatalf("%s:%d: got %q", golden, i+1, line)
		}
	}
	if len(gotLines) != len(wantLines) {
		t.Fatalf("%s: %d lines, got %d", golden, len(wantLines), len(gotLines))
	}
}

func dump(b *strings.Builder, now time.Time, c Country) {
	fmt.Fprintf(b, "=== %q %s, %s (%s), pages in %v, on %s\n", c.Code, c.Name, c.Autonym, c.Tag, c.Languages, now.Format(time.DateOnly))
	for _, l := range lists(c) {
		fmt.Fprintf(b, "%s:\n", l.name)
		for _, e := range l.entries {
			fmt.Fprintf(b, "\t%q (%s) %s %q <%s> <%s> in %v, free %v, ages %q, of %s, from %s\n",
				e.Name, e.NameTag, e.Use, e.Number, e.Tel, e.URL, e.Languages, e.Free, e.Age, e.Country, e.Source)
		}
	}
}

// named is one list of a country.
type named struct {
	name    string
	entries []Entry
}

func lists(c Country) []named {
	return []named{
		{"emergency", c.Emergency},
		{"child", c.Child},
		{"carers", c.Carers},
		{"talk under 18", c.Talk.Under18},
		{"talk adults", c.Talk.Adults},
		{"hotlines", c.Hotlines},
		{"removal under 18", c.Removal.Under18},
		{"removal adults", c.Removal.Adults},
		{"behaviour under 18", c.Behaviour.Under18},
		{"behaviour adults", c.Behaviour.Adults},
		{"centres", c.Centres},
		{"finders", c.Finders},
	}
}
