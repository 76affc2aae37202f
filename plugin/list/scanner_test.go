package list_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/rpz"
	"github.com/nonudify/nonudify/plugin/rule"
)

// verdicts scans a text and returns its rules, and its refusals by line.
func verdicts(text string, f list.Format) (rules []string, refused []*rule.LineError, s *list.Scanner) {
	s = list.NewScanner(strings.NewReader(text), list.Config{
		File: "f", Format: f,
		Refused: func(e *rule.LineError) { refused = append(refused, e) },
	})
	for s.Scan() {
		rules = append(rules, fmt.Sprintf("%d %v", s.Line(), s.Rule()))
	}
	return rules, refused, s
}

// TestLine gives each row its own file of one entry: what it means, or why it
// is refused. A row with neither is a comment.
func TestLine(t *testing.T) {
	for _, tt := range []struct {
		format list.Format
		line   string
		want   string // of line 1
		err    error
	}{
		{list.Domains, "x.example", "block subtree x.example", nil},
		{list.Domains, "x.example # y.example", "block subtree x.example", nil},
		{list.Domains, "# x.example", "", nil},
		{list.Domains, "*.x.example", "", list.ErrWildcard},
		{list.Domains, ".x.example", "", list.ErrWildcard},
		{list.Domains, "*", "", list.ErrWildcard},
		{list.Domains, "x.example#y", "", dnsname.ErrByte},
		{list.Domains, "||x.example^", "", dnsname.ErrByte},
		{list.Domains, "0.0.0.0 x.example", "", list.ErrSyntax},
		{list.Domains, "://", "", dnsname.ErrByte}, // once blocked the Internet for users of another filter
		{list.Domains, "bu\u200bcher.example", "block subtree bucher.example", nil},
		{list.Domains, "\xff.example", "", dnsname.ErrIDN},

		{list.Hosts, "0.0.0.0 x.example#y", "block subtree x.example", nil},
		{list.Hosts, "0.0.0.0 x.example##y", "", list.ErrCosmetic},
		{list.Hosts, "0.0.0.0 x.example #@ y", "block subtree x.example", nil},
		{list.Hosts, "0.0.0.0 LocalHost", "", nil},
		{list.Hosts, "192.0.2.1 localhost", "", nil},
		{list.Hosts, "fe80::1%lo x.example", "", list.ErrAction},
		{list.Hosts, "::1%lo x.example", "block subtree x.example", nil},
		{list.Hosts, "0.0.0.0.x.example y.example", "", list.ErrSyntax},

		{list.Wildcard, "*.x.example", "block subtree x.example", nil},
		{list.Wildcard, ".x.example", "block subtree x.example", nil},
		{list.Wildcard, "x.example", "block subtree x.example", nil},
		{list.Wildcard, "*", "", list.ErrScope},

		// One row for each modifier that the package documentation names.
		{list.Adblock, "||x.example^$important", "block subtree x.example", nil},
		{list.Adblock, "@@||x.example^$important", "pass subtree x.example", nil},
		{list.Adblock, "||x.example^$match-case", "block subtree x.example", nil},
		{list.Adblock, "||x.example^$_,important", "block subtree x.example", nil},
		{list.Adblock, "||x.example^$all", "block subtree x.example", nil},
		{list.Adblock, "@@||x.example^$all", "", list.ErrModifier},
		{list.Adblock, "||x.example^$dnsrewrite=NXDOMAIN", "block subtree x.example", nil},
		{list.Adblock, "||x.example^$dnsrewrite=NXDOMAIN;;", "block subtree x.example", nil},
		{list.Adblock, "||x.example^$dnsrewrite=REFUSED", "block subtree x.example", nil},
		{list.Adblock, "||x.example^$dnsrewrite=REFUSED;;", "block subtree x.example", nil},
		{list.Adblock, "||x.example^$dnsrewrite=NOERROR;;", "block subtree x.example", nil},
		{list.Adblock, "||x.example^$dnsrewrite=0.0.0.0", "block subtree x.example", nil},
		{list.Adblock, "||x.example^$dnsrewrite=::", "block subtree x.example", nil},
		{list.Adblock, "@@||x.example^$dnsrewrite=NXDOMAIN", "", list.ErrModifier},
		{list.Adblock, "||x.example^$dnsrewrite=NOERROR;A;192.0.2.1", "", list.ErrModifier},
		{list.Adblock, "||x.example^$dnsrewrite=page.example", "", list.ErrModifier},
		{list.Adblock, "@@||x.example^$dnsrewrite", "", list.ErrModifier},
		{list.Adblock, "||x.example^$document", "", list.ErrModifier},
		{list.Adblock, "||x.example^$doc", "", list.ErrModifier},
		{list.Adblock, "@@||x.example^$document", "", list.ErrModifier},
		{list.Adblock, "||x.example^$popup", "", list.ErrModifier},
		{list.Adblock, "||x.example^$script", "", list.ErrModifier},
		{list.Adblock, "||x.example^$third-party", "", list.ErrModifier},
		{list.Adblock, "||x.example^$3p", "", list.ErrModifier},
		{list.Adblock, "||x.example^$~third-party", "", list.ErrModifier},
		{list.Adblock, "||x.example^$1p", "", list.ErrModifier},
		{list.Adblock, "||x.example^$domain=y.example|z.example", "", list.ErrModifier},
		{list.Adblock, "||x.example^$from=y.example", "", list.ErrModifier},
		{list.Adblock, "||x.example^$to=y.example", "", list.ErrModifier},
		{list.Adblock, "||x.example^$denyallow=y.x.example", "", list.ErrModifier},
		{list.Adblock, "||x.example^$client=192.0.2.1", "", list.ErrModifier},
		{list.Adblock, "||x.example^$ctag=device_phone", "", list.ErrModifier},
		{list.Adblock, "||x.example^$app=browser", "", list.ErrModifier},
		{list.Adblock, "||x.example^$dnstype=HTTPS", "", list.ErrModifier},
		{list.Adblock, "||x.example^$badfilter", "", list.ErrModifier},
		{list.Adblock, "||x.example^$important,badfilter", "", list.ErrModifier},
		{list.Adblock, "||x.example^$csp=script-src", "", list.ErrModifier},
		{list.Adblock, "||x.example^$redirect=noop.js", "", list.ErrModifier},
		{list.Adblock, "||x.example^$removeparam", "", list.ErrModifier},
		{list.Adblock, "||x.example^$whatever", "", list.ErrModifier},
		{list.Adblock, "||x.example^$important=1", "", list.ErrModifier},
		{list.Adblock, "||x.example^$~important", "", list.ErrModifier},
		{list.Adblock, "||x.example^$", "", list.ErrModifier},

		{list.Adblock, "||x.example^", "block subtree x.example", nil},
		{list.Adblock, "||*.x.example^", "block below x.example", nil},
		{list.Adblock, "|x.example^", "block exact x.example", nil},
		{list.Adblock, "|*.x.example^", "", list.ErrPattern},
		{list.Adblock, "|||x.example^", "", list.ErrPattern},
		{list.Adblock, "||.x.example^", "", dnsname.ErrLabel},
		{list.Adblock, "||x.example^*", "", list.ErrPattern},
		{list.Adblock, "||x.example^^", "", list.ErrPattern},
		{list.Adblock, "||x.example", "", list.ErrPattern},
		{list.Adblock, "x.example|", "", list.ErrPattern},
		{list.Adblock, "x.example$important", "", list.ErrPattern},
		{list.Adblock, "||x.example^ # why", "block subtree x.example", nil},
		{list.Adblock, "||*^", "", list.ErrPattern},
		{list.Adblock, "://", "", list.ErrPattern},
		{list.Adblock, "@@", "", list.ErrPattern},
		{list.Adblock, "! ||x.example^", "", nil},
		{list.Adblock, "#", "", nil},

		{list.Dnsmasq, "local=/x.example/", "block subtree x.example", nil},
		{list.Dnsmasq, "local=/.x.example/", "block subtree x.example", nil},
		{list.Dnsmasq, "address=/*.x.example/#", "block below x.example", nil},
		{list.Dnsmasq, "server=/x.example/#", "pass subtree x.example", nil},
		{list.Dnsmasq, "address=/x.example/192.0.2.1", "", list.ErrAction},
		{list.Dnsmasq, "address=/x.example/not-an-address", "", list.ErrAction},
		{list.Dnsmasq, "local=/", "", list.ErrSyntax},
		{list.Dnsmasq, "local=", "", list.ErrSyntax},
		{list.Dnsmasq, "rebind-domain-ok=/x.example/", "", list.ErrSyntax},

		{list.Unbound, `local-zone: "x.example" static`, "block subtree x.example", nil},
		{list.Unbound, `local-zone: "x.example" nodefault`, "", list.ErrAction},
		{list.Unbound, `local-zone: "x.example" redirect`, "", list.ErrAction},
		{list.Unbound, `local-zone: "x.example" inform_redirect`, "", list.ErrAction},
		{list.Unbound, `local-zone: "x.example"`, "", list.ErrSyntax},
		{list.Unbound, `local-zone: ""`, "", list.ErrSyntax},
		{list.Unbound, `local-data: "x.example 60 IN AAAA ::1"`, "block exact x.example", nil},
		{list.Unbound, `local-data: "x.example A 192.0.2.1"`, "", list.ErrAction},

		{list.RPZ, "x.example CNAME .", "block exact x.example", nil},
		{list.RPZ, "x.example. CNAME .", "", list.ErrOrigin},
		{list.RPZ, " CNAME .", "", list.ErrOwner},
		{list.RPZ, "$ORIGIN sub", "", list.ErrOrigin},
		{list.RPZ, "$include x", "", list.ErrDirective},
		{list.RPZ, "x.example CNAME rpz-drop.", "", rpz.ErrAction},
		{list.RPZ, "32.1.2.0.192.rpz-ip CNAME .", "", rpz.ErrTrigger},
		{list.RPZ, "@ SOA a. b. 1 2 3 4", "", list.ErrSyntax},
		{list.RPZ, "@ SOA a. b. many 2 3 4 5", "", nil},
		{list.RPZ, "@ TXT x", "", nil},
		{list.RPZ, "@ NS localhost.", "", nil},
		{list.RPZ, "; x.example CNAME .", "", nil},
		{list.RPZ, "()", "", nil},
	} {
		rules, refused, s := verdicts(tt.line, tt.format)
		st := s.Stats()
		switch {
		case tt.want != "":
			if len(rules) != 1 || rules[0] != "1 "+tt.want || len(refused) > 0 {
				t.Errorf("%s %q: %q, refused %v; want %q", tt.format, tt.line, rules, refused, tt.want)
			}
		case tt.err != nil:
			if len(rules) > 0 || len(refused) != 1 || refused[0].Line != 1 || !errors.Is(refused[0], tt.err) {
				t.Errorf("%s %q: %q, refused %v; want it refused: %v", tt.format, tt.line, rules, refused, tt.err)
			}
		case st.Comments != 1 || len(rules)+len(refused) > 0:
			t.Errorf("%s %q: %q, refused %v; want a comment", tt.format, tt.line, rules, refused)
		}
	}
}

