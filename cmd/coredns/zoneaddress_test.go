//go:build unix

package main

import (
	"fmt"
	"testing"
)

// addressCorefile is a server whose hosts have listed addresses, on a port that the
// primary of its list knows.
const addressCorefile = `.:%[1]s {
    bind 127.0.0.1
    tsig {
        secret %[2]s %[3]s
    }
    nonudify {
        list axfr://127.0.0.1:%[4]s/rpz.example?tsig=%[2]s name %[5]s addresses on
        state %[6]s
    }
    hosts {
        192.0.2.1 one.test
        192.0.2.2 two.test
        2001:db8:1::6 six.test
    }
}
`

// TestZoneAddresses follows a zone whose address triggers come and go by changes
// alone, and starts from the copy of it when the primary is dead.
func TestZoneAddresses(t *testing.T) {
	port := freePort(t)
	p := newKnot(t, port)
	p.write("zone", zoneText+"32.1.2.0.192.rpz-ip CNAME .\n48.zz.1.db8.2001.rpz-ip CNAME .\n")
	p.start()
	s := secondaryOf(t, "zone-addresses", port, "", zoneSecret, "")
	s.corefile = fmt.Sprintf(addressCorefile, port, zoneKey, zoneSecret, p.port, s.list, t.TempDir())
	const listed = " +edns => NOERROR answers=0 ede=17"
	s.start()
	defer s.stop()
	s.soon("one.test A" + listed)
	s.now("listed.example"+isDenied, "two.test A => NOERROR a=192.0.2.2 by=hosts", "six.test AAAA"+listed)
	s.shows(111, "entries")
	s.shows(0, "refused_lines")
	p.change([]string{"32.2.2.0.192.rpz-ip"}, []string{"32.1.2.0.192.rpz-ip"})
	s.soon("two.test A" + listed)
	s.now("one.test A => NOERROR a=192.0.2.1 by=hosts", "six.test AAAA"+listed)
	s.shows(2, "serial")
	s.shows(111, "entries")
	s.transfers(p, 1, 1)
	p.kill()
	s.stop()
	s.start()
	s.now("one.test A => NOERROR a=192.0.2.1 by=hosts", "two.test A"+listed, "six.test AAAA"+listed, "listed.example"+isDenied)
	s.shows(111, "entries")
}
