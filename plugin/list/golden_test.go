package list_test

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/rule"
)

var update = flag.Bool("update", false, "write the golden files")

const fixtures = "../../testdata/lists"

// published are the formats that a fixture stands for.
var published = []list.Format{
	list.Domains, list.Hosts, list.Wildcard, list.Adblock, list.Dnsmasq, list.Unbound, list.RPZ, list.Hashes,
}

// event is what a Scanner says of one entry.
type event struct {
	line int
	text string
}

// read scans a whole file.
func read(r io.Reader, f list.Format) (*list.Scanner, []event) {
	var events []event
	s := list.NewScanner(r, list.Config{
		File:   "list.txt",
		Format: f,
		Refused: func(e *rule.LineError) {
			events = append(events, event{e.Line, "refused: " + e.Err.Error()})
		},
	})
	for s.Scan() {
		text := s.Rule().String()
		if s.Format() == list.Hashes {
			text += s.Hash().String()
		}
		events = append(events, event{s.Line(), text})
	}
	slices.SortStableFunc(events, func(a, b event) int { return a.line - b.line })
	return s, events
}

// dump writes a scan down as the golden files hold it.
func dump(s *list.Scanner, events []event) string {
	var b strings.Builder
	h := s.Header()
	fmt.Fprintf(&b, "format: %s\nheader: %+v\nstats: %+v\nerror: %v\n", s.Format(), h, s.Stats(), s.Err())
	for _, e := range events {
		fmt.Fprintf(&b, "%d: %s\n", e.line, e.text)
	}
	return b.String()
}

func fixture(t testing.TB, f list.Format) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(fixtures, f.String()+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestGolden reads each fixture with its format named and with Auto, whole and
// byte by byte.
func TestGolden(t *testing.T) {
	for _, f := range published {
		text := fixture(t, f)
		got := dump(read(bytes.NewReader(text), f))
		if auto := dump(read(bytes.NewReader(text), list.Auto)); auto != got {
			t.Errorf("%s: Auto reads it differently:\n%.200s", f, auto)
		}
		if slow := dump(read(iotest.OneByteReader(bytes.NewReader(text)), f)); slow != got {
			t.Errorf("%s: read byte by byte it is different:\n%s", f, slow)
		}
		file := filepath.Join(fixtures, f.String()+".golden")
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s differs from its golden file; if that is meant, run with -update\ngot:\n%s", f, got)
		}
	}
}
