package feed

import (
	"fmt"
	"slices"
	"testing"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/set"
)

// TestConveyor carries rules around the limits of its loads: the set is that of a builder.
func TestConveyor(t *testing.T) {
	for _, n := range []int{0, 1, conveyorRules - 1, conveyorRules, conveyorRules + 1, 10*conveyorRules + 3} {
		var c conveyor
		var b set.Builder
		for i := range n {
			r := rule.Rule{Name: dnsname.Name(fmt.Sprintf("name-%d.example", i)), Trigger: rule.Subtree, Action: rule.Block}
			c.add(r)
			b.Add(r)
		}
		if working := c.full != nil; working != (n > conveyorRules) {
			t.Errorf("%d rules: at work: %v", n, working)
		}
		got, err := c.set()
		if err != nil {
			t.Fatal(err)
		}
		want, err := b.Set()
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(slices.Collect(got.All()), slices.Collect(want.All())) {
			t.Errorf("%d rules: %d are there", n, got.Len())
		}
		c.end() // again
	}
	var c conveyor
	for range 2*conveyorRules + 1 {
		c.add(rule.Rule{})
	}
	done := c.done
	c.end()
	<-done // the builder has stopped, without its set being asked for
}
