package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

// sample is a report of three servers and two sizes: one without a list, one that was
// too slow to start with the larger list, and one that is not installed.
func sample() *Report {
	r := &Report{
		Command: "bench -sizes 5k,500k", Time: time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC),
		Machine:  Machine{Processor: "Processor of a test", Cores: 2, System: "Linux 6.1", Memory: 8e9, LoadCore: 1},
		Settings: Settings{Rounds: 3, Seconds: 0.5, Window: 128, Rate: 5000},
		Candidates: []Candidate{
			{Name: "ours", Title: "this one", Version: "1.0"}, {Name: "plain", Title: "no list", Version: "2.0 <&>"},
			{Name: "slow", Title: "another | one", Version: "3.0"}, {Name: "gone", Title: "a third", Absent: "it is not installed"},
		},
		Limit: &Cell{CPU: Sample{4, 3.9, 4.1}, QPS: Sample{250_000, 240_000, 260_000}},
	}
	fill := func(candidate string, size int, factor float64, workloads ...string) {
		row := r.Row(candidate, size)
		row.Start, row.Rest, row.Loaded = Sample{0.1 * factor, 0.2 * factor}, Sample{30e6 * factor}, Sample{40e6 * factor}
		for _, name := range workloads {
			c := row.Cell(name)
			c.CPU, c.QPS = Sample{10 * factor, 12 * factor, 11 * factor}, Sample{90_000 / factor, 80_000 / factor, 85_000 / factor}
			c.P50, c.P99, c.Right = Sample{100}, Sample{900}, 1_234_567
		}
	}
	fill("ours", 5000, 1, "blocked", "cached", "99:1", "miss", "steady")
	fill("plain", 0, 0.9, "cached", "99:1", "miss", "steady")
	fill("slow", 5000, 2, "blocked", "cached", "99:1", "miss", "steady")
	fill("ours", 500_000, 1.1, "blocked", "cached", "99:1", "miss", "steady")
	r.Row("slow", 500_000).Skipped = "left out, as it would take more than 20s"
	faulty := r.Row("slow", 5000).Cell("miss")
	faulty.Wrong, faulty.Lost, faulty.Samples = 1, 2, []string{"a.xa: it passed and is listed"}
	return r
}

// golden holds what is written against a file.
func golden(t *testing.T, name string, write func(io.Writer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), want) {
		t.Errorf("%s differs (-update writes it anew):\n%s", path, b.Bytes())
	}
	return b.Bytes()
}

func TestMarkdown(t *testing.T) {
	golden(t, "report.md", sample().Markdown)
}

// TestSVG: besides being what it was, the plot is XML, and says with words what it shows.
func TestSVG(t *testing.T) {
	text := golden(t, "plot.svg", func(w io.Writer) error { return sample().SVG(w, "cached") })
	var parts []string
	for d := xml.NewDecoder(bytes.NewReader(text)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if start, ok := token.(xml.StartElement); ok {
			parts = append(parts, start.Name.Local)
		}
	}
	for _, want := range []string{"svg", "title", "desc", "text", "path"} {
		if !slices.Contains(parts, want) {
			t.Errorf("There is no %s in %v", want, parts)
		}
	}
	for _, want := range []string{"ours: 11.0 µs with 5,000 names, 12.1 µs with 500,000 names.", "plain: 9.9 µs", "slow, 22.0"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q is not there", want)
		}
	}
	if err := sample().SVG(io.Discard, "nothing"); err == nil {
		t.Error("Nothing is plotted")
	}
}

// TestLabels: no two names lie on one another, and none outside, however close the lines
// end.
func TestLabels(t *testing.T) {
	var lines []line
	for range 10 {
		lines = append(lines, line{name: "x", points: []point{{5000, 6}, {500_000, 0.1}}})
	}
	newScale(lines).place(lines)
	var at []float64
	for _, l := range lines {
		at = append(at, l.label)
	}
	slices.Sort(at)
	for i, y := range at {
		if y < plotTop || y > plotHeight || i > 0 && y-at[i-1] < labelHeight-0.01 {
			t.Errorf("The names are at %v", at)
		}
	}
}

// TestScale: one size and one figure make a plot, too.
func TestScale(t *testing.T) {
	for _, cost := range []float64{0.03, 1, 9.9, 43, 170} {
		s := newScale([]line{{points: []point{{5000, cost}}}})
		if x := s.x(5000); x < plotLeft || x > plotRight {
			t.Errorf("At %v", x)
		}
		if steps := s.top / s.step; s.top < cost || steps > 10.01 || steps < 1 {
			t.Errorf("%v: %v steps to %v", cost, steps, s.top)
		}
	}
}

func TestSample(t *testing.T) {
	for _, tt := range []struct {
		sample            Sample
		median, low, high float64
	}{
		{nil, 0, 0, 0}, {Sample{3}, 3, 3, 3}, {Sample{3, 1}, 2, 1, 3}, {Sample{9, 1, 2}, 2, 1, 9}, {Sample{4, 1, 3, 2}, 2.5, 1, 4},
	} {
		low, high := tt.sample.Spread()
		if got := tt.sample.Median(); got != tt.median || low != tt.low || high != tt.high {
			t.Errorf("%v: %v (%v–%v)", tt.sample, got, low, high)
		}
	}
	s := Sample{9, 1, 2}
	if s.Median(); !slices.Equal(s, Sample{9, 1, 2}) {
		t.Error("The rounds are in another order")
	}
}

// TestJSON: what is read again makes the same tables.
func TestJSON(t *testing.T) {
	text, err := json.Marshal(sample())
	if err != nil {
		t.Fatal(err)
	}
	var again Report
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	var a, b bytes.Buffer
	if err := errors.Join(sample().Markdown(&a), again.Markdown(&b)); err != nil || a.String() != b.String() {
		t.Errorf("%v\n%s", err, &b)
	}
	if wrong, lost := again.Faults(); wrong != 1 || lost != 2 {
		t.Errorf("%d wrong, %d lost", wrong, lost)
	}
}

func TestInsert(t *testing.T) {
	const document = "# A\n\n<!-- make bench begins -->\nold\n<!-- make bench ends -->\n\nB\n"
	for range 2 { // the second time in the place of the first
		got, err := Insert([]byte(document), []byte("new\n"))
		if err != nil || string(got) != strings.Replace(document, "old", "new", 1) {
			t.Errorf("%v\n%s", err, got)
		}
	}
	for _, bad := range []string{"", "<!-- make bench begins -->\n", "<!-- make bench ends -->\n<!-- make bench begins -->\n"} {
		if _, err := Insert([]byte(bad), nil); err == nil {
			t.Errorf("There is a place in %q", bad)
		}
	}
}

// TestWriteFails: a full disk is no report.
func TestWriteFails(t *testing.T) {
	full := errors.New("full")
	if err := sample().Markdown(failing{full}); !errors.Is(err, full) {
		t.Error(err)
	}
	if err := sample().SVG(failing{full}, "cached"); !errors.Is(err, full) {
		t.Error(err)
	}
}

type failing struct{ error }

func (f failing) Write([]byte) (int, error) { return 0, f.error }