// TestRefusedFile has the files that are no lists.
func TestRefusedFile(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		err        error
	}{
		{"page", "<!DOCTYPE html>\n<html>x.example</html>", list.ErrHTML},
		{"page after a mark and blank lines", "\uFEFF\r\n \r\n  <HTML>", list.ErrHTML},
		{"XML", `<?xml version="1.0"?><Error/>`, list.ErrHTML},
		{"UTF-16", "\xff\xfex\x00.\x00e\x00", list.ErrBinary},
		{"gzip", "\x1f\x8b\x08\x00", list.ErrBinary},
		{"zeros", strings.Repeat("\x00", 4096), list.ErrBinary},
		{"noise", strings.Repeat("x.example\x01\x02\n", 100), list.ErrBinary},
		{"not found", "404: Not Found", list.ErrRefused},
		{"JSON", "{\n\"message\": \"Not Found\"\n}", list.ErrRefused},
		{"mostly refused", "a.example\n" + strings.Repeat("no name\n", 5), list.ErrRefused},
		{"few refused", "a.example\n" + strings.Repeat("no name\n", 4), nil},
		{"half refused", strings.Repeat("a.example\nno name\n", 9), nil},
		{"one NUL", "a.example\nb\x00.example\n", nil},
		{"page in a comment", "# <html>\na.example\n", nil},
		{"page in the middle", "a.example\nb.example\n<html>\n</html>\n", nil},
		{"nothing", "", nil},
		{"comments", "# a\n\n# b", nil},
	} {
		for _, f := range []list.Format{list.Auto, list.Domains} {
			_, _, s := verdicts(tt.text, f)
			if err := s.Err(); !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
				t.Errorf("%s as %s: error %v, want %v", tt.name, f, err, tt.err)
			} else if err != nil && !strings.HasPrefix(err.Error(), "f: ") {
				t.Errorf("%s: error without the file's name: %v", tt.name, err)
			}
			if s.Scan() {
				t.Errorf("%s: goes on after its end", tt.name)
			}
		}
	}
}

