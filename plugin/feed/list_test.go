package feed

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/rule"
)

// lines returns n lines of names that may be blocked.
func lines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "n%d.example\n", i)
	}
	return b.String()
}

func TestLoad(t *testing.T) {
	guard := new(policy.Guard)
	tests := []struct {
		name    string
		text    string
		config  Config
		rules   string   // what the set holds
		refused []string // what is reported
	}{
		{"plain", "# Title: x\nbadsite.example\nBadSite2.example # why\n", Config{},
			"block subtree badsite.example, block subtree badsite2.example", nil},
		{"guard", "badsite.example\nco.uk\ncom\nbadsite.co.uk\n", Config{Check: guard},
			"block subtree badsite.co.uk, block subtree badsite.example", []string{
				"l.txt:2: co.uk: a public suffix is never blocked: it would block everybody who registered a name under it",
				"l.txt:3: com: a top-level domain is never blocked",
			}},
		{"no guard", "co.uk\n", Config{}, "block subtree co.uk", nil},
		{"guard lets exceptions through", "||badsite.example^\n@@||co.uk^\n", Config{Check: guard},
			"block subtree badsite.example, pass subtree co.uk", nil},
		{"scanner and guard", "badsite.example\nbad site\ncom\nbadsite2.example\n", Config{Check: guard, Format: list.Domains},
			"block subtree badsite.example, block subtree badsite2.example", []string{"l.txt:2: ", "l.txt:3: com: "}},
		{"empty allowed", "# nothing yet\n", Config{Empty: true}, "", nil},
		{"no byte at all", "", Config{Empty: true}, "", nil},
		{"action", "badsite.example\n@@||ok.example^\n||bad.example^\n", Config{Action: rule.Pass, Format: list.Adblock},
			"pass subtree bad.example, pass subtree badsite.example, pass subtree ok.example", nil},
		{"action against the guard", "com\n", Config{Action: rule.Pass, Check: guard}, "pass subtree com", nil},
		{"twice the same", "badsite.example\nbadsite.example\n", Config{}, "block subtree badsite.example", nil},
	}
	for _, tt := range tests {
		tt.config.File = "l.txt"
		var told []string
		tt.config.Refused = func(e *rule.LineError) { told = append(told, e.Error()) }
		l, err := Load(strings.NewReader(tt.text), time.Time{}, tt.config)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		var rules []string
		for r := range l.Set.All() {
			rules = append(rules, r.String())
		}
		slices.Sort(rules)
		if got := strings.Join(rules, ", "); got != tt.rules {
			t.Errorf("%s: rules %s, want %s", tt.name, got, tt.rules)
		}
		if !slices.EqualFunc(told, tt.refused, strings.HasPrefix) || len(l.Refused) != len(told) || l.Stats.Refused != len(told) {
			t.Errorf("%s: refused %q (%d kept, %d counted), want %q", tt.name, told, len(l.Refused), l.Stats.Refused, tt.refused)
		}
		if s := l.Stats; s.Lines+s.Extra != s.Rules+s.Comments+s.Refused {
			t.Errorf("%s: the counts do not add up: %+v", tt.name, s)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	guard := new(policy.Guard)
	tests := []struct {
		name   string
		text   string
		config Config
		want   error
		text2  string // the whole error, where this package words it
	}{
		{"empty", "", Config{}, ErrEmpty, "l.txt: holds no rule"},
		{"comments only", "# Title: x\n\n", Config{}, ErrEmpty, "l.txt: holds no rule"},
		{"guard refuses all", "com\nco.uk\n", Config{Check: guard}, list.ErrRefused,
			"l.txt: most of it was refused (2 of 2), the first: l.txt:1: com: a top-level domain is never blocked"},
		{"guard refuses all, empty allowed", "com\n", Config{Check: guard, Empty: true}, list.ErrRefused, ""},
		{"guard refuses most", "com\nbadsite.example\nco.uk\nnet\norg\nuk\n", Config{Check: guard}, list.ErrRefused,
			"l.txt: most of it was refused (5 of 6), the first: l.txt:1: com: a top-level domain is never blocked"},
		{"scanner and guard refuse most", "a b\nbadsite.example\nc d\ne f\ng h\ncom\n", Config{Format: list.Domains, Check: guard}, list.ErrRefused, ""},
		{"scanner refuses all", "192.0.2.1\n", Config{Format: list.Domains}, list.ErrRefused, ""},
		{"scanner refuses all, empty allowed", "192.0.2.1\n", Config{Format: list.Domains, Empty: true}, list.ErrRefused, ""},
		{"web page", "<!DOCTYPE html>\n<html>" + lines(50), Config{}, list.ErrHTML, ""},
		{"binary", "\x1f\x8b\x08\x00\x00\x00\x00\x00" + lines(3), Config{}, list.ErrBinary, ""},
	}
	for _, tt := range tests {
		tt.config.File = "l.txt"
		l, err := Load(strings.NewReader(tt.text), time.Time{}, tt.config)
		if l != nil || !errors.Is(err, tt.want) || !strings.HasPrefix(fmt.Sprint(err), "l.txt: ") || tt.text2 != "" && err.Error() != tt.text2 {
			t.Errorf("%s: %v, %v, want %v %q", tt.name, l, err, tt.want, tt.text2)
		}
	}
	broken := iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader(lines(3)))) // breaks at the second read
	if l, err := Load(broken, time.Time{}, Config{File: "l.txt"}); l != nil || !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("A reader that fails: %v, %v", l, err)
	}
}

