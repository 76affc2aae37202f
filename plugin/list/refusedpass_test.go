package list_test

import (
	"strings"
	"testing"

	"github.com/nonudify/nonudify/plugin/list"
)

// TestRefusedPasses tells refused lines that were to let a name pass from others.
func TestRefusedPasses(t *testing.T) {
	for _, tt := range []struct {
		format list.Format
		line   string
		want   int
	}{
		{list.Adblock, "@@||fine.example^$domain=a.example", 1},
		{list.Adblock, "  @@/fine/", 1},
		{list.Adblock, "@@||a..b^", 1},
		{list.Adblock, "@@" + strings.Repeat("a", list.MaxLine), 1},
		{list.Adblock, "||badsite.example^$badfilter", 1},
		{list.Adblock, "||other.example^$popup", 0},
		{list.Adblock, "fine.example#@#.banner", 0},
		{list.Dnsmasq, "server=/fine.example/192.0.2.1", 1},
		{list.Dnsmasq, "--server=/a..b/#", 1},
		{list.Dnsmasq, "server=/a..b/c..d/#", 2},
		{list.Dnsmasq, "local=/a..b/", 0},
		{list.Dnsmasq, "address=/fine.example/192.0.2.1", 0},
		{list.Unbound, `local-zone: "a..b" transparent`, 1},
		{list.Unbound, `local-zone: "a..b" static`, 0},
		{list.Unbound, `local-data: "fine.example A 192.0.2.1"`, 0},
		{list.RPZ, "8.0.2.0.192.rpz-client-ip CNAME rpz-passthru.", 1},
		{list.RPZ, "a..b CNAME RPZ-PASSTHRU.", 1},
		{list.RPZ, "fine.example CNAME elsewhere.example. ; not rpz-passthru", 0},
		{list.Domains, "@@fine.example", 0},
	} {
		s := list.NewScanner(strings.NewReader(tt.line+"\n"), list.Config{Format: tt.format})
		for s.Scan() {
			t.Errorf("%v: %s: %v", tt.format, tt.line, s.Rule())
		}
		if st := s.Stats(); st.Refused == 0 || st.RefusedPasses != tt.want {
			t.Errorf("%v: %.50q: %+v, want %d", tt.format, tt.line, st, tt.want)
		}
	}
}
