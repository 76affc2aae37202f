package list_test

import (
	"strings"
	"testing"

	"github.com/nonudify/nonudify/plugin/list"
)

// TestZone reads zone files whose lines depend on each other. Refusals are
// written as "line!".
func TestZone(t *testing.T) {
	many := strings.Repeat("; comment\n", 40)
	for _, tt := range []struct {
		name, text string
		want       string
	}{
		{"no origin", "@ SOA a. b. 1 2 3 4 5\n  NS a.\nx.example CNAME .\n*.x.example CNAME .\n",
			"3 block exact x.example, 4 block below x.example"},
		{"root origin, as zone compilers write it",
			"$ORIGIN .\nrpz.example SOA a. b. 1 2 3 4 5\n$ORIGIN rpz.example.\nx.example CNAME .\n$ORIGIN example.rpz.example.\ny CNAME .\n",
			"4 block exact x.example, 6 block exact y.example"},
		{"absolute apex without an origin", "rpz.example. SOA a. b. 1 2 3 4 5\nx.example CNAME .\ny.example.rpz.example. CNAME .\n",
			"2 block exact x.example, 3 block exact y.example"},
		{"a part without SOA", "$ORIGIN rpz.example.\nx.example CNAME .\n$ORIGIN sub.example.rpz.example.\ny CNAME .\n",
			"2 block exact x.example, 4 block exact y.sub.example"},
		{"root origin alone", "$ORIGIN .\nx.example CNAME .\ny.example. CNAME .\n", "2 block exact x.example, 3 block exact y.example"},
		{"origin out of the zone", "$ORIGIN rpz.example.\n@ SOA a. b. 1 2 3 4 5\n$ORIGIN com.\nx CNAME .\n", "4!"},
		{"absolute owner in a zone without a name", "@ SOA a. b. 1 2 3 4 5\nx.example. CNAME .\ny.example CNAME .\n", "2!, 3 block exact y.example"},
		{"origin after a zone without a name", "@ SOA a. b. 1 2 3 4 5\n$ORIGIN example.\nx CNAME .\n", "3!"},
		{"targets relative to the origin", "$ORIGIN rpz.example.\nx.example CNAME @\ny.example CNAME rpz-passthru\nz.example CNAME z.example\n", "2!, 3!, 4!"},
		{"owner goes on", "x.example CNAME .\n  TXT z\n\n; c\n  CNAME rpz-passthru.\n", "1 block exact x.example, 2!, 5 pass exact x.example"},
		{"owner goes on under another origin", "$ORIGIN rpz.example.\nx.example CNAME .\n$ORIGIN sub.rpz.example.\n  CNAME .\n",
			"2 block exact x.example, 4 block exact x.example"},
		{"owner lost", "x.example CNAME .\n\x00\n  CNAME .\ny.example CNAME .\n", "1 block exact x.example, 2!, 3!, 4 block exact y.example"},
		{"origin lost", "$ORIGIN rpz.example.\n@ SOA a. b. 1 2 3 4 5\n$ORIGIN \x00\nx CNAME .\n$ORIGIN example.rpz.example.\ny CNAME .\n", "3!, 4!, 6 block exact y.example"},
		{"second SOA", "$ORIGIN rpz.example.\n@ SOA a. b. 1 2 3 4 5\nx.example SOA a. b. 1 2 3 4 5\n@ SOA a. b. 1 2 3 4 5\n", "3!"},
		{"parentheses", "x.example ( ; c )\n IN\n CNAME\n . )\ny.example CNAME .\n", "1 block exact x.example, 5 block exact y.example"},
		{"parentheses at the limit", "x.example (\n" + strings.Repeat("\n", 30) + "CNAME . )\n", "1 block exact x.example"},
		{"parentheses over the limit", "x.example (\n" + strings.Repeat("\n", 31) + "CNAME . )\ny.example CNAME .\n", "1!, 33!, 34 block exact y.example"},
		{"parentheses never closed", "x.example CNAME ( .\ny.example CNAME .\nz.example CNAME .", "1!, 2 block exact y.example, 3 block exact z.example"},
		{"parentheses never closed, twice", "a (\nb (\ny.example CNAME .\n" + many + "z.example CNAME .", "1!, 2!, 3 block exact y.example, 44 block exact z.example"},
		{"parentheses closed elsewhere", "x.example CNAME ( .\ny.example CNAME .\n@ NS ( a. )\n", "1!, 2 block exact y.example"},
		{"bad line in parentheses", "x.example CNAME ( .\n\x00\ny.example CNAME .\n", "1!, 2!, 3 block exact y.example"},
		{"long line in parentheses", "x.example CNAME ( .\n" + strings.Repeat("a", 5000) + "\ny.example CNAME .\n", "1!, 2!, 3 block exact y.example"},
		{"quotes", "x.example TXT \"a ; b ( c \\\" d\"\ny.example CNAME .\n", "1!, 2 block exact y.example"},
		{"quote never closed", "x.example TXT \"a\n\"y.example CNAME .\nz.example CNAME .\n", "1!, 2!, 3 block exact z.example"},
		{"TTL and class", "x.example 1h IN CNAME .\ny.example in 60 cname .\nz.example 1 2 CNAME .\nw.example HS CNAME .\n",
			"1 block exact x.example, 2 block exact y.example, 3 block exact z.example, 4!"},
		{"DNSSEC", "@ SOA a. b. 1 2 3 4 5\n@ RRSIG SOA 13 1 60 1 1 1 . c2ln\n@ DNSKEY 256 3 13 ( a2V5\n a2V5 )\nx.example CNAME .\nx.example NSEC y.example. CNAME\n",
			"5 block exact x.example"},
	} {
		rules, refused, s := verdicts(tt.text, list.RPZ)
		_, events := read(strings.NewReader(tt.text), list.RPZ)
		var got []string
		for _, e := range events {
			if strings.HasPrefix(e.text, "refused") {
				got = append(got, itoa(e.line)+"!")
			} else {
				got = append(got, itoa(e.line)+" "+e.text)
			}
		}
		if g := strings.Join(got, ", "); g != tt.want {
			t.Errorf("%s:\n got %s\nwant %s\nrefused: %v", tt.name, g, tt.want, refused)
		}
		if st := s.Stats(); st.Lines+st.Extra != st.Rules+st.Comments+st.Refused || st.Rules != len(rules) {
			t.Errorf("%s: lines unaccounted for: %+v", tt.name, st)
		}
	}
}
