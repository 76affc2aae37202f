package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// manyBlocks is a Corefile with so many server blocks that name one list, each
// with a reason, an action and a contact of its own; each second one is a view.
func manyBlocks(n int, list, name string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "z%d.example:0 {\n bind 127.0.0.1\n", i)
		if i%2 == 1 {
			fmt.Fprintf(&b, " view v%d {\n  expr true\n }\n", i)
		}
		fmt.Fprintf(&b, " nonudify {\n  list %s name %s\n  reason %s\n  action %s\n  contact mailto:z%d@isp.example\n }\n whoami\n}\n",
			list, name, []string{"filtered", "blocked", "censored"}[i%3], []string{"nxdomain", "nodata"}[i%2], i)
	}
	return b.String()
}

// loadsOf returns how many rules of a list are in use, and how often it was
// loaded for them; known is false when nobody uses the list.
func loadsOf(t *testing.T, list string) (rules, loads float64, known bool) {
	t.Helper()
	all := series(t)
	rules, known = all[listSeries(list, "entries")]
	return rules, all[listSeries(list, "rounds_total", "result=new")], known
}

// TestOneCopy: a list is loaded once and held once, however many server blocks
// name it, over reloads, and let go with the last of them. Not in parallel: it
// measures the process.
func TestOneCopy(t *testing.T) {
	const size = 100_000
	list, name := filepath.Join(t.TempDir(), "list.txt"), fresh("one-copy")
	var text strings.Builder
	for i := range size {
		fmt.Fprintf(&text, "site%d.z%d.example\n", i, i%10)
	}
	putFile(t, list, []byte(text.String()))
	const none = "z0.example:0 {\n bind 127.0.0.1\n nonudify {\n  block badsite.example\n }\n whoami\n}\n"
	s := &serving{t, start(t, none)}
	defer func() { stop(s.Instance) }()
	with := func(corefile string) footprint {
		for range 2 { // caddy holds on to the instance before
			if err := s.reload(corefile); err != nil {
				t.Fatal(err)
			}
		}
		return measure()
	}
	with(manyBlocks(10, list, name)) // so that what is made once is there before it is counted
	empty := with(none)
	one := with(manyBlocks(1, list, name))
	for _, n := range []int{10, 3, 10} {
		many := with(manyBlocks(n, list, name))
		t.Logf("%d server blocks: %+v; one: %+v; none: %+v", n, many, one, empty)
		if grown := int64(many.heap) - int64(one.heap); grown > (int64(one.heap)-int64(empty.heap))/2 {
			t.Errorf("%d server blocks take %d bytes more than one", n, grown)
		}
		if rules, loads, _ := loadsOf(t, name); rules != size || loads != 1 {
			t.Errorf("%d server blocks: %v rules, loaded %v times", n, rules, loads)
		}
		for i := range n {
			want := []string{"NXDOMAIN", "NOERROR"}[i%2] + []string{" ede=17", " ede=15", " ede=16"}[i%3]
			if got := s.answers(fmt.Sprintf("site%d.z%d.example", i, i)); got != want {
				t.Errorf("Server block %d: %s, want %s", i, got, want)
			}
		}
	}
	after := with(none)
	if _, _, known := loadsOf(t, name); known {
		t.Error("The list is held although nobody uses it")
	}
	if left := int64(after.heap) - int64(empty.heap); left > grownHeap || after.goroutines > empty.goroutines || after.files > empty.files {
		t.Errorf("Without the list %+v, before %+v", after, empty)
	}
}
