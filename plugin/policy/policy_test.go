package policy

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/set"
)

// parseRules reads rules as rule.Rule.String writes them, separated by commas.
func parseRules(t testing.TB, text string) []rule.Rule {
	t.Helper()
	var rules []rule.Rule
	for line := range strings.SplitSeq(text, ",") {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		trigger, ok := map[string]rule.Trigger{"exact": rule.Exact, "below": rule.Below, "subtree": rule.Subtree}[f[1]]
		action, ok2 := map[string]rule.Action{"block": rule.Block, "pass": rule.Pass}[f[0]]
		if !ok || !ok2 || len(f) != 3 {
			t.Fatalf("Bad rule %q", line)
		}
		rules = append(rules, rule.Rule{Name: dnsname.Name(f[2]), Trigger: trigger, Action: action})
	}
	return rules
}

func setOf(t testing.TB, rules []rule.Rule) *set.Set {
	t.Helper()
	var b set.Builder
	for _, r := range rules {
		b.Add(r)
	}
	s, err := b.Set()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// newPolicy returns a policy of one set of allow rules and of lists named l0,
// l1 and so on, each with a reason and serial of its own.
func newPolicy(t testing.TB, allow string, lists ...string) *Policy {
	t.Helper()
	c := Config{Allow: []*set.Set{setOf(t, parseRules(t, allow))}}
	for i, text := range lists {
		c.Lists = append(c.Lists, List{
			Name: fmt.Sprint("l", i), Set: setOf(t, parseRules(t, text)), Reason: Reason(i % Reasons), Serial: uint32(i + 1),
		})
	}
	return New(c)
}

// show writes a verdict without its zero fields, for tables.
func show(v Verdict) string {
	if v == (Verdict{}) {
		return "none"
	}
	s := fmt.Sprintf("%v by %s (%v, serial %d): %v of %d labels", v.Action, v.List, v.Reason, v.Serial, v.Trigger, v.Labels)
	if v.Open {
		s += ", open"
	}
	return s
}

func TestDecide(t *testing.T) {
	const bad = "block subtree badsite.example"
	const blocked = "block by l0 (filtered, serial 1): subtree of 2 labels"
	tests := []struct {
		name  string
		allow string
		lists []string
		qname string
		want  string
	}{
		{"miss", "", []string{bad}, "example.org.", "none"},
		{"no list", "", nil, "badsite.example.", "none"},
		{"the name", "", []string{bad}, "badsite.example.", blocked},
		{"letter case", "", []string{bad}, "BadSite.EXAMPLE.", blocked},
		{"below", "", []string{bad}, "a.b.badsite.example.", blocked},
		{"label boundary", "", []string{bad}, "notbadsite.example.", "none"},
		{"above", "", []string{bad}, "example.", "none"},
		{"root", "", []string{bad}, ".", "none"},
		{"no name", "", []string{bad}, `bad\`, "none"},

		{"allow the name", "pass exact badsite.example", []string{bad}, "badsite.example.",
			"pass by allow (filtered, serial 0): exact of 2 labels"},
		{"allow exact only", "pass exact badsite.example", []string{bad}, "www.badsite.example.", blocked},
		{"allow above", "pass subtree example", []string{bad}, "www.badsite.example.",
			"pass by allow (filtered, serial 0): subtree of 1 labels"},
		{"allow above a longer block", "pass subtree badsite.example", []string{"block exact a.b.badsite.example"}, "a.b.badsite.example.",
			"pass by allow (filtered, serial 0): subtree of 2 labels"},
		{"allow below only", "pass below badsite.example", []string{bad}, "badsite.example.", blocked + ", open"},
		{"allow beats every list", "pass subtree badsite.example", []string{bad, bad}, "badsite.example.",
			"pass by allow (filtered, serial 0): subtree of 2 labels"},
		{"allow of a name not listed", "pass subtree example", []string{bad}, "example.org.", "none"},

		{"longest match", "", []string{bad + ",block exact www.badsite.example"}, "www.badsite.example.",
			"block by l0 (filtered, serial 1): exact of 3 labels, open"},
		{"longer exception", "", []string{bad + ",pass subtree help.badsite.example"}, "a.help.badsite.example.",
			"pass by l0 (filtered, serial 1): subtree of 3 labels"},
		{"exception of equal length", "", []string{bad + ",pass exact badsite.example"}, "badsite.example.",
			"pass by l0 (filtered, serial 1): exact of 2 labels"},
		{"exception for the name only", "", []string{bad + ",pass exact badsite.example"}, "www.badsite.example.", blocked},
		{"shorter exception", "", []string{bad + ",pass subtree example"}, "badsite.example.", blocked},
		{"block below an exception", "", []string{bad + ",pass subtree help.badsite.example,block subtree x.help.badsite.example"},
			"x.help.badsite.example.", "block by l0 (filtered, serial 1): subtree of 4 labels"},
		{"exception alone", "", []string{"pass subtree badsite.example"}, "badsite.example.", "none"},

		{"exception of another list", "", []string{"pass subtree badsite.example", bad}, "badsite.example.",
			"block by l1 (blocked, serial 2): subtree of 2 labels"},
		{"exception, then a block", "", []string{bad + ",pass exact badsite.example", bad}, "badsite.example.",
			"block by l1 (blocked, serial 2): subtree of 2 labels"},
		{"block, then an exception", "", []string{bad, bad + ",pass exact badsite.example"}, "badsite.example.", blocked},
		{"two exceptions", "", []string{bad + ",pass exact badsite.example", bad + ",pass subtree badsite.example"}, "badsite.example.",
			"pass by l0 (filtered, serial 1): exact of 2 labels"},
		{"first list of two", "", []string{bad, "block exact badsite.example"}, "badsite.example.", blocked},
		{"second list, longer rule", "", []string{bad, "block exact www.badsite.example"}, "www.badsite.example.", blocked},
		{"reason of the third list", "", []string{"", "block subtree example.org", bad}, "badsite.example.",
			"block by l2 (censored, serial 3): subtree of 2 labels"},

		{"open: exact rule", "", []string{"block exact badsite.example"}, "badsite.example.",
			"block by l0 (filtered, serial 1): exact of 2 labels, open"},
		{"open: exception below", "", []string{bad + ",pass exact a.b.badsite.example"}, "badsite.example.", blocked + ", open"},
		{"open: exception below the query name", "", []string{bad + ",pass exact a.b.badsite.example"}, "b.badsite.example.", blocked + ", open"},
		{"open: not beside the exception", "", []string{bad + ",pass exact a.b.badsite.example"}, "c.badsite.example.", blocked},
		{"open: allow below", "pass subtree a.b.badsite.example", []string{bad}, "badsite.example.", blocked + ", open"},
		{"open: not beside the allow", "pass subtree a.b.badsite.example", []string{bad}, "xb.badsite.example.", blocked},
		{"open: another list's exception is none", "", []string{bad, bad + ",pass exact a.badsite.example"}, "badsite.example.", blocked},
		{"below rule", "", []string{"block below badsite.example"}, "www.badsite.example.",
			"block by l0 (filtered, serial 1): below of 2 labels"},
		{"below rule, the name", "", []string{"block below badsite.example"}, "badsite.example.", "none"},
	}
	for _, tt := range tests {
		got := newPolicy(t, tt.allow, tt.lists...).Decide(tt.qname, netip.Addr{})
		if show(got) != tt.want {
			t.Errorf("%s: %q: %s, want %s", tt.name, tt.qname, show(got), tt.want)
		}
	}
	if v := new(Policy).Decide("badsite.example.", netip.Addr{}); v != (Verdict{}) {
		t.Errorf("The zero Policy: %s", show(v))
	}
}

// TestAllowSets: each set of exceptions counts, the first too when only a
// later one has a name below.
func TestAllowSets(t *testing.T) {
	p := New(Config{
		Lists: []List{{Name: "l", Set: setOf(t, parseRules(t, "block subtree badsite.example"))}},
		Allow: []*set.Set{
			setOf(t, parseRules(t, "pass subtree a.badsite.example")),
			setOf(t, parseRules(t, "pass subtree b.badsite.example")),
			{},
		},
	})
	for qname, want := range map[string]string{
		"badsite.example.":   "block by l (filtered, serial 0): subtree of 2 labels, open",
		"a.badsite.example.": "pass by allow (filtered, serial 0): subtree of 3 labels",
		"b.badsite.example.": "pass by allow (filtered, serial 0): subtree of 3 labels",
		"c.badsite.example.": "block by l (filtered, serial 0): subtree of 2 labels",
	} {
		if got := show(p.Decide(qname, netip.Addr{})); got != want {
			t.Errorf("%s: %s, want %s", qname, got, want)
		}
	}
}

func TestDecideForClients(t *testing.T) {
	c := NewClients(false, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, nil)
	lists := []List{{Name: "l", Set: setOf(t, parseRules(t, "block subtree badsite.example,pass exact help.badsite.example"))}}
	p := New(Config{Lists: lists, Clients: c, Allow: []*set.Set{setOf(t, parseRules(t, "pass exact ok.badsite.example"))}})
	inside, outside := netip.MustParseAddr("192.0.2.9"), netip.MustParseAddr("198.51.100.9")
	for qname, want := range map[string]rule.Action{
		"badsite.example.": rule.Block, "help.badsite.example.": rule.Pass, "ok.badsite.example.": rule.Pass, "example.org.": rule.None,
	} {
		for _, client := range []netip.Addr{inside, {}} {
			if got := p.Decide(qname, client).Action; got != want {
				t.Errorf("%s for %v: %v, want %v", qname, client, got, want)
			}
		}
		if got := p.Decide(qname, outside); got != (Verdict{}) {
			t.Errorf("%s for a client that the policy is not for: %s", qname, show(got))
		}
	}
}

func TestVerdict(t *testing.T) {
	p := newPolicy(t, "", "block subtree badsite.example,pass exact ok.badsite.example")
	const qname = `A\.b.BadSite.Example.`
	v := p.Decide(qname, netip.Addr{})
	if got, want := v.Matched(qname), "BadSite.Example."; !v.Blocked() || got != want {
		t.Errorf("Matched(%q) = %q, want %q", qname, got, want)
	}
	if p.Decide("ok.badsite.example.", netip.Addr{}).Blocked() || (Verdict{}).Blocked() {
		t.Error("An exception or a miss counts as blocked")
	}
}

func TestReason(t *testing.T) {
	for i, want := range []string{"filtered", "blocked", "censored"} {
		var r Reason
		if err := r.UnmarshalText([]byte(want)); err != nil || r != Reason(i) {
			t.Errorf("UnmarshalText(%q) = %v, %v", want, r, err)
		}
		if got, err := r.MarshalText(); string(got) != want || err != nil {
			t.Errorf("MarshalText(%d) = %q, %v", i, got, err)
		}
	}
	if got := Reason(Reasons).String(); got != "reason(3)" {
		t.Errorf("A reason that does not exist is %q", got)
	}
	r := Censored
	err := r.UnmarshalText([]byte("Filtered"))
	if want := `unknown reason "Filtered": want filtered, blocked or censored`; err == nil || err.Error() != want || r != Censored {
		t.Errorf("UnmarshalText = %v, %v, want %s", r, err, want)
	}
}

// TestCounter counts misses and hits, and every question exactly once.
func TestCounter(t *testing.T) {
	const listed, misses = 5000, 20_000
	var rules []rule.Rule
	for i := range listed {
		rules = append(rules, rule.Rule{Name: dnsname.Name(fmt.Sprintf("n%d.badsite.example", i)), Trigger: rule.Subtree, Action: rule.Block})
	}
	rules = append(rules, parseRules(t, "pass exact n7.badsite.example")...)
	var first, second Counter
	p := New(Config{Lists: []List{
		{Name: "counted", Set: setOf(t, rules), Counter: &first},
		{Name: "not counted", Set: setOf(t, nil)},
		{Name: "second", Set: setOf(t, rules), Counter: &second},
	}})
	for i := range misses {
		p.Decide(fmt.Sprintf("m%d.badsite.example.", i), netip.Addr{})
	}
	for i := range listed {
		p.Decide(fmt.Sprintf("www.n%d.badsite.example.", i), netip.Addr{})
	}
	p.Decide("n7.badsite.example.", netip.Addr{}) // excepted, so the second list is asked as well
	got := first.Counts()
	if got.Positive != listed+1 || got.Negative+got.FalsePositive != misses {
		t.Errorf("Counts() = %+v, want %d positive and %d others", got, listed+1, misses)
	}
	if got.FalsePositive == 0 || got.FalsePositive > misses/20 {
		t.Errorf("%d false positives in %d misses", got.FalsePositive, misses)
	}
	if got := second.Counts(); got.Positive != 1 || got.Negative+got.FalsePositive != misses {
		t.Errorf("Counts() of the second list = %+v, want 1 positive and %d others", got, misses)
	}
}

// TestConcurrent decides from several goroutines; the race detector watches,
// and no count is lost.
func TestConcurrent(t *testing.T) {
	const workers, each = 8, 2000
	var counter Counter
	p := New(Config{Lists: []List{{Name: "l", Set: setOf(t, parseRules(t, "block subtree badsite.example")), Counter: &counter}}})
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				qname := fmt.Sprintf("w%d-%d.badsite.example.", w, i)
				if v := p.Decide(qname, netip.Addr{}); !v.Blocked() {
					t.Errorf("%s: %s", qname, show(v))
				}
				counter.Counts()
			}
		})
	}
	wg.Wait()
	if got := counter.Counts(); got != (Counts{Positive: workers * each}) {
		t.Errorf("Counts() = %+v, want %d positive", got, workers*each)
	}
}

func TestDecideAllocatesNothing(t *testing.T) {
	c := NewClients(true, nil, []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")})
	var counter Counter
	p := New(Config{
		Lists:   []List{{Name: "l", Set: setOf(t, parseRules(t, "block subtree badsite.example,pass subtree help.badsite.example")), Counter: &counter}},
		Allow:   []*set.Set{setOf(t, parseRules(t, "pass exact ok.badsite.example"))},
		Clients: c,
	})
	client := netip.MustParseAddr("::ffff:192.0.2.1")
	for _, qname := range []string{"www.Example.ORG.", "www.badsite.example.", "BadSite.example.", "help.badsite.example.", "ok.badsite.example.", `bad\`} {
		if n := testing.AllocsPerRun(100, func() { p.Decide(qname, client) }); n != 0 {
			t.Errorf("%s: %v allocations", qname, n)
		}
	}
}

// TestPending: while a list is missing, what is there decides, and what it
// leaves open waits, but for names and clients that no list could block.
func TestPending(t *testing.T) {
	c := newPolicy(t, "pass subtree ok.example", "block subtree badsite.example, pass subtree fine.badsite.example").config
	c.Pending = true
	c.Zones = setOf(t, parseRules(t, "block subtree example"))
	c.Clients = NewClients(true, nil, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")})
	p := New(c)
	if p.Ready() || !New(Config{}).Ready() {
		t.Error("Ready() is wrong")
	}
	pupil, staff := netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("192.0.2.1")
	for _, tt := range []struct {
		qname   string
		client  netip.Addr
		action  rule.Action
		pending bool
	}{
		{"www.badsite.example.", pupil, rule.Block, false},
		{"www.badsite.example.", staff, rule.None, false},
		{"other.example.", pupil, rule.None, true},
		{"other.example.", staff, rule.None, false},
		{"other.example.", netip.Addr{}, rule.None, true},
		{"www.ok.example.", pupil, rule.None, false},
		{"fine.badsite.example.", pupil, rule.None, true}, // the missing list may block it
		{"other.test.", pupil, rule.None, false},          // not in the zone
	} {
		if v := p.Decide(tt.qname, tt.client); v.Action != tt.action || v.Pending != tt.pending {
			t.Errorf("%s for %v: %+v", tt.qname, tt.client, v)
		}
	}
}
