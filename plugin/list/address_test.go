package list_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/rule"
)

// TestAddresses reads a zone with and without its response-address triggers. What
// is refused is refused with its line, and counted is what could be used.
func TestAddresses(t *testing.T) {
	const text = `$ORIGIN rpz.example.
@ SOA a. b. 1 2 3 4 5
x.example CNAME .
24.0.2.0.192.rpz-ip CNAME .
32.9.2.0.192.rpz-ip CNAME rpz-passthru.
48.zz.1.db8.2001.rpz-ip.rpz.example. (
    CNAME *. )
24.1.2.0.192.rpz-ip CNAME .
0.0.0.0.0.rpz-ip CNAME .
24.0.2.0.192.rpz-ip A 192.0.2.1
24.0.2.0.192.rpz-ip CNAME rpz-drop.
24.0.2.0.192.rpz-client-ip CNAME .
24.0.2.0.192.rpz-nsip CNAME .
* CNAME .
$ORIGIN rpz-ip.rpz.example.
32.7.2.0.192 CNAME .
y.example.rpz.example. CNAME .
z.example.rpz.example. CNAME .
`
	const not = "trigger other than a query name"
	for _, tt := range []struct {
		addresses bool
		want      string
	}{
		{false, "3 block exact x.example, 4 " + not + ", 5 " + not + ", 6 " + not + ", 8 " + not + ", 9 " + not + ", 10 " + not + ", 11 " + not +
			", 12 " + not + ", 13 " + not + ", 14 " + not + ", 16 " + not + ", 17 block exact y.example, 18 block exact z.example"},
		{true, "3 block exact x.example, 4 block address 192.0.2.0/24, 5 pass address 192.0.2.9/32, 6 block address 2001:db8:1::/48" +
			", 8 not the prefix of an address: bits are set behind its length, 9 not the prefix of an address: want a length from 1 to 32, without a leading zero" +
			", 10 action other than block or pass, 11 action other than block or pass, 12 " + not + ", 13 " + not + ", 14 " + not +
			", 16 block address 192.0.2.7/32, 17 block exact y.example, 18 block exact z.example"},
	} {
		var got []string
		s := list.NewScanner(strings.NewReader(text), list.Config{Format: list.RPZ, Addresses: tt.addresses, Refused: func(e *rule.LineError) {
			reason, _, _ := strings.Cut(e.Err.Error(), ": \"")
			got = append(got, fmt.Sprintf("%d %s", e.Line, reason))
		}})
		for s.Scan() {
			got = append(got, fmt.Sprintf("%d %v", s.Line(), s.Rule()))
		}
		if g := strings.Join(got, ", "); g != tt.want {
			t.Errorf("Addresses %v:\n got %s\nwant %s", tt.addresses, g, tt.want)
		}
		if st := s.Stats(); st.Addresses != 4 || st.Lines+st.Extra != st.Rules+st.Comments+st.Refused {
			t.Errorf("Addresses %v: %+v", tt.addresses, st)
		}
	}
}

// TestAddressesElsewhere: no other format has them, whatever is wanted.
func TestAddressesElsewhere(t *testing.T) {
	for _, f := range published {
		if f == list.RPZ {
			continue
		}
		s := list.NewScanner(strings.NewReader("24.0.2.0.192.rpz-ip CNAME .\n32.1.2.0.192.rpz-ip\nx.example\n"), list.Config{Format: f, Addresses: true})
		for s.Scan() {
			if r := s.Rule(); r.Trigger == rule.Address {
				t.Errorf("%v: %v", f, r)
			}
		}
		if n := s.Stats().Addresses; n != 0 {
			t.Errorf("%v: %d counted", f, n)
		}
	}
}
