package list_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/rpz"
)

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

		// The longest label that is asked for its A-label, and the shortest that is not.
		{list.Domains, strings.Repeat("\u0301", 126) + ".example", "", dnsname.ErrIDN},
		{list.Domains, strings.Repeat("\u0301", 127) + ".example", "", dnsname.ErrLabel},
		{list.Unbound, "local-zone: " + strings.Repeat("ü", 127) + ".example redirect", "", dnsname.ErrLabel},
		{list.RPZ, strings.Repeat("ü", 127) + ".example CNAME .", "", list.ErrOwner},
		{list.RPZ, "$ORIGIN " + strings.Repeat("ü", 127) + ".", "", list.ErrOrigin},

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
