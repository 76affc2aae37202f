package answer

import (
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/policy"
)

// Check 3: every structured text that can be sent, at every size, obeys the
// rules of the specification, whatever parts are configured.
func TestStructuredRules(t *testing.T) {
	for i := range 16 {
		c := with(large, func(c *Config) {
			if i&1 == 0 {
				c.Contacts = nil
			}
			if i&2 == 0 {
				c.Organization = ""
			}
			if i&4 == 0 {
				c.Justifications = nil
			}
			if i&8 == 0 {
				c.Incidents = nil
			}
		})
		a := mustNew(t, c)
		for reason := range policy.Reason(policy.Reasons) {
			ladder := a.explains[reason].structured
			for _, text := range ladder {
				if text != "" {
					checkObject(t, reason, text)
				}
			}
			shrinks(t, ladder)
			shrinks(t, a.explains[reason].plain)
			if slices.ContainsFunc(a.explains[reason].plain, structured) {
				t.Errorf("plain text looks structured: %q", a.explains[reason].plain)
			}
		}
	}
}

func shrinks(t *testing.T, ladder []string) {
	t.Helper()
	for i := range ladder[1:] {
		if len(ladder[i]) <= len(ladder[i+1]) {
			t.Errorf("%q is not longer than %q", ladder[i], ladder[i+1])
		}
	}
	if ladder[len(ladder)-1] != "" {
		t.Errorf("ladder ends with %q", ladder[len(ladder)-1])
	}
}

// checkObject reads a structured text the way that a client does.
func checkObject(t *testing.T, reason policy.Reason, text string) {
	t.Helper()
	var o struct {
		C       []string
		S       *int
		J, O, L *string
		FDBs    []struct{ DB, ID string }
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&o); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	words := o.J != nil || o.O != nil
	for rule, ok := range map[string]bool{
		"one of c, j, s":             len(o.C) > 0 || o.J != nil || o.S != nil,
		"no empty j, o, l":           !slices.ContainsFunc([]*string{o.J, o.O, o.L}, func(s *string) bool { return s != nil && *s == "" }),
		"l with j and o only":        (o.L != nil) == words,
		"s 5 with Blocked only":      (o.S != nil) == (reason == policy.Blocked) && (o.S == nil || *o.S == 5),
		"fdbs with Censored only":    o.FDBs == nil || reason == policy.Censored,
		"no blanks between tokens":   !strings.Contains(text, `, "`) && !strings.Contains(text, `": `),
		"ampersand written as it is": !strings.Contains(text, `\u0026`),
	} {
		if !ok {
			t.Errorf("%v: broken rule %q: %s", reason, rule, text)
		}
	}
	for _, c := range o.C {
		if u, err := url.Parse(c); err != nil || u.Scheme != "mailto" && u.Scheme != "tel" {
			t.Errorf("contact %q", c)
		}
	}
}

// The ladder gives up its parts in the order of the specification.
func TestLadder(t *testing.T) {
	const (
		c    = `"c":["mailto:dns-filter@isp.example","tel:+1-555-0100"]`
		one  = `"c":["mailto:dns-filter@isp.example"]`
		j    = `"j":"Listed as a non-consensual intimate image generator"`
		o    = `"o":"Example ISP"`
		l    = `"l":"en"`
		fdbs = `"fdbs":[{"db":"lumen","id":"12345678"}]`
	)
	nameless := Config{Organization: "Example ISP"}
	tests := []struct {
		name   string
		config Config
		reason policy.Reason
		want   []string
	}{
		{"filtered", isp, policy.Filtered, []string{
			"{" + c + "," + j + "," + o + "," + l + "}", "{" + c + "," + j + "," + l + "}", "{" + c + "}", "{" + one + "}", "",
		}},
		{"blocked", isp, policy.Blocked, []string{
			"{" + c + `,"s":5,` + j + "," + o + "," + l + "}", "{" + c + `,"s":5,` + j + "," + l + "}",
			"{" + c + `,"s":5}`, "{" + one + `,"s":5}`, "",
		}},
		{"censored", isp, policy.Censored, []string{
			"{" + c + "," + j + "," + o + "," + l + "," + fdbs + "}", "{" + c + "," + j + "," + l + "," + fdbs + "}",
			"{" + c + "," + fdbs + "}", "{" + one + "}", "",
		}},
		{"nothing configured", Config{}, policy.Filtered, []string{
			`{"j":"This site is blocked by a filter that was chosen for this connection.","l":"en"}`, "",
		}},
		{"nothing configured, blocked", Config{}, policy.Blocked, []string{
			`{"s":5,"j":"This site is blocked by the rules of this network.","l":"en"}`, `{"s":5}`, "",
		}},
		{"no contact, censored", nameless, policy.Censored, []string{
			`{"j":"This site is blocked because of a legal order.","o":"Example ISP","l":"en"}`,
			`{"j":"This site is blocked because of a legal order.","l":"en"}`, "",
		}},
	}
	for _, tt := range tests {
		equal(t, tt.name, mustNew(t, tt.config).explains[tt.reason].structured, tt.want)
	}
}