// TestReadError wants the error of the reader, and no rule from a line that it
// cut off.
func TestReadError(t *testing.T) {
	broken := errors.New("connection reset")
	big := strings.Repeat("filler.example\n", 10_000) // more than Auto looks at
	for _, text := range []string{"a.example\nbadsite.exam", big + "a.example\nbadsite.exam", big + strings.Repeat("x", 100_000)} {
		r := io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken), strings.NewReader("ple\n"))
		s := list.NewScanner(r, list.Config{File: "f"})
		for s.Scan() {
			if n := s.Rule().Name; n == "badsite.exam" || n == "ple" {
				t.Errorf("rule %q from half a line", n)
			}
		}
		if err := s.Err(); !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "f: ") {
			t.Errorf("error %v, want %v with the file's name", err, broken)
		}
	}
}

// TestLineLimit goes to both sides of MaxLine, with every line end and the
// longest lines.
func TestLineLimit(t *testing.T) {
	pad := func(n int) string { return "x.example #" + strings.Repeat("a", n-len("x.example #")) }
	for _, end := range []string{"", "\n", "\r\n"} {
		for _, tt := range []struct {
			n    int
			rule bool
		}{
			{list.MaxLine, true}, {list.MaxLine + 1, false}, {64<<10 - 1, false}, {64 << 10, false},
			{64<<10 + 1, false}, {1 << 20, false},
		} {
			text := "first.example\n" + pad(tt.n) + end
			if end != "" {
				text += "last.example"
			}
			rules, refused, s := verdicts(text, list.Domains)
			want := 1
			if tt.rule {
				want++
			}
			if end != "" {
				want++
			}
			if len(rules) != want || (len(refused) == 0) != tt.rule || s.Err() != nil {
				t.Errorf("line of %d bytes, end %q: rules %q, refused %d, %v", tt.n, end, rules, len(refused), s.Err())
			}
			if !tt.rule && !errors.Is(refused[0], list.ErrLineTooLong) {
				t.Errorf("line of %d bytes: %v", tt.n, refused[0])
			}
		}
	}
	_, refused, s := verdicts("#"+strings.Repeat("a", 1<<20)+"\nx.example\n", list.Domains)
	if st := s.Stats(); len(refused) > 0 || st.Comments != 1 || st.Rules != 1 || s.Format() != list.Domains {
		t.Errorf("long comment: %+v, refused %v", st, refused)
	}
}

