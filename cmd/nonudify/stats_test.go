package main

import (
	"strconv"
	"testing"
)

// TestStatsLimit counts as many sources by their names as are held. What comes then is
// counted with the others, and what is known goes on to be counted by its name.
func TestStatsLimit(t *testing.T) {
	n := &counter{by: map[string]map[string]int{}}
	for i := range maxHeld {
		n.count("source", strconv.Itoa(i))
	}
	if all := frequent(n.by["source"], 0); len(all) != maxHeld || all[maxHeld-1].Count != 1 {
		t.Fatalf("%d sources, the last %v", len(all), all[len(all)-1])
	}
	for _, key := range []string{"one more", "another", "7"} {
		n.count("source", key)
	}
	all := frequent(n.by["source"], 0)
	if len(all) != maxHeld+1 || all[0] != (tally{"7", 2}) || all[maxHeld] != (tally{others, 2}) {
		t.Errorf("%d sources, the first %v, the last %v", len(all), all[0], all[len(all)-1])
	}
	if got := frequent(n.by["source"], 1); len(got) != 2 || got[0] != (tally{"7", 2}) || got[1] != (tally{others, maxHeld + 1}) {
		t.Errorf("the first and the others: %v", got)
	}
}
