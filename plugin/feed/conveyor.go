package feed

import (
	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/set"
)

// conveyorRules is the number of rules that a conveyor carries at a time, and
// conveyorBatches how many such loads there are.
const (
	conveyorRules   = 512
	conveyorBatches = 3
)

// conveyor is a set.Builder at work beside who adds to it: to read and judge a line takes
// about as long as to sort the rule in. A list that fits into one load is built where it
// is read. end must be called.
type conveyor struct {
	set.Builder
	load  []rule.Rule      // not handed over yet
	full  chan []rule.Rule // nil: the builder is not at work
	empty chan []rule.Rule
	done  chan struct{} // closed when the builder has stopped
}

// add takes a rule over.
func (c *conveyor) add(r rule.Rule) {
	if len(c.load) == conveyorRules {
		if c.full == nil {
			c.start()
		}
		c.full <- c.load
		c.load = <-c.empty
	}
	c.load = append(c.load, r)
}

func (c *conveyor) start() {
	c.full, c.empty = make(chan []rule.Rule, conveyorBatches), make(chan []rule.Rule, conveyorBatches)
	c.done = make(chan struct{})
	for range conveyorBatches - 1 {
		c.empty <- make([]rule.Rule, 0, conveyorRules)
	}
	go func() {
		defer close(c.done)
		for load := range c.full {
			c.build(load)
			c.empty <- load[:0]
		}
	}()
}

func (c *conveyor) build(load []rule.Rule) {
	for _, r := range load {
		c.Add(r)
	}
	clear(load) // the names are not needed any more
}

// end stops the builder.
func (c *conveyor) end() {
	if c.full != nil {
		close(c.full)
		<-c.done
		c.full = nil
	}
}

// set returns the set of all rules.
func (c *conveyor) set() (*set.Set, error) {
	c.end()
	c.build(c.load)
	c.load = nil
	return c.Set()
}
