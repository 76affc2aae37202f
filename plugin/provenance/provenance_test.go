package provenance_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nonudify/nonudify/plugin/provenance"
)

func parse(t *testing.T, s string) provenance.Record {
	t.Helper()
	r, err := provenance.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const full = `since=2026-02-10 seen=2026-11-01 sources=https://paper.example/a?b=c#d,press@2026-02-10 category=nudify confidence=high ` +
	`review=2026-11-03 appeal=rejected:2026-10-20 note="says \"shop\", a\\b — über # it"`

func TestParse(t *testing.T) {
	tests := []struct {
		name, in, want string
		err            error
	}{
		{"all", full, full, nil},
		{"nothing", "", "", nil},
		{"blanks", "  \t ", "", nil},
		{"any order", "confidence=low  since=2026-01-02", "since=2026-01-02 confidence=low", nil},
		{"sources are sorted", "sources=b,a", "sources=a,b", nil},
		{"no value", "since", "", provenance.ErrSyntax},
		{"a remark", "bad site", "", provenance.ErrSyntax},
		{"unknown key", "until=2026-01-02", "", provenance.ErrKey},
		{"letter case", "Since=2026-01-02", "", provenance.ErrKey},
		{"twice", "since=2026-01-02 since=2026-01-02", "", provenance.ErrTwice},
		{"no such day", "since=2026-02-30", "", provenance.ErrDay},
		{"a moment", "seen=2026-02-03T00:00:00Z", "", provenance.ErrDay},
		{"no day", "review=", "", provenance.ErrDay},
		{"a source twice", "sources=a,a", "", provenance.ErrTwice},
		{"an empty source", "sources=a,,b", "", provenance.ErrSource},
		{"no source", "sources=", "", provenance.ErrSource},
		{"a source that is no ASCII", "sources=é", "", provenance.ErrSource},
		{"quotes", `sources="a"`, "", provenance.ErrSource},
		{"category", "category=Nudify", "", provenance.ErrCategory},
		{"no category", "category=", "", provenance.ErrCategory},
		{"confidence", "confidence=certain", "", provenance.ErrSure},
		{"no confidence", "confidence=", "", provenance.ErrSure},
		{"appeal without a day", "appeal=open", "", provenance.ErrAppeal},
		{"appeal of no such state", "appeal=won:2026-01-02", "", provenance.ErrAppeal},
		{"note without quotes", "note=a", "", provenance.ErrNote},
		{"note that does not end", `note="a`, "", provenance.ErrNote},
		{"note that ends in a backslash", `note="a\`, "", provenance.ErrNote},
		{"note that is not the last", `note="a" since=2026-01-02`, "", provenance.ErrNote},
		{"note with an unknown escape", `note="\n"`, "", provenance.ErrNote},
		{"empty note", `note=""`, "", provenance.ErrNote},
		{"note with a control", "note=\"a\x1bb\"", "", provenance.ErrNote},
		{"note with a mark that turns the text", "note=\"a\u202eb\"", "", provenance.ErrNote},
		{"note that is no UTF-8", "note=\"\xff\"", "", provenance.ErrNote},
	}
	for _, tt := range tests {
		r, err := provenance.Parse(tt.in)
		if !errors.Is(err, tt.err) || r.String() != tt.want {
			t.Errorf("%s: %q, error %v; want %q and %v", tt.name, r.String(), err, tt.want, tt.err)
		}
	}
}

// TestLimits reads what is as large as may be, and refuses what is larger by one.
func TestLimits(t *testing.T) {
	sources := func(n, width int) string {
		var ids []string
		for i := range n {
			ids = append(ids, fmt.Sprintf("%0*d", width, i))
		}
		return "sources=" + strings.Join(ids, ",")
	}
	long := "sources=" + strings.Repeat("s", provenance.MaxComment-len("sources="))
	for _, tt := range []struct {
		at, above string
		err       error
	}{
		{sources(provenance.MaxSources, 3), sources(provenance.MaxSources+1, 3), provenance.ErrMany},
		{`note="` + strings.Repeat("n", provenance.MaxNote) + `"`, `note="` + strings.Repeat("n", provenance.MaxNote+1) + `"`, provenance.ErrNote},
		{long, long + "s", provenance.ErrLong},
	} {
		if _, err := provenance.Parse(tt.at); err != nil {
			t.Error(err)
		}
		_, err := provenance.Parse(tt.above)
		if !errors.Is(err, tt.err) {
			t.Errorf("error %v, want %v", err, tt.err)
		}
		if err != nil && len(err.Error()) > 250 {
			t.Errorf("the error quotes too much: %d bytes", len(err.Error()))
		}
	}
}

func TestIs(t *testing.T) {
	for comment, want := range map[string]bool{
		full: true, "since=x": true, "note =x": true, "": false, "a remark": false, "see a=b": false, "since": false, "x=y": false,
	} {
		if got := provenance.Is(comment); got != want {
			t.Errorf("%q: %v", comment, got)
		}
	}
}

func TestRemark(t *testing.T) {
	for in, want := range map[string]string{
		"":                       "",
		"  a \x1b\xff\"remark\\": `note="a \"remark\\"`,
		strings.Repeat("é", 400): `note="` + strings.Repeat("é", 248) + `…"`,
	} {
		r := provenance.Remark(in)
		if in != "  a \x1b\xff\"remark\\" && r.String() != want || len(r.Note) > provenance.MaxNote {
			t.Errorf("%q: %q, want %q", in, r.String(), want)
		}
		if again, err := provenance.Parse(r.String()); err != nil || !again.Equal(r) {
			t.Errorf("%q: %v", r.String(), err)
		}
	}
}

func TestMerge(t *testing.T) {
	tests := []struct{ name, a, b, want, conflicts string }{
		{"alike", full, full, full, ""},
		{"one knows nothing", "", full, full, ""},
		{"all that goes together", "since=2026-02-01 seen=2026-02-03 sources=a,c confidence=medium review=2026-03-01",
			"since=2026-01-01 seen=2026-02-02 sources=b,c confidence=high", "since=2026-01-01 seen=2026-02-03 sources=a,b,c confidence=high review=2026-03-01", ""},
		{"category", "category=nudify", "category=deepfake", "category=nudify", "category"},
		{"the later appeal", "appeal=open:2026-02-01", "appeal=rejected:2026-03-01", "appeal=rejected:2026-03-01", "appeal"},
		{"two appeals of a day", "appeal=rejected:2026-02-01", "appeal=upheld:2026-02-01", "appeal=upheld:2026-02-01", "appeal"},
		{"notes", `note="two"`, `note="one"`, `note="one; two"`, "note"},
		{"a note in the other", `note="one; two"`, `note="two"`, `note="one; two"`, "note"},
	}
	for _, tt := range tests {
		got, conflicts := parse(t, tt.a).Merge(parse(t, tt.b))
		var in []string
		for _, c := range conflicts {
			in = append(in, c.Key)
		}
		if got.String() != tt.want || strings.Join(in, " ") != tt.conflicts {
			t.Errorf("%s: %s, conflicts %v", tt.name, got, conflicts)
		}
	}
}

// draw makes a record at random.
func draw(r *rand.Rand) provenance.Record {
	day := func() provenance.Day { return provenance.Day(fmt.Sprintf("2026-0%d-1%d", 1+r.IntN(9), r.IntN(9))) }
	pick := func(s ...string) string { return s[r.IntN(len(s))] }
	p := provenance.Record{Category: pick("", "nudify", "a-b"), Confidence: provenance.Confidence(pick("", "low", "medium", "high"))}
	if r.IntN(2) == 0 {
		p.Since, p.Seen = day(), day()
	}
	if r.IntN(2) == 0 {
		p.Review, p.Appeal = day(), provenance.Appeal{State: pick("open", "upheld", "rejected"), Since: day()}
	}
	for range r.IntN(4) {
		p.Sources = append(p.Sources, pick("a", "b", "c", "https://d.example/?e=f"))
	}
	slices.Sort(p.Sources)
	p.Sources = slices.Compact(p.Sources)
	p.Note = pick("", "a", `"`, `\`, "b; a", `a\"`)
	return p
}

// TestModel: what is written is read again, and of many records the order in which
// they are merged does not matter, but for the category.
func TestModel(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	for range 2000 {
		a, b := draw(r), draw(r)
		if again := parse(t, a.String()); !again.Equal(a) || len(provenance.Compare(a, again)) > 0 {
			t.Fatalf("seed %d: %q becomes %q", seed, a, again)
		}
		ab, _ := a.Merge(b)
		ba, _ := b.Merge(a)
		ba.Category = ab.Category
		if !ab.Equal(ba) {
			t.Fatalf("seed %d: %q and %q: %q, the other way round %q", seed, a, b, ab, ba)
		}
		if again, conflicts := ab.Merge(ab); !again.Equal(ab) || len(conflicts) > 0 {
			t.Fatalf("seed %d: %q and itself: %q", seed, ab, again)
		}
		for _, s := range slices.Concat(a.Sources, b.Sources) {
			if !slices.Contains(ab.Sources, s) {
				t.Fatalf("seed %d: %q is lost from %q", seed, s, ab)
			}
		}
		changed := 0
		x, y := a.Values(), b.Values()
		for i := range x {
			if x[i] != y[i] {
				changed++
			}
		}
		if got := len(provenance.Compare(a, b)); got != changed {
			t.Fatalf("seed %d: %d changes, want %d", seed, got, changed)
		}
	}
}

func TestDay(t *testing.T) {
	at := time.Date(2026, 11, 22, 23, 30, 0, 0, time.FixedZone("", -3600))
	if got := provenance.DayOf(at); got != "2026-11-23" || got.Start() != time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC) {
		t.Errorf("got %s", got)
	}
	if provenance.DayOf(time.Time{}) != "" || !provenance.Day("").Start().IsZero() {
		t.Error("no day is a day")
	}
}

// FuzzParse: whatever is read can be written, is read again as the same, fits into
// a line, and holds nothing that a terminal would act upon.
func FuzzParse(f *testing.F) {
	for _, s := range []string{full, "", "since=2026-01-02", `note="a\"`, "sources=a,b sources=c", "appeal=open:2026-01-02", "x=y", "note=\"\xff\""} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, s, other string) {
		r, err := provenance.Parse(s)
		if err != nil {
			if !r.Empty() {
				t.Fatalf("%q: refused, and %q", s, r)
			}
			r = provenance.Remark(s)
		}
		checkRecord(t, r)
		if o, err := provenance.Parse(other); err == nil {
			m, _ := r.Merge(o)
			if len(m.String()) <= provenance.MaxComment && len(m.Sources) <= provenance.MaxSources {
				checkRecord(t, m)
			}
		}
	})
}

