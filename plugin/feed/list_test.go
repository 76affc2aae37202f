package feed

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/source"
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
		config  LoadConfig
		rules   string   // what the set holds
		refused []string // what is reported
	}{
		{"plain", "# Title: x\nbadsite.example\nBadSite2.example # why\n", LoadConfig{},
			"block subtree badsite.example, block subtree badsite2.example", nil},
		{"guard", "badsite.example\nco.uk\ncom\nbadsite.co.uk\n", LoadConfig{Check: guard},
			"block subtree badsite.co.uk, block subtree badsite.example", []string{
				"l.txt:2: co.uk: a public suffix is never blocked: it would block everybody who registered a name under it",
				"l.txt:3: com: a top-level domain is never blocked",
			}},
		{"no guard", "co.uk\n", LoadConfig{}, "block subtree co.uk", nil},
		{"guard lets exceptions through", "||badsite.example^\n@@||co.uk^\n", LoadConfig{Check: guard},
			"block subtree badsite.example, pass subtree co.uk", nil},
		{"scanner and guard", "badsite.example\nbad site\ncom\nbadsite2.example\n", LoadConfig{Check: guard, Format: list.Domains},
			"block subtree badsite.example, block subtree badsite2.example", []string{"l.txt:2: ", "l.txt:3: com: "}},
		{"empty allowed", "# nothing yet\n", LoadConfig{Empty: true}, "", nil},
		{"no byte at all", "", LoadConfig{Empty: true}, "", nil},
		{"action", "badsite.example\n@@||ok.example^\n||bad.example^\n", LoadConfig{Action: rule.Pass, Format: list.Adblock},
			"pass subtree bad.example, pass subtree badsite.example, pass subtree ok.example", nil},
		{"action against the guard", "com\n", LoadConfig{Action: rule.Pass, Check: guard}, "pass subtree com", nil},
		{"twice the same", "badsite.example\nbadsite.example\n", LoadConfig{}, "block subtree badsite.example", nil},
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
		config LoadConfig
		want   error
		text2  string // the whole error, where this package words it
	}{
		{"empty", "", LoadConfig{}, ErrEmpty, "l.txt: holds no rule"},
		{"comments only", "# Title: x\n\n", LoadConfig{}, ErrEmpty, "l.txt: holds no rule"},
		{"guard refuses all", "com\nco.uk\n", LoadConfig{Check: guard}, list.ErrRefused,
			"l.txt: most of it was refused (2 of 2), the first: l.txt:1: com: a top-level domain is never blocked"},
		{"guard refuses all, empty allowed", "com\n", LoadConfig{Check: guard, Empty: true}, list.ErrRefused, ""},
		{"guard refuses most", "com\nbadsite.example\nco.uk\nnet\norg\nuk\n", LoadConfig{Check: guard}, list.ErrRefused,
			"l.txt: most of it was refused (5 of 6), the first: l.txt:1: com: a top-level domain is never blocked"},
		{"scanner and guard refuse most", "a b\nbadsite.example\nc d\ne f\ng h\ncom\n", LoadConfig{Format: list.Domains, Check: guard}, list.ErrRefused, ""},
		{"scanner refuses all", "192.0.2.1\n", LoadConfig{Format: list.Domains}, list.ErrRefused, ""},
		{"scanner refuses all, empty allowed", "192.0.2.1\n", LoadConfig{Format: list.Domains, Empty: true}, list.ErrRefused, ""},
		{"web page", "<!DOCTYPE html>\n<html>" + lines(50), LoadConfig{}, list.ErrHTML, ""},
		{"binary", strings.Repeat("\x00\x01\x02\n", 50), LoadConfig{}, list.ErrBinary, ""},
		{"damaged gzip", "\x1f\x8b\x08\x00\x00\x00\x00\x00" + lines(3), LoadConfig{}, source.ErrEncoding, ""},
	}
	for _, tt := range tests {
		tt.config.File = "l.txt"
		l, err := Load(strings.NewReader(tt.text), time.Time{}, tt.config)
		if !errors.Is(err, tt.want) || !strings.HasPrefix(fmt.Sprint(err), "l.txt: ") || tt.text2 != "" && err.Error() != tt.text2 {
			t.Errorf("%s: %v, want %v %q", tt.name, err, tt.want, tt.text2)
		}
		if l == nil || l.Set != nil || l.File != "l.txt" || errors.Is(err, ErrRead) {
			t.Errorf("%s: %+v, %v", tt.name, l, err)
		}
	}
}

// TestLoadRefusedAbout: of a list that is refused it is known why, and what it
// says of itself.
func TestLoadRefusedAbout(t *testing.T) {
	text := "# Title: x   # Serial: 7\n0.0.0.0 com\n0.0.0.0 net\n"
	l, err := Load(strings.NewReader(text), time.Time{}, LoadConfig{File: "l.txt", Check: new(policy.Guard)})
	if !errors.Is(err, list.ErrRefused) {
		t.Fatal(err)
	}
	if l.Header.Title != "x" || l.Serial != 7 || l.Format != list.Hosts || len(l.Refused) != 2 || l.Took <= 0 ||
		l.Stats != (list.Stats{Lines: 3, Comments: 1, Refused: 2}) {
		t.Errorf("%+v", l)
	}
}

