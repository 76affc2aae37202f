package nonudify

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/coredns/caddy"
	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/status"
)

// TestCountsWithoutAllocation: to count a verdict costs the query nothing but two
// additions.
func TestCountsWithoutAllocation(t *testing.T) {
	var c verdictCounters
	v := policy.Verdict{Action: rule.Block, List: "uncounted"}
	ctx := t.Context()
	c.count(ctx, "udp", "nxdomain", v)
	if n := testing.AllocsPerRun(100, func() { c.count(ctx, "udp", "nxdomain", v) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	key := status.Key{List: "uncounted", Reason: "filtered", Action: "nxdomain"}
	if n := tally.Counter(key).Load(); n != 102 {
		t.Errorf("Counted %d times", n)
	}
}

// TestReport looks at what is told of lists, also while one is missing, and that
// what is to be secret is not.
func TestReport(t *testing.T) {
	n := handler(t, "list builtin\nlist https://user:secret@127.0.0.1:1/list.txt?secret name absent\nstart open\nblock bad.example\naction shadow\nbypass canary")
	o := new(overview)
	o.add(n)
	o.add(n) // as another handler with the same lists
	r := o.report()
	if len(r.Lists) != 2 || len(r.Servers) != 2 || !r.Lists[0].Here || r.Lists[0].Entries != 100 || r.Lists[1].Here || !r.Lists[1].Remote || r.Lists[1].Sources[0].Place != "https://127.0.0.1:1/list.txt" {
		t.Errorf("%+v", r.Lists)
	}
	if s := r.Servers[0]; s.Action != "shadow" || !s.Ready || len(s.Bypass) != 1 || len(s.Lists) != 2 {
		t.Errorf("%+v", s)
	}
	if r.HelpPage.Addresses == nil || len(r.HelpPage.Addresses) != 0 {
		t.Errorf("%+v", r.HelpPage)
	}
}

// TestJudge: what a person is told of a name is what a query gets, and is counted
// nowhere.
func TestJudge(t *testing.T) {
	n := handler(t, "list builtin name judged\nblock bad.example\nallow fine.bad.example\nreason blocked")
	counter := counterOf("judged")
	before := counter.Counts()
	for name, want := range map[string]string{
		"www.bad.example.":  "blocked  block bad.example blocked nxdomain",
		"fine.bad.example.": "passed allow allow fine.bad.example blocked ",
		"bad.example.":      "blocked  block bad.example blocked nodata",
		"other.example.":    "not listed     ",
	} {
		j := n.judge(name)
		if got := strings.Join([]string{j.Verdict, j.Why, j.List, j.Rule, j.Reason, j.Action}, " "); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
		reply, _ := ask(t, n, new(dns.Msg).SetQuestion(name, dns.TypeA))
		if denied := len(reply.Ns) > 0; denied != (j.Verdict == status.Blocked) {
			t.Errorf("%s: denied %t, told %s", name, denied, j.Verdict)
		}
	}
	if after := counter.Counts(); after.Negative+after.Positive-before.Negative-before.Positive > 4 {
		t.Errorf("More was counted than 4 queries: %+v, before %+v", after, before)
	}
	if j := new(NoNudify).judge("bad.example."); j.Verdict != status.NotKnown {
		t.Errorf("Before the start: %+v", j)
	}
}

// TestStatusFileMissing: a file with a password that is not there stops the start.
func TestStatusFileMissing(t *testing.T) {
	n, err := parse(caddy.NewTestController("dns", "nonudify {\nstatus 127.0.0.1:8053 password "+filepath.Join(t.TempDir(), "users")+"\n}"))
	if err != nil {
		t.Fatal(err)
	}
	if err := n.start(&instance{}, true); err == nil || !strings.HasPrefix(err.Error(), "status: ") || !strings.Contains(err.Error(), "users") {
		t.Errorf("%v", err)
	}
}
