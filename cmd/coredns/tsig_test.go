package main

import (
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// TestSignedReplies: a denial that the tsig plugin signs stays within what the
// client can take, however long the name is.
func TestSignedReplies(t *testing.T) {
	const key, secret = "transfer.example.", "NoTCJU+DMqFWywaPyxSijrDEA/eC3nK0xi3AMEZuPVk="
	i := start(t, `.:0 {
    bind 127.0.0.1
    tsig {
        secret `+key+" "+secret+`
    }
    nonudify {
        block badsite.example
        reason blocked
        organization "`+strings.Repeat("Example Network ", 8)+`"
        contact mailto:dns-filter@network.example
    }
}
`)
	defer stop(i)
	udp, _ := addrs(i)
	for _, size := range []uint16{512, 600, 1232} {
		for labels := 1; labels < 119; labels++ { // up to the longest name
			m := new(dns.Msg).SetQuestion(strings.Repeat("a.", labels)+"badsite.example.", dns.TypeA).SetEdns0(size, false)
			o := m.IsEdns0()
			o.Option = append(o.Option, &dns.EDNS0_LOCAL{Code: 26})
			m.SetTsig(key, dns.HmacSHA256, 300, time.Now().Unix())
			wire, err := exchange(udp, m, map[string]string{key: secret})
			if err != nil {
				t.Fatal(err)
			}
			reply := new(dns.Msg)
			if err := reply.Unpack(wire); err != nil {
				t.Fatal(err)
			}
			if len(wire) > int(size) || reply.IsTsig() == nil || reply.Truncated || reply.Rcode != dns.RcodeNameError || len(reply.Ns) != 1 {
				t.Errorf("Size %d, %d labels: %d octets\n%v", size, labels, len(wire), reply)
			}
		}
	}
}

// exchange signs a query and returns the reply as it came.
func exchange(udp string, m *dns.Msg, secrets map[string]string) ([]byte, error) {
	conn, err := dns.DialTimeout("udp", udp, 5*time.Second)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	conn.UDPSize, conn.TsigSecret = 4096, secrets
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	if err := conn.WriteMsg(m); err != nil {
		return nil, err
	}
	return conn.ReadMsgHeader(nil)
}
