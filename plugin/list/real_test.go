package list_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/rule"
)

// reasons are the sentinels by which TestReal sorts refusals.
var reasons = []error{
	list.ErrSyntax, list.ErrCosmetic, list.ErrAction, list.ErrWildcard, list.ErrLineTooLong, list.ErrNUL,
	dnsname.ErrEmpty, dnsname.ErrTooLong, dnsname.ErrLabel, dnsname.ErrByte, dnsname.ErrAddress,
	dnsname.ErrIDN, dnsname.ErrRoundTrip,
}

func sentinel(err error) error {
	if i := slices.IndexFunc(reasons, func(r error) bool { return errors.Is(err, r) }); i >= 0 {
		return reasons[i]
	}
	return err
}

// TestReal reads three published lists, which are not part of this project, from
// the folder in NONUDIFY_LISTS, and wants every line of theirs explained.
func TestReal(t *testing.T) {
	dir := os.Getenv("NONUDIFY_LISTS")
	if dir == "" {
		t.Skip("NONUDIFY_LISTS names no folder of published lists")
	}
	for _, tt := range []struct {
		file    string
		format  list.Format
		stats   list.Stats
		refused map[error]int
	}{
		// 12 lines of header, which says itself that 76,936 entries follow.
		{"hagezi_nsfw.txt", list.Domains, list.Stats{Lines: 76948, Rules: 76936, Comments: 12}, map[error]int{}},
		// CRLF; comments with one to four number signs, and 50 blank lines.
		{"lay_noai_hosts.txt", list.Hosts, list.Stats{Lines: 2304, Rules: 2220, Comments: 84}, map[error]int{}},
		// Five lines name an IPv4 address, where a hosts line needs a name. One
		// line has a second host, the single label "en", which is an entry like
		// others here. Two lines are blank.
		{"sinf.txt", list.Hosts, list.Stats{Lines: 61188, Rules: 61182, Comments: 2, Refused: 5, Extra: 1},
			map[error]int{dnsname.ErrAddress: 5}},
	} {
		f, err := os.Open(filepath.Join(dir, tt.file))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		refused := map[error]int{}
		s := list.NewScanner(f, list.Config{File: tt.file, Refused: func(e *rule.LineError) { refused[sentinel(e.Err)]++ }})
		for s.Scan() {
		}
		if s.Err() != nil || s.Format() != tt.format || s.Stats() != tt.stats || !maps.Equal(refused, tt.refused) {
			t.Errorf("%s: %s %+v %v, error %v; want %s %+v %v", tt.file, s.Format(), s.Stats(), refused, s.Err(),
				tt.format, tt.stats, tt.refused)
		}
		if n := s.Header().Entries; n != 0 && n != s.Stats().Rules {
			t.Errorf("%s: its header says %d entries, read %d", tt.file, n, s.Stats().Rules)
		}
	}
}