func checkRecord(t *testing.T, r provenance.Record) {
	t.Helper()
	text := r.String()
	again, err := provenance.Parse(text)
	if err != nil || again.String() != text || len(text) > provenance.MaxComment {
		t.Fatalf("%q becomes %q: %v", text, again, err)
	}
	if strings.ContainsAny(text, "\x00\x1b\r\n\t") {
		t.Fatalf("%q", text)
	}
}

// TestTrim leaves out the oldest sources of a record that has too many, or is too long.
func TestTrim(t *testing.T) {
	var many []string
	for i := range provenance.MaxSources {
		many = append(many, fmt.Sprintf("s%02d@2026-01-02", i))
	}
	long := "https://paper.example/" + strings.Repeat("a", 1500)
	for _, tt := range []struct {
		name, sources string
		gone          []string
	}{
		{"as many as there can be", strings.Join(many, ","), nil},
		{"one more, and it is older", strings.Join(many, ",") + ",old@2025", []string{"old@2025"}},
		{"without a day", strings.Join(many[:63], ",") + ",court,old@2026-01", []string{"old@2026-01"}},
		{"too long", long + "@2024," + long + "b@2023," + long + "c", []string{long + "b@2023"}},
		{"three of one day", strings.Join(many, ",") + ",z@1999,z@1998,z@1997-02-03", []string{"z@1999", "z@1998", "z@1997-02-03"}},
	} {
		r, err := provenance.ParseLong("sources=" + tt.sources + " category=nudify")
		if err != nil {
			t.Fatal(tt.name, err)
		}
		trimmed, out := r.Trim()
		if out != len(tt.gone) || len(trimmed.Sources)+out != len(r.Sources) || trimmed.Category != "nudify" {
			t.Errorf("%s: %d left out of %d, %d stay", tt.name, out, len(r.Sources), len(trimmed.Sources))
		}
		for _, s := range tt.gone {
			if slices.Contains(trimmed.Sources, s) {
				t.Errorf("%s: %s stays", tt.name, s)
			}
		}
		if _, err := provenance.Parse(trimmed.String()); err != nil || (len(tt.gone) > 0) != (parseError(r) != nil) {
			t.Errorf("%s: %v; before: %v", tt.name, err, parseError(r))
		}
	}
}

func parseError(r provenance.Record) error {
	_, err := provenance.Parse(r.String())
	return err
}
