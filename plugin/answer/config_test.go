package answer

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestWords(t *testing.T) {
	for i, s := range []string{"nxdomain", "nodata", "sinkhole"} {
		var a Action
		if err := a.UnmarshalText([]byte(s)); err != nil || a != Action(i) || a.String() != s {
			t.Errorf("action %q: %v, %v", s, a, err)
		}
	}
	for i, s := range []string{"on", "off", "encrypted"} {
		var e SDE
		if err := e.UnmarshalText([]byte(s)); err != nil || e != SDE(i) || e.String() != s {
			t.Errorf("sde %q: %v, %v", s, e, err)
		}
	}
	a, e := NoData, SDEOff
	if a.UnmarshalText([]byte("NXDOMAIN")) == nil || e.UnmarshalText(nil) == nil || a != NoData || e != SDEOff {
		t.Errorf("unknown words accepted: %v, %v", a, e)
	}
	equal(t, "strings", []string{Action(9).String(), SDE(9).String()}, []string{"action(9)", "sde(9)"})
}

func TestNewErrors(t *testing.T) {
	sink := func(a ...string) Config { return Config{Action: Sinkhole, Addresses: addrs(a...)} }
	tests := []struct {
		name   string
		config Config
		want   error
		text   string // the whole message
	}{
		{"action", Config{Action: 3}, ErrSetting, "no such setting: action(3)"},
		{"sde", Config{SDE: 3}, ErrSetting, "no such setting: sde(3)"},
		{"sinkhole without addresses", Config{Action: Sinkhole}, ErrAddress, "bad sinkhole address: action sinkhole needs at least one"},
		{"addresses without sinkhole", Config{Addresses: addrs("192.0.2.1")}, ErrAddress,
			"bad sinkhole address 192.0.2.1: action nxdomain answers no address"},
		{"unspecified", sink("0.0.0.0"), ErrAddress, "bad sinkhole address 0.0.0.0: clients would connect to themselves"},
		{"unspecified IPv6", sink("::"), ErrAddress, "bad sinkhole address ::: clients would connect to themselves"},
		{"mapped unspecified", sink("::ffff:0.0.0.0"), ErrAddress, "bad sinkhole address 0.0.0.0: clients would connect to themselves"},
		{"multicast", sink("192.0.2.1", "224.0.0.1"), ErrAddress, "bad sinkhole address 224.0.0.1: is multicast"},
		{"multicast IPv6", sink("ff02::1"), ErrAddress, "bad sinkhole address ff02::1: is multicast"},
		{"zone", sink("fe80::1%eth0"), ErrAddress, "bad sinkhole address fe80::1%eth0: a zone means nothing to a client"},
		{"no address", Config{Action: Sinkhole, Addresses: make([]netip.Addr, 1)}, ErrAddress, "bad sinkhole address: empty"},
		{"twice", sink("192.0.2.1", "::ffff:192.0.2.1"), ErrAddress, "bad sinkhole address 192.0.2.1: given twice"},
		{"many", sink("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"), ErrAddress,
			"bad sinkhole address 192.0.2.4: more than 3 of one family"},
		{"short ttl", Config{TTL: time.Millisecond}, ErrTTL, "bad ttl 1ms: want whole seconds from 1s to 24h0m0s"},
		{"negative ttl", Config{TTL: -time.Second}, ErrTTL, "bad ttl -1s: want whole seconds from 1s to 24h0m0s"},
		{"part of a second", Config{TTL: 1500 * time.Millisecond}, ErrTTL, "bad ttl 1.5s: want whole seconds from 1s to 24h0m0s"},
		{"long ttl", Config{TTL: MaxTTL + time.Second}, ErrTTL, "bad ttl 24h0m1s: want whole seconds from 1s to 24h0m0s"},
		{"mailbox", Config{Mbox: "a@isp.example"}, ErrMbox, `bad mailbox name "a@isp.example": write user@host.example as user.host.example`},
		{"contact", Config{Contacts: []string{"https://isp.example"}}, ErrContact,
			`bad contact "https://isp.example": want mailto:user@host.example or tel:+15550100`},
		{"organization", Config{Organization: "www.isp.example"}, ErrOrganization,
			`bad organization "www.isp.example": want a name only, "www.isp.example" is an address`},
		{"justification", Config{Justifications: []Justification{{"english", "x"}}}, ErrJustification,
			`bad justification: "english" is not a language tag such as de or pt-BR`},
		{"incident", Config{Incidents: []Incident{{"lumen", ""}}}, ErrIncident, "bad incident: identifier: text is empty"},
	}
	for _, tt := range tests {
		a, err := New(tt.config)
		if a != nil && err != nil {
			t.Errorf("%s: an Answerer with the error", tt.name)
		}
		if !errors.Is(err, tt.want) || err.Error() != tt.text {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.text)
		}
	}
}