// TestLoadFewRefused: four slips of the pen do not cost a short file its rule.
func TestLoadFewRefused(t *testing.T) {
	l, err := Load(strings.NewReader("com\nnet\nbadsite.example\norg\nuk\n"), time.Time{}, Config{File: "l.txt", Check: new(policy.Guard)})
	if err != nil || l.Stats.Rules != 1 || l.Stats.Refused != 4 || l.Set.Len() != 1 {
		t.Errorf("Load() = %+v, %v", l, err)
	}
}

func TestLoadKeepsTheFirstRefused(t *testing.T) {
	for _, n := range []int{maxReported, maxReported + 1} {
		text := strings.Repeat("com\n", n) + lines(50)
		told := 0
		l, err := Load(strings.NewReader(text), time.Time{}, Config{
			File: "l.txt", Check: new(policy.Guard), Refused: func(*rule.LineError) { told++ },
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(l.Refused) != maxReported || l.Refused[maxReported-1].Line != maxReported || l.Stats.Refused != n || told != n {
			t.Errorf("%d refused: %d kept, %d counted, %d told", n, len(l.Refused), l.Stats.Refused, told)
		}
	}
}

func TestLoadAbout(t *testing.T) {
	modified := time.Unix(1_800_000_000, 999)
	tests := []struct {
		name, text string
		modified   time.Time
		serial     uint32
	}{
		{"of the header", "# Serial: 2026112201\nbadsite.example\n", modified, 2026112201},
		{"of the time", "badsite.example\n", modified, 1_800_000_000},
		{"header without the time", "# Serial: 7\nbadsite.example\n", time.Time{}, 7},
		{"neither", "badsite.example\n", time.Time{}, 0},
		{"largest", "# Serial: 4294967295\nbadsite.example\n", modified, 4294967295},
	}
	for _, tt := range tests {
		before := time.Now()
		l, err := Load(strings.NewReader(tt.text), tt.modified, Config{File: "l.txt"})
		if err != nil {
			t.Fatal(err)
		}
		if l.Serial != tt.serial {
			t.Errorf("%s: serial %d, want %d", tt.name, l.Serial, tt.serial)
		}
		if !l.Modified.Equal(tt.modified) || l.File != "l.txt" || l.Format != list.Domains {
			t.Errorf("%s: %+v", tt.name, l)
		}
		if l.Loaded.Before(before) || l.Took <= 0 || l.Loaded.Add(l.Took).After(time.Now()) {
			t.Errorf("%s: loaded %v, took %v", tt.name, l.Loaded, l.Took)
		}
	}
}
