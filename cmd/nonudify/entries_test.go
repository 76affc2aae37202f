package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/set"
)

// randomList returns a set, and what is in it as a map.
func randomList(t *testing.T, r *rand.Rand) (*set.Set, map[dnsname.Name]entry) {
	t.Helper()
	var b set.Builder
	want := map[dnsname.Name]entry{}
	for range r.IntN(60) {
		labels := []string{[]string{"a", "b", "a-b", "ab", "ba"}[r.IntN(5)], []string{"x", "y", "x-y"}[r.IntN(3)], "example"}
		name := dnsname.Name(strings.Join(labels[r.IntN(3):], "."))
		trigger := rule.Trigger(1 + r.IntN(3))
		e := want[name]
		if action := rule.Block + rule.Action(r.IntN(2)); action == rule.Block {
			e.Block |= trigger
			b.Add(rule.Rule{Name: name, Trigger: trigger, Action: action})
		} else {
			e.Pass |= trigger
			b.Add(rule.Rule{Name: name, Trigger: trigger, Action: action})
		}
		want[name] = e
	}
	s, err := b.Set()
	if err != nil {
		t.Fatal(err)
	}
	return s, want
}

// reversed orders names as a set does, the slow way.
func reversed(a, b dnsname.Name) int {
	x, y := []byte(a), []byte(b)
	slices.Reverse(x)
	slices.Reverse(y)
	return strings.Compare(string(x), string(y))
}

// TestMerge compares the walk through two sets with the comparison of two maps.
func TestMerge(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	for range 300 {
		a, inA := randomList(t, r)
		b, inB := randomList(t, r)
		all := maps.Clone(inA)
		maps.Copy(all, inB)
		var want, got []string
		for _, name := range slices.SortedFunc(maps.Keys(all), reversed) {
			want = append(want, fmt.Sprint(name, inA[name], "/", inB[name]))
		}
		for name, both := range merge(entriesOf(a, true), entriesOf(b, true)) {
			got = append(got, fmt.Sprint(name, both[0], "/", both[1]))
		}
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d: got\n%s\nwant\n%s", seed, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// TestMergeStops ends both sequences when nobody wants more.
func TestMergeStops(t *testing.T) {
	ended := 0
	endless := func(yield func(dnsname.Name, entry) bool) {
		defer func() { ended++ }()
		for yield("a.example", entry{}) {
		}
	}
	for range merge(endless, endless) {
		break
	}
	if ended != 2 {
		t.Errorf("%d sequences have ended", ended)
	}
}

func TestCompareReversed(t *testing.T) {
	names := []dnsname.Name{"", "e", "a.example", "x.a.example", "a-b.example", "b.example", "aexample", "example", "b.a.example"}
	for _, a := range names {
		for _, b := range names {
			if got, want := compareReversed(a, b), reversed(a, b); got != want {
				t.Errorf("%q and %q: %d, want %d", a, b, got, want)
			}
		}
	}
}
