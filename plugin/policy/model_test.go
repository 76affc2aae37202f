package policy

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/set"
)

// table is the naive twin of a set's blocks or exceptions.
type table map[dnsname.Name]rule.Trigger

// longest returns the longest rule that means the name, found by going through
// all of them.
func (t table) longest(name dnsname.Name) (labels int, trigger rule.Trigger) {
	for n, tr := range t {
		means := n == name && tr&rule.Exact != 0 || name.IsBelow(n) && tr&rule.Below != 0
		if means && n.Labels() > labels {
			labels, trigger = n.Labels(), tr
		}
	}
	return labels, trigger
}

// hasBelow reports whether a rule means a name below.
func (t table) hasBelow(name dnsname.Name) bool {
	for n, tr := range t {
		if n.IsBelow(name) || n == name && tr&rule.Below != 0 {
			return true
		}
	}
	return false
}

// model is the naive twin of a Policy: maps, and loops over all they hold.
type model struct {
	block, pass []table // by list
	allow       table
}

func (m model) decide(name dnsname.Name) Verdict {
	first := Verdict{}
	for i := range m.block {
		labels, trigger := m.block[i].longest(name)
		if labels == 0 {
			continue
		}
		v := Verdict{Reason: Reason(i % Reasons), List: fmt.Sprint("l", i), Serial: uint32(i + 1)}
		if l, tr := m.pass[i].longest(name); l >= labels {
			v.Action, v.Labels, v.Trigger = rule.Pass, l, tr
			if first.Action == rule.None {
				first = v
			}
			continue
		}
		if l, tr := m.allow.longest(name); l > 0 {
			return Verdict{Action: rule.Pass, Reason: v.Reason, Labels: l, Trigger: tr, List: AllowList}
		}
		v.Action, v.Labels, v.Trigger = rule.Block, labels, trigger
		v.Open = trigger == rule.Exact || m.pass[i].hasBelow(name) || m.allow.hasBelow(name)
		return v
	}
	return first
}

// randomName draws from a small world, so that rules meet names and each other.
func randomName(r *rand.Rand) dnsname.Name {
	name := "example"
	depth := r.IntN(5)
	if r.IntN(50) == 0 {
		depth += 15 // deeper than what the filter hashes
	}
	for range depth {
		name = string("abc"[r.IntN(3)]) + "." + name
	}
	return dnsname.Name(name)
}

// randomPolicy returns a policy and its twin.
func randomPolicy(t *testing.T, r *rand.Rand) (*Policy, model) {
	m := model{allow: table{}}
	c := Config{}
	triggers := []rule.Trigger{rule.Exact, rule.Below, rule.Subtree}
	for i := range r.IntN(4) {
		var rules []rule.Rule
		m.block, m.pass = append(m.block, table{}), append(m.pass, table{})
		for range r.IntN(12) {
			n := rule.Rule{Name: randomName(r), Trigger: triggers[r.IntN(3)], Action: rule.Block}
			into := m.block[i]
			if r.IntN(3) == 0 {
				n.Action, into = rule.Pass, m.pass[i]
			}
			into[n.Name] |= n.Trigger
			rules = append(rules, n)
		}
		c.Lists = append(c.Lists, List{Name: fmt.Sprint("l", i), Set: setOf(t, rules), Reason: Reason(i % Reasons), Serial: uint32(i + 1)})
	}
	var allow []rule.Rule
	for range r.IntN(3) {
		n := rule.Rule{Name: randomName(r), Trigger: triggers[r.IntN(3)], Action: rule.Pass}
		m.allow[n.Name] |= n.Trigger
		allow = append(allow, n)
	}
	c.Allow = []*set.Set{setOf(t, allow)}
	return New(c), m
}

// TestModel compares policies with their naive twins, and checks what follows
// from a verdict: after NXDOMAIN (blocked, not open) nothing below is allowed
// (RFC 8020 §2).
func TestModel(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	seen := map[rule.Action]int{}
	for range 1000 {
		p, m := randomPolicy(t, r)
		for range 40 {
			name := randomName(r)
			qname := name.FQDN()
			if r.IntN(2) == 0 {
				qname = strings.ToUpper(qname)
			}
			got := p.Decide(qname, netip.Addr{})
			if want := m.decide(name); got != want {
				t.Fatalf("%s: %s, want %s\nmodel: %+v", name, show(got), show(want), m)
			}
			seen[got.Action]++
			b, absent := p.DecideBlock(qname, netip.Addr{})
			if got.Blocked() && b != got || !got.Blocked() && b != (Verdict{}) || absent && got != (Verdict{}) {
				t.Fatalf("%s: DecideBlock says %s, absent %t, Decide %s\nmodel: %+v", name, show(b), absent, show(got), m)
			}
			if !got.Blocked() || got.Open {
				continue
			}
			for _, below := range []string{"a.", "b.", "c.", "z.", "a.a.", "b.c.", "c.b.a."} {
				if v := p.Decide(below+qname, netip.Addr{}); !v.Blocked() {
					t.Fatalf("%s is denied with everything below, but %s%s: %s\nmodel: %+v", name, below, name, show(v), m)
				}
			}
		}
	}
	for _, a := range []rule.Action{rule.None, rule.Block, rule.Pass} {
		if seen[a] < 2000 {
			t.Errorf("Only %d verdicts are %v: the random world tests too little", seen[a], a)
		}
	}
}
