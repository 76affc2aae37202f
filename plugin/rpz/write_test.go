package rpz_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/rpz"
	"github.com/nonudify/nonudify/plugin/rule"
)

// TestWrite reads back what is written.
func TestWrite(t *testing.T) {
	for _, action := range []rule.Action{rule.Block, rule.Pass} {
		for _, trigger := range []rule.Trigger{rule.Exact, rule.Below} {
			for _, open := range []bool{false, true} {
				r := rule.Rule{Name: "bad.example", Trigger: trigger, Action: action}
				got, err := rpz.Parse("rpz.example.", rpz.Owner(r)+".rpz.example.", dns.TypeCNAME, rpz.Target(action, open))
				if err != nil || got != r {
					t.Errorf("%v (%v) comes back as %v, %v", r, open, got, err)
				}
			}
		}
	}
	for _, tt := range []struct {
		action rule.Action
		open   bool
		want   string
	}{{rule.Block, false, "."}, {rule.Block, true, "*."}, {rule.Pass, false, "rpz-passthru."}, {rule.Pass, true, "rpz-passthru."}} {
		if got := rpz.Target(tt.action, tt.open); got != tt.want {
			t.Errorf("Target(%v, %v) = %s, want %s", tt.action, tt.open, got, tt.want)
		}
	}
}

// TestFit holds the longest owners against what the DNS library packs.
func TestFit(t *testing.T) {
	longest := strings.Repeat(strings.Repeat("a", 49)+".", 4) + strings.Repeat("a", 53) // 253 bytes
	for _, origin := range []string{"r.", "rpz.example.", strings.Repeat("o", 63) + "."} {
		for n := range len(longest) {
			owner := longest[n:]
			if owner[0] == '.' {
				continue
			}
			fits := rpz.Fit(origin, owner) == nil
			wire := make([]byte, 600)
			size, err := dns.PackDomainName(owner+"."+origin, wire, 0, nil, false)
			if err != nil {
				t.Fatal(err)
			}
			if fits != (size <= 255) {
				t.Fatalf("Fit says %v of an owner in %s with which it takes %d octets", fits, origin, size)
			}
		}
	}
	for owner, want := range map[string]error{
		"bad.example": nil, "*.bad.example": nil, "_list.meta": rpz.ErrTaken, "*._list.meta": nil, "x.rpz-ip": rpz.ErrTrigger, "*.rpz-nsdname": rpz.ErrTrigger,
		"rpz-ip.example": nil, strings.Repeat("x.", 125): rpz.ErrTooLong,
	} {
		if got := rpz.Fit("rpz.example.", owner); !errors.Is(got, want) {
			t.Errorf("Fit of %s: %v, want %v", owner, got, want)
		}
	}
	if len(longest) != dnsname.MaxLen {
		t.Fatalf("The longest name has %d bytes", len(longest))
	}
}
