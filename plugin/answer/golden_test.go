package answer

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/rule"
)

var update = flag.Bool("update", false, "rewrite the golden file")

const golden = "../../testdata/golden/answer.txt"

// TestGolden keeps the replies as dig shows them. Run it with -update after a
// wanted change and read the difference.
func TestGolden(t *testing.T) {
	var b strings.Builder
	write := func(config string, a *Answerer, client string, qtype uint16, v policy.Verdict) {
		r := request(query("WWW.Bad.example.", qtype, client))
		m, n := sent(t, r, a.Reply(r, v))
		fmt.Fprintf(&b, "=== %s, %v, client with %s, %v %v, %d octets\n%v\n", config, v.Reason, client, dns.Type(qtype), v.Trigger, n, m)
	}
	exact := verdict(policy.Blocked)
	exact.Trigger, exact.Labels = rule.Exact, 3

	defaults, denies, leads := mustNew(t, Config{}), mustNew(t, isp), mustNew(t, page)
	for _, client := range clients {
		write("defaults", defaults, client, dns.TypeA, verdict(policy.Filtered))
		for reason := range policy.Reason(policy.Reasons) {
			write("nxdomain", denies, client, dns.TypeHTTPS, verdict(reason))
		}
		write("nxdomain", denies, client, dns.TypeA, exact)
		for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeSVCB} {
			write("sinkhole", leads, client, qtype, verdict(policy.Filtered))
		}
		m, n := sent(t, request(query("WWW.Bad.example.", dns.TypeA, client)), denies.NotReady(request(query("WWW.Bad.example.", dns.TypeA, client))))
		fmt.Fprintf(&b, "=== not ready, client with %s, %d octets\n%v\n", client, n, m)
	}
	compareGolden(t, b.String())
}

func compareGolden(t *testing.T, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i, line := range gotLines {
		if i >= len(wantLines) || line != wantLines[i] {
			t.Fatalf("%s:%d: got %q", golden, i+1, line)
		}
	}
	if len(gotLines) != len(wantLines) {
		t.Fatalf("%s: %d lines, got %d", golden, len(wantLines), len(gotLines))
	}
}