// TestExcerpt wants refusals short and printable, whatever the line holds.
func TestExcerpt(t *testing.T) {
	for _, text := range []string{
		strings.Repeat("a", 4000) + ".example",
		"\x1b[31mred\x1b[0m x",
		"\u202Eevil\u202C.example x",
		strings.Repeat("ü", 2000) + ".example",
		"||x.example^$\x1b[31m" + strings.Repeat("m", 3000),
		"\xff\xfe\xfd x.example",
		"x\x00y",
	} {
		for _, f := range published {
			_, refused, _ := verdicts("ok.example\n"+text+"\n", f)
			for _, e := range refused {
				msg := e.Error()
				if len(msg) > 500 || strings.ContainsFunc(msg, func(r rune) bool { return r < ' ' || r == '\u202E' }) {
					t.Errorf("%s: %q", f, msg)
				}
			}
		}
	}
}

// TestNoRefused has a caller that does not ask for refusals.
func TestNoRefused(t *testing.T) {
	s := list.NewScanner(strings.NewReader("a.example\nno name\n"), list.Config{})
	for s.Scan() {
	}
	if st := s.Stats(); st != (list.Stats{Lines: 2, Rules: 1, Refused: 1}) || s.Err() != nil {
		t.Errorf("%+v, %v", st, s.Err())
	}
}

func TestFormatText(t *testing.T) {
	for _, f := range append([]list.Format{list.Auto}, published...) {
		text, _ := f.MarshalText()
		var back list.Format
		if err := back.UnmarshalText(text); err != nil || back != f {
			t.Errorf("%s: back as %s, %v", text, back, err)
		}
	}
	var f list.Format
	if err := f.UnmarshalText([]byte("toml")); err == nil {
		t.Error("toml is no format")
	}
	if got := list.Format(200).String(); got != "format(200)" {
		t.Error(got)
	}
}
