package nonudify

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/coredns/caddy"
)

// TestDoubt holds for each kind of address what is said about it as a sinkhole.
func TestDoubt(t *testing.T) {
	for want, addresses := range map[string]string{
		"":                               "9.9.9.9 2620:fe::fe 11.0.0.1 172.15.0.1 172.32.0.1 100.63.0.1 100.128.0.1 198.20.0.1 192.0.3.1 2001:db9::1 2001:1::1 239.1.1.1",
		"all clients run on this one":    "127.0.0.1 127.255.0.9 ::1",
		"all clients are on it":          "169.254.7.7",
		"which DNS cannot tell":          "fe80::7",
		"all clients are inside that":    "10.0.0.1 172.16.0.1 172.31.255.1 192.168.1.1 fd00::1 fc00::1 100.64.0.1 100.127.255.1",
		"right for nobody outside of a ": "192.0.2.1 198.51.100.1 203.0.113.1 198.18.0.1 198.19.255.1 240.0.0.1 0.0.0.1 2001:db8::1 3fff:fff::1 2001:2::1 100::1",
	} {
		for text := range strings.FieldsSeq(addresses) {
			if got := doubt(netip.MustParseAddr(text)); (got == "") != (want == "") || !strings.Contains(got, want) {
				t.Errorf("%s: %q, want %q", text, got, want)
			}
		}
	}
}

// TestDoubts holds that only addresses that are answered are doubted.
func TestDoubts(t *testing.T) {
	for properties, want := range map[string]int{
		"action sinkhole 127.0.0.1 ::1 9.9.9.9":    2,
		"action sinkhole ::ffff:127.0.0.1":         1,
		"action sinkhole\npage 127.0.0.1 [::1]:80": 2,
		"page 127.0.0.1":                           0,
		"action nodata":                            0,
		"action shadow":                            0,
	} {
		n, err := parse(caddy.NewTestController("dns", "nonudify {\n"+properties+"\n}"))
		if err != nil {
			t.Fatal(err)
		}
		if got := n.doubts(); len(got) != want || strings.Contains(strings.Join(got, ""), "ffff") {
			t.Errorf("%s: %q, want %d lines", properties, got, want)
		}
	}
}

// TestPlace holds that the line is that of the directive, and that asking for it
// takes nothing away from what is read later.
func TestPlace(t *testing.T) {
	c := caddy.NewTestController("dns", "\n\nnonudify {\n block badsite.example\n}")
	if got := place(c); got != "Testfile:3" {
		t.Errorf("the directive stands at %s", got)
	}
	if n, err := parse(c); err != nil || len(n.config.Block.Rules) != 1 {
		t.Errorf("the directive was read as %+v, %v", n, err)
	}
}