// The text is the same for every client and every query: nothing of them is in
// it (RFC 8914 §2).
func TestTextIsConstant(t *testing.T) {
	a := mustNew(t, isp)
	texts := map[string]bool{}
	for i, name := range []string{"bad.example.", "secret.person.bad.example.", `x\.y.bad.example.`} {
		q := query(name, dns.TypeA, sde)
		q.Id = uint16(i)
		q.IsEdns0().Option = append(q.IsEdns0().Option,
			&dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: 24, Address: []byte{192, 0, 2, 0}})
		texts[errorIn(t, a.Reply(request(q), verdict(policy.Blocked))).ExtraText] = true
	}
	equal(t, "texts", len(texts), 1)
}

func TestPhrase(t *testing.T) {
	tests := []struct{ in, want string }{
		{"Grüße", "Grüße"},
		{"Gru\u0308ße", "Grüße"},
		{"  a  b ", "a  b"},
		{"\U0001F600 emoji", "\U0001F600 emoji"},
		{"ab\uFFFD", "ab\uFFFD"},
		{strings.Repeat("x", 20), strings.Repeat("x", 20)},
		{strings.Repeat("x", 21), ""},
		{"", ""},
		{" \u00a0 ", ""},
		{"a\nb", ""},
		{"a\x00", ""},
		{"a\u0085b", ""},
		{"a\x7f", ""},
		{"a\xff", ""},
		{"a\xed\xa0\x80", ""}, // a lone surrogate
		{"a\uFDD0", ""},
		{"a\uFDEF", ""},
		{"a\uFFFE", ""},
		{"a\U0010FFFF", ""},
	}
	for _, tt := range tests {
		got, err := phrase(tt.in, 20)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%q: got %q, %v; want %q", tt.in, got, err, tt.want)
		}
	}
}

func TestOrganization(t *testing.T) {
	for _, s := range []string{"Example ISP", "Société Générale d'Exemple", "Vestas A/S", "Booking.example", "A & B", "@home", "and/or"} {
		if got, err := organization(s); err != nil || got != s {
			t.Errorf("%q: %q, %v", s, got, err)
		}
	}
	for _, s := range []string{
		"https://isp.example", "ISP www.isp.example", "WWW.isp.example", "ISP (http:x)", "isp.example/help", "a@isp.example",
		"call tel:+1", "mailto:x", "ftp://x", "a\nb", " ", strings.Repeat("x", MaxOrganization+1),
	} {
		if got, err := organization(s); !errors.Is(err, ErrOrganization) {
			t.Errorf("%q: %q, %v", s, got, err)
		}
	}
}

func TestJustification(t *testing.T) {
	text, lang, err := justification([]Justification{{"pt-br", "Bloqueado"}, {"en", "Blocked"}})
	equal(t, "first", []any{text, lang, err}, []any{"Bloqueado", "pt-BR", error(nil)})
	many := make([]Justification, MaxLanguages+1)
	for name, js := range map[string][]Justification{
		"no language":       {{"", "x"}},
		"undetermined":      {{"und", "x"}},
		"unknown language":  {{"qq", "x"}},
		"word":              {{"english", "x"}},
		"underscore":        {{"en_US", "x"}},
		"long tag":          {{"en-x-" + strings.Repeat("abcdefgh-", 4) + "a", "x"}},
		"no text":           {{"en", ""}},
		"second is bad":     {{"en", "x"}, {"de", "\xff"}},
		"twice":             {{"en", "x"}, {"EN", "y"}},
		"looks structured":  {{"en", " {x"}},
		"long text":         {{"en", strings.Repeat("x", MaxJustification+1)}},
		"too many":          many,
		"control character": {{"en", "a\tb"}},
	} {
		if _, _, err := justification(js); !errors.Is(err, ErrJustification) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestIncidents(t *testing.T) {
	for name, in := range map[string][]Incident{
		"no database": {{"", "1"}},
		"no id":       {{"lumen", ""}},
		"long":        {{"lumen", strings.Repeat("1", MaxIncidentID+1)}},
		"too many":    slices.Repeat([]Incident{{"lumen", "1"}}, MaxIncidents+1),
	} {
		if _, err := incidents(in); !errors.Is(err, ErrIncident) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := incidents(slices.Repeat([]Incident{{"lumen", strings.Repeat("1", MaxIncidentID)}}, MaxIncidents)); err != nil {
		t.Error(err)
	}
}