func TestMailbox(t *testing.T) {
	for in, want := range map[string]string{
		"":                        DefaultMbox,
		"dns.isp.example":         "dns.isp.example.",
		`first\.last.isp.example`: `first\.last.isp.example.`,
		longestMbox:               longestMbox,
	} {
		if got, err := mailbox(in); err != nil || got != want {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	for _, s := range []string{".", "a..b", "a b.example", "\x00.example", "ü.example", "m" + longestMbox,
		strings.Repeat("m", 64) + ".example", strings.Repeat("m.", 200), `a.example\`} {
		if got, err := mailbox(s); !errors.Is(err, ErrMbox) {
			t.Errorf("%q: %q, %v", s, got, err)
		}
	}
}

func TestContacts(t *testing.T) {
	good := []string{
		"mailto:dns-filter@isp.example",
		"mailto:a@isp.example,b@isp.example?subject=wrong%20block&body=x",
		"mailto:gorby%25kremvax@isp.example",
		"mailto:unlikely%3Faddress@isp.example",
		"mailto:user@%C3%BC.example",
		"tel:+1-201-555-0123",
		"tel:+15550100;ext=12",
		"tel:7042;phone-context=isp.example",
		"tel:863-1234;phone-context=+1-914-555",
		"tel:*1A;phone-context=isp.example;x-y=%2a",
		"mailto:" + strings.Repeat("a", 60) + "@isp.example?subject=" + strings.Repeat("x", MaxContact-60-7-12-9),
	}
	for _, s := range good {
		got, err := contacts([]string{s})
		if err != nil || !slices.Equal(got, []string{s}) {
			t.Errorf("%q: %q, %v", s, got, err)
		}
	}
	got, err := contacts([]string{"MailTo:A@isp.example"})
	equal(t, "scheme", []any{got, err}, []any{[]string{"mailto:A@isp.example"}, error(nil)})
	bad := []string{
		"", "mailto", "mailto:", "mailto:?subject=x", "mailto:a", "mailto:a@", "mailto:@isp.example", "mailto:a@isp..example",
		"mailto:a@192.0.2.1", "mailto:a@[192.0.2.1]", "mailto:A%20<a@isp.example>", "mailto:%22a%20b%22@isp.example",
		"mailto:a@isp.example,", "mailto:a@isp.example?subject", "mailto:a@isp.example?=x", "mailto:a@isp.example#x",
		"mailto:a@isp.example?subject=%zz", "mailto:%@isp.example", "mailto:ü@isp.example", "mailto:a b@isp.example",
		"mailto:a@isp.example\n", "mailto:a&b@isp.example", "mailto://a@isp.example", "mailto:" + strings.Repeat("a", MaxContact) + "@isp.example",
		"tel:", "tel:+", "tel:+-", "tel:5550100", "tel:+1 555", "tel:+1555x", "tel:7042;phone-context=", "tel:7042;ext=1",
		"tel:+1;ext=", "tel:+1;ext=a", "tel:+1;", "tel:+1;a=1;A=2", "tel:7042;phone-context=1234", "tel:+1#2",
		"sips:a@isp.example", "https://isp.example", "isp.example", "a@isp.example",
	}
	for _, s := range bad {
		if got, err := contacts([]string{s}); !errors.Is(err, ErrContact) {
			t.Errorf("%q: %q, %v", s, got, err)
		}
	}
	many := slices.Repeat([]string{"tel:+1"}, MaxContacts+1)
	if _, err := contacts(many); !errors.Is(err, ErrContact) {
		t.Errorf("%d contacts: %v", len(many), err)
	}
	if _, err := contacts(many[1:]); err != nil {
		t.Error(err)
	}
}
