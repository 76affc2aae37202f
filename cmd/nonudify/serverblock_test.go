package main

import (
	"testing"

	"github.com/nonudify/nonudify/plugin/dnsname"
)

func TestParseKey(t *testing.T) {
	for text, want := range map[string]key{
		".":                       {transport: "dns", port: "53"},
		".:1053":                  {transport: "dns", port: "1053"},
		"dns://.":                 {transport: "dns", port: "53"},
		"Example.ORG.":            {transport: "dns", port: "53", zone: "example.org"},
		"tls://example.org":       {transport: "tls", port: "853", zone: "example.org"},
		"https://example.org:444": {transport: "https", port: "444", zone: "example.org"},
		"quic://.":                {transport: "quic", port: "853"},
		"10.0.0.0/8:54":           {transport: "dns", port: "54", zone: "in-addr.arpa"},
		"2001:db8::/32":           {transport: "dns", port: "53", zone: "ip6.arpa"},
	} {
		want.text = text
		if got := parseKey(text); got != want {
			t.Errorf("%s: got %+v, want %+v", text, got, want)
		}
	}
}

func TestAsked(t *testing.T) {
	blockOf := func(bind, view string, keys ...string) serverBlock {
		b := serverBlock{bind: bind, view: view}
		for _, k := range keys {
			b.keys = append(b.keys, parseKey(k))
		}
		return b
	}
	all := blockOf("", "", ".")
	for _, c := range []struct {
		test    string
		b       serverBlock
		rivals  []serverBlock
		name    dnsname.Name
		ok      bool
		instead string
	}{
		{"no Corefile", serverBlock{}, nil, "badsite.example", true, ""},
		{"everything", all, []serverBlock{all}, "badsite.example", true, ""},
		{"inside", blockOf("", "", "example"), nil, "badsite.example", true, ""},
		{"the zone itself", blockOf("", "", "badsite.example"), nil, "badsite.example", true, ""},
		{"outside", blockOf("", "", "site.example"), nil, "badsite.example", false, ""},
		{"a longer zone", all, []serverBlock{all, blockOf("", "", "example", "org")}, "badsite.example", false, "example org"},
		{"at another port", all, []serverBlock{blockOf("", "", "example:54")}, "badsite.example", true, ""},
		{"by another transport", all, []serverBlock{blockOf("", "", "tls://example:53")}, "badsite.example", true, ""},
		{"at another address", all, []serverBlock{blockOf("127.0.0.2", "", "example")}, "badsite.example", true, ""},
		{"in some view", all, []serverBlock{blockOf("", "pupils", "example")}, "badsite.example", true, ""},
		{"by another key", blockOf("", "", ".", ".:54"), []serverBlock{blockOf("", "", "example")}, "badsite.example", true, ""},
	} {
		c.b.rivals = c.rivals
		if ok, instead := c.b.asked(c.name); ok != c.ok || instead != c.instead {
			t.Errorf("%s: got %v, %q", c.test, ok, instead)
		}
	}
}
