package list_test

import (
	"strings"
	"testing"

	"github.com/nonudify/nonudify/plugin/list"
)

func TestDetect(t *testing.T) {
	for _, tt := range []struct {
		text string
		want list.Format
	}{
		{"", list.Domains},
		{"# only comments\n! and more\n", list.Domains},
		{"x.example", list.Domains},
		{"single\nwords\n", list.Domains},
		{"x.example # 0.0.0.0 y.example\n", list.Domains},
		{"! Title: names\nx.example\ny.example\n", list.Domains},
		{"x.example\n*.y.example\nz.example\n", list.Wildcard},
		{"x.example\n.y.example\n", list.Wildcard},
		{"0.0.0.0 x.example\n", list.Hosts},
		{"127.0.0.1 localhost\n::1 localhost\n0.0.0.0 x.example\n", list.Hosts},
		{"# [list]\n0.0.0.0 x.example\ny.example\n0.0.0.0 z.example\n", list.Hosts},
		{"x.example\ny.example\n0.0.0.0 z.example\n", list.Domains},
		{"x.example\n0.0.0.0 z.example\n", list.Domains}, // a tie
		{"||x.example^\n", list.Adblock},
		{"[Adblock Plus]\n", list.Adblock},
		{"! Title\nx.example##.banner\n", list.Adblock},
		{"@@|x.example^\n", list.Adblock},
		{"local=/x.example/\n", list.Dnsmasq},
		{"address = /x.example/#\n", list.Dnsmasq},
		{"server:\nlocal-zone: \"x.example\" static\n", list.Unbound},
		{"local-data: \"x.example A 0.0.0.0\"\n", list.Unbound},
		{"x.example CNAME .\n", list.RPZ},
		{"x.example 60 in cname .\n", list.RPZ},
		{"$TTL 60\n", list.RPZ},
		{"@ SOA a. b. 1 2 3 4 5\n", list.RPZ},
		{strings.Repeat("0123456789abcdef", 2) + "\nx.example # a name\n" + strings.Repeat("0123456789ABCDEF", 2) + " # upper case\n", list.Hashes},
		{strings.Repeat("0123456789abcdef", 2) + "\nx.example\n", list.Domains}, // a tie
		{strings.Repeat("0123456789abcdef", 2) + "0\n", list.Domains},           // a digit too many
		{"0.0.0.0 " + strings.Repeat("0123456789abcdef", 2) + "\n", list.Hosts},
		{"\uFEFF||x.example^\r\n", list.Adblock},
		// Beyond the window nothing counts, nor does the line that it cuts off.
		{"x.example\n" + strings.Repeat("#"+strings.Repeat("a", 999)+"\n", 100) + "*.y.example\n*.z.example\n", list.Domains},
		{strings.Repeat("#"+strings.Repeat("a", 62)+"\n", 1023) + "#" + strings.Repeat("a", 50) + "\n0.0.0.0 x.example y.example\n", list.Domains},
	} {
		_, _, s := verdicts(tt.text, list.Auto)
		if s.Format() != tt.want {
			t.Errorf("%.60q is detected as %s, want %s", tt.text, s.Format(), tt.want)
		}
	}
}
