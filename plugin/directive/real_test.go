package directive

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nonudify/nonudify/plugin/builtin"
	"github.com/nonudify/nonudify/plugin/feed"
	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/set"
)

// lookalikes returns the names that must never be blocked, with the reason.
func lookalikes(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../builtin/lookalikes.tsv")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if f := strings.Split(strings.TrimSpace(line), "\t"); len(f) > 1 && !strings.HasPrefix(line, "#") && strings.Contains(f[0], ".") {
			names[f[0]] = f[1]
		}
	}
	if len(names) < 200 {
		t.Fatalf("Only %d lookalikes", len(names))
	}
	return names
}

// guarded reads a list the way a server does.
func guarded(t *testing.T, file string, text string) *feed.List {
	t.Helper()
	guard, err := Guard()
	if err != nil {
		t.Fatal(err)
	}
	l, err := feed.Load(strings.NewReader(text), time.Time{}, feed.LoadConfig{File: file, Check: guard})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func blocks(s *set.Set, name string) bool {
	var k set.Key
	k.Reset(name)
	return s.Match(&k).Action == rule.Block
}

func TestBuiltinBlocksNoLookalike(t *testing.T) {
	l := guarded(t, "builtin", string(builtin.List()))
	if l.Stats.Rules != 100 || l.Stats.Refused != 0 {
		t.Errorf("%d rules, %d refused: %v", l.Stats.Rules, l.Stats.Refused, l.Refused)
	}
	for name, why := range lookalikes(t) {
		if blocks(l.Set, name) {
			t.Errorf("%s is blocked: %s", name, why)
		}
	}
}

// TestRealLists loads lists of other publishers, where they are at hand: no
// public suffix of the lookalikes gets blocked, whatever they list.
func TestRealLists(t *testing.T) {
	dir := os.Getenv("NONUDIFY_LISTS")
	if dir == "" {
		t.Skip("NONUDIFY_LISTS names no folder of published lists")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("No published lists in %s: %v", dir, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		l := guarded(t, filepath.Base(file), string(text))
		t.Logf("%s: %d rules, %d refused, %.1f bytes a name, loaded in %v", filepath.Base(file), l.Stats.Rules, l.Stats.Refused,
			float64(l.Set.Bytes())/float64(l.Set.Len()), l.Took)
		for _, e := range l.Refused {
			t.Log(e)
		}
		suffixes := 0
		for name, why := range lookalikes(t) {
			if !strings.Contains(why, "public suffix") {
				continue
			}
			suffixes++
			if blocks(l.Set, name) {
				t.Errorf("%s blocks %s: %s", file, name, why)
			}
		}
		if suffixes < 5 {
			t.Errorf("Only %d public suffixes among the lookalikes", suffixes)
		}
	}
}

var _ feed.Checker = (*policy.Guard)(nil)