// TestLoadUnread: half of a list says nothing of the list.
func TestLoadUnread(t *testing.T) {
	broken := iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader(lines(3)))) // breaks at the second read
	l, err := Load(broken, time.Time{}, LoadConfig{File: "l.txt"})
	if l != nil || !errors.Is(err, ErrRead) || !errors.Is(err, iotest.ErrTimeout) || err.Error() != "l.txt: could not be read to its end: timeout" {
		t.Errorf("%v, %v", l, err)
	}
}

func TestLoadLimit(t *testing.T) {
	text := lines(9000) // more than is read at once
	limit := int64(len(text))
	for _, r := range []func(io.Reader) io.Reader{
		func(r io.Reader) io.Reader { return r }, iotest.OneByteReader, iotest.DataErrReader,
	} {
		c := LoadConfig{File: "l.txt", MaxBytes: limit}
		if l, err := Load(r(strings.NewReader(text)), time.Time{}, c); err != nil || l.Stats.Rules != 9000 {
			t.Errorf("At the limit: %v", err)
		}
		l, err := Load(r(strings.NewReader(text+"\n")), time.Time{}, c)
		if want := fmt.Sprintf("l.txt: is too large: more than %d bytes", limit); !errors.Is(err, source.ErrTooLarge) || err.Error() != want {
			t.Errorf("One byte over: %v, want %s", err, want)
		}
		if l == nil || l.Set != nil {
			t.Errorf("One byte over: %+v", l)
		}
	}
	small := LoadConfig{File: "l.txt", MaxBytes: 15} // less than the head by which a list is known
	if l, err := Load(strings.NewReader("badsite.example"), time.Time{}, small); err != nil || l.Set.Len() != 1 {
		t.Errorf("15 bytes: %v", err)
	}
	if _, err := Load(strings.NewReader("badsite2.example"), time.Time{}, small); !errors.Is(err, source.ErrTooLarge) {
		t.Errorf("16 bytes: %v", err)
	}
}

// TestDefaultMaxBytes reads a list without an end.
func TestDefaultMaxBytes(t *testing.T) {
	in := &counted{Reader: new(endless)}
	_, err := Load(in, time.Time{}, LoadConfig{File: "l.txt", Format: list.Domains})
	if !errors.Is(err, source.ErrTooLarge) || errors.Is(err, ErrRead) || in.n < source.DefaultMaxBytes || in.n > source.DefaultMaxBytes+1<<20 {
		t.Errorf("%d bytes, %v", in.n, err)
	}
}

// endless is comments.
type endless struct{}

func (*endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '#'
	}
	p[0] = '\n'
	return len(p), nil
}

type counted struct {
	io.Reader
	n int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += n
	return n, err
}

// TestLoadSeen: each rule is told as it is used, with its line and comment.
func TestLoadSeen(t *testing.T) {
	tests := []struct {
		name   string
		config LoadConfig
		want   []string
	}{
		{"guard", LoadConfig{Check: new(policy.Guard)}, []string{
			"1 block subtree a.example (one) <nil>", "3 block subtree com () a top-level domain is never blocked", "5 block subtree a.example () <nil>",
		}},
		{"action", LoadConfig{Action: rule.Pass, Check: new(policy.Guard)}, []string{
			"1 pass subtree a.example (one) <nil>", "3 pass subtree com () <nil>", "5 pass subtree a.example () <nil>",
		}},
	}
	for _, tt := range tests {
		var got []string
		tt.config.Seen = func(r rule.Rule, line int, comment func() string, refused error) {
			got = append(got, fmt.Sprintf("%d %v (%s) %v", line, r, comment(), refused))
		}
		_, err := Load(strings.NewReader("a.example # one\n# two\ncom\nno name\na.example\n"), time.Time{}, tt.config)
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, %v, want %q", tt.name, got, err, tt.want)
		}
	}
}

// TestLoadHalf: as many refused as used is the most that is accepted.
func TestLoadHalf(t *testing.T) {
	l, err := Load(strings.NewReader("com\nbadsite.example\n"), time.Time{}, LoadConfig{File: "l.txt", Check: new(policy.Guard)})
	if err != nil || l.Stats.Rules != 1 || l.Stats.Refused != 1 || l.Set.Len() != 1 {
		t.Errorf("Load() = %+v, %v", l, err)
	}
}

// TestLoadTruncated: a list that lacks more than a twentieth of the entries that
// its header promises is one that was cut off.
func TestLoadTruncated(t *testing.T) {
	for _, tt := range []struct {
		promised, held int
		want           error
	}{{100, 95, nil}, {100, 94, ErrTruncated}, {3, 2, ErrTruncated}, {3, 3, nil}, {3, 10, nil}, {0, 1, nil}} {
		text := fmt.Sprintf("# Entries: %d\n%s", tt.promised, lines(tt.held))
		if _, err := Load(strings.NewReader(text), time.Time{}, LoadConfig{File: "l.txt"}); !errors.Is(err, tt.want) {
			t.Errorf("%d of %d entries: %v, want %v", tt.held, tt.promised, err, tt.want)
		}
	}
}

func TestLoadKeepsTheFirstRefused(t *testing.T) {
	for _, n := range []int{maxReported, maxReported + 1} {
		text := strings.Repeat("com\n", n) + lines(50)
		told := 0
		l, err := Load(strings.NewReader(text), time.Time{}, LoadConfig{
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
		l, err := Load(strings.NewReader(tt.text), tt.modified, LoadConfig{File: "l.txt"})
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
