package feed

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/set"
)

// zoneWith is a policy zone of two names and the given owners of addresses.
func zoneWith(serial int, owners ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "$ORIGIN rpz.example.\n@ SOA a. b. %d 2 3 4 5\nbadsite.example CNAME .\n*.badsite.example CNAME .\n", serial)
	for _, o := range owners {
		b.WriteString(o + ".rpz-ip CNAME .\n")
	}
	return b.String()
}

// blocks reports whether a list blocks an address.
func blocks(l *List, addr string) bool {
	return l.Set.MatchAddress(netip.MustParseAddr(addr)) == rule.Block
}

// TestLoadAddresses: what is refused names its prefix and its line.
func TestLoadAddresses(t *testing.T) {
	text := zoneWith(1, "32.1.2.0.192", "8.0.0.0.198", "32.1.0.0.10")
	for on, want := range map[bool]string{
		true: "[z:6: 198.0.0.0/8: a prefix shorter than /24 (IPv4) or /48 (IPv6) is never blocked: it would hold many networks of strangers " +
			"z:7: 10.0.0.1/32: an address that is not on the public Internet is never blocked: every network has machines with it]",
		false: `[z:5: trigger other than a query name: "32.1.2.0.192.rpz-ip CNAME ." z:6: trigger other than a query name: "8.0.0.0.198.rpz-ip CNAME ." ` +
			`z:7: trigger other than a query name: "32.1.0.0.10.rpz-ip CNAME ."]`,
	} {
		l, err := Load(strings.NewReader(text+"x.example CNAME .\n"), time.Time{}, LoadConfig{File: "z", Check: new(policy.Guard), Addresses: on})
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(l.Refused); got != want || l.Stats.Addresses != 3 || blocks(l, "192.0.2.1") != on || blocks(l, "10.0.0.1") || l.Format != list.RPZ {
			t.Errorf("Addresses %v: %+v, %s", on, l.Stats, got)
		}
	}
}

// manyAddresses is a zone of so many addresses, none twice.
type manyAddresses struct{ n, left int }

func (e *manyAddresses) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	e.n, e.left = e.n+1, e.left-1
	return copy(p, fmt.Sprintf("32.%d.%d.%d.185.rpz-ip CNAME .\n", e.n&255, e.n>>8&255, e.n>>16&255)), nil
}

// TestLoadMaxAddresses: a list with more addresses than a set may have is refused
// as a whole.
func TestLoadMaxAddresses(t *testing.T) {
	const limit = 1000
	for n, want := range map[int]error{limit: nil, limit + 1: set.ErrAddresses, 20 * limit: set.ErrAddresses} {
		c := LoadConfig{File: "z", Format: list.RPZ, Addresses: true, MaxAddresses: limit}
		l, err := Load(&manyAddresses{left: n}, time.Time{}, c)
		if !errors.Is(err, want) || (err == nil) != (want == nil) || err != nil && (!strings.HasPrefix(err.Error(), "z: ") || ResultOf(err) != CauseSize) {
			t.Fatalf("%d: %v, want %v", n, err, want)
		}
		if err == nil && (l.Set.Len() != n || l.Set.Bytes() < 16*n || l.Set.Bytes() > 20*n) {
			t.Errorf("%d: a set of %d in %d bytes", n, l.Set.Len(), l.Set.Bytes())
		}
	}
}

// TestFeedAddresses: addresses come and go with the editions, and the copy has
// them, too.
func TestFeedAddresses(t *testing.T) {
	s := &site{text: zoneWith(1, "32.1.2.0.192", "48.zz.1.db8.2001")}
	c := config(s)
	c.Load.Addresses, c.Load.Format, c.Shrink = true, list.RPZ, 0
	f := withCopy(t, c, t.TempDir())
	l := round(t, f, nil)
	if !blocks(l, "192.0.2.1") || !blocks(l, "2001:db8:1::1") || blocks(l, "192.0.2.2") || l.Stats.Rules != 4 {
		t.Errorf("The first edition: %+v", l.Stats)
	}
	s.text = zoneWith(2, "32.2.2.0.192", "48.zz.1.db8.2001")
	round(t, f, nil)
	f, l = restart(t, f, nil)
	if blocks(l, "192.0.2.1") || !blocks(l, "192.0.2.2") || !blocks(l, "2001:db8:1::1") || l.Stats.Rules != 4 {
		t.Errorf("Restored: %+v", l.Stats)
	}
	f.Load.Addresses = false // the same copy, where nobody asks for them
	_, l = restart(t, f, nil)
	if l.Set.HasAddresses() || l.Stats.Rules != 2 || l.Stats.Refused != 2 {
		t.Errorf("Restored without: %+v", l.Stats)
	}
}

// TestFeedApproveAddresses: what is approved are these addresses and no others.
func TestFeedApproveAddresses(t *testing.T) {
	fingerprints := map[[32]byte]bool{}
	for _, owner := range []string{"32.1.2.0.192", "32.2.2.0.192", "31.2.2.0.192", "32.2.2.0.192"} {
		l, err := Load(strings.NewReader(zoneWith(1, owner)), time.Time{}, LoadConfig{File: "z", Addresses: true})
		if err != nil {
			t.Fatal(err)
		}
		fingerprints[l.fingerprint([32]byte{})] = true
	}
	if len(fingerprints) != 3 {
		t.Errorf("%d fingerprints of 3 lists", len(fingerprints))
	}
}
