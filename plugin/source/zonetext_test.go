package source

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/list"
)

func TestZoneText(t *testing.T) {
	tests := []struct{ record, want string }{
		{"BadSite.Example 5 IN CNAME .", "badsite.example CNAME ."},
		{"x CNAME Garden.Example.", "x CNAME garden.example."},
		{"@ NS LocalHost.", "@ NS localhost."},
		{"x A 192.0.2.1", "x A 192.0.2.1"},
		{"x AAAA 2001:DB8::1", "x AAAA 2001:db8::1"},
		{`x TXT "a \"b\"; c" "" "\010\200"`, `x TXT "a \"b\"; c" "" "\010\200"`},
		{"x MX 10 Mail.Example.", `x MX \# 16 000a044d61696c074578616d706c6500`},
		{`x TYPE65300 \# 2 0aFF`, `x TYPE65300 \# 2 0aff`},
		{`x NULL \# 5 0a78204120`, `x NULL \# 5 0a78204120`},
		{"x RRSIG CNAME 8 3 60 20300101000000 20200101000000 1 rpz.example. AAAA", ""},
		{"x NSEC y.rpz.example. CNAME", ""},
		// Names with bytes that mean something else in a master file.
		{`a\.b\ c\;\(\)\"\\\@.x CNAME .`, `a\.b\ c\;\(\)\"\\\@.x CNAME .`},
		{`\010\000\255 CNAME .`, `\010\000\255 CNAME .`},
		{`$INCLUDE.x.rpz.example. CNAME .`, `\036include.x CNAME .`},
		{`\@ CNAME .`, `\@ CNAME .`},
		{`x\\.rpz.example. CNAME .`, `x\\ CNAME .`},
		{`x\..rpz.example. CNAME .`, `x\. CNAME .`},
	}
	z, err := newZoneText("RPZ.example")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		rr := unpacked(t, zoneRecord(t, tt.record))
		got, err := z.append(nil, rr)
		if want := strings.TrimPrefix(tt.want+"\n", "\n"); string(got) != want || err != nil {
			t.Errorf("%s: %q, %v, want %q", tt.record, got, err, want)
		}
	}
}

// zoneRecord reads a record relative to the zone. Those that the library reads
// otherwise at the start of a line are built by name.
func zoneRecord(t *testing.T, record string) dns.RR {
	t.Helper()
	if owner, ok := strings.CutSuffix(record, " CNAME ."); ok && strings.HasSuffix(owner, ".") {
		return &dns.CNAME{Hdr: dns.RR_Header{Name: owner, Rrtype: dns.TypeCNAME, Class: dns.ClassINET}, Target: "."}
	}
	if data, ok := strings.CutPrefix(record, `x NULL \# 5 `); ok {
		return &dns.RFC3597{Hdr: dns.RR_Header{Name: "x." + rpzZone, Rrtype: dns.TypeNULL, Class: dns.ClassINET}, Rdata: data}
	}
	return zoneRecords(t, record)[0]
}

// unpacked returns a record as it comes from the network.
func unpacked(t *testing.T, rr dns.RR) dns.RR {
	t.Helper()
	wire := make([]byte, 4096)
	n, err := dns.PackRR(rr, wire, 0, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	rr, _, err = dns.UnpackRR(wire[:n], 0)
	if err != nil {
		t.Fatal(err)
	}
	return rr
}

func TestZoneTextForeign(t *testing.T) {
	header := func(name string, rrtype, class uint16) dns.RR_Header {
		return dns.RR_Header{Name: name, Rrtype: rrtype, Class: class}
	}
	tests := []dns.RR{
		&dns.CNAME{Hdr: header("x.other.example.", dns.TypeCNAME, dns.ClassINET), Target: "."},
		&dns.CNAME{Hdr: header("example.", dns.TypeCNAME, dns.ClassINET), Target: "."},
		&dns.CNAME{Hdr: header("xrpz.example.", dns.TypeCNAME, dns.ClassINET), Target: "."},
		&dns.CNAME{Hdr: header(`x\.rpz.example.`, dns.TypeCNAME, dns.ClassINET), Target: "."}, // one label x.rpz below example.
		&dns.CNAME{Hdr: header(`x\\\.rpz.example.`, dns.TypeCNAME, dns.ClassINET), Target: "."},
		&dns.CNAME{Hdr: header("x.rpz.example.", dns.TypeCNAME, dns.ClassCHAOS), Target: "."},
		&dns.SOA{Hdr: header("x.rpz.example.", dns.TypeSOA, dns.ClassINET), Ns: ".", Mbox: "."},
		&dns.OPT{Hdr: header("rpz.example.", dns.TypeOPT, dns.ClassINET)},
		&dns.TSIG{Hdr: header("rpz.example.", dns.TypeTSIG, dns.ClassINET)},
		&dns.ANY{Hdr: header("rpz.example.", dns.TypeANY, dns.ClassINET)},
	}
	z, err := newZoneText(rpzZone)
	if err != nil {
		t.Fatal(err)
	}
	for _, rr := range tests {
		if got, err := z.append(nil, rr); !errors.Is(err, errForeign) || len(got) != 0 {
			t.Errorf("%v: %q, %v", rr, got, err)
		}
	}
}

// TestZoneTextRoot: the root is no likely policy zone, but a zone.
func TestZoneTextRoot(t *testing.T) {
	z, err := newZoneText(".")
	if err != nil {
		t.Fatal(err)
	}
	rr, err := dns.NewRR("bad.example. CNAME .")
	if err != nil {
		t.Fatal(err)
	}
	soa := zoneSOA(1)
	soa.Hdr.Name = "."
	head, err := z.head(soa)
	if err != nil {
		t.Fatal(err)
	}
	const want = "$ORIGIN .\n@ SOA localhost. hostmaster.example. 1 300 120 86400 60\nbad.example CNAME .\n"
	if got, err := z.append(head, rr); string(got) != want || err != nil {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
}

// FuzzZoneText: whatever records a message holds, each is one line or an error,
// the same line when it comes in upper case, and none is a line that leads the
// scanner astray.
func FuzzZoneText(f *testing.F) {
	for _, record := range append(zoneOne, `a\.b\;\010 TXT "x\"" "\000"`, "x MX 10 y.example.", "x A 192.0.2.1") {
		wire := make([]byte, 512)
		n, err := dns.PackRR(zoneRecords(f, record)[0], wire, 0, nil, false)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire[:n])
	}
	z, err := newZoneText(rpzZone)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		text, err := z.head(zoneSOA(1))
		if err != nil {
			t.Fatal(err)
		}
		for off := 0; off < len(wire); {
			var rr dns.RR
			if rr, off, err = dns.UnpackRR(wire, off); err != nil || withData([]dns.RR{rr}) != nil {
				break
			}
			line, err := z.append(nil, rr)
			if err != nil {
				continue
			}
			if n := bytes.Count(line, []byte("\n")); n > 1 || n == 1 && line[len(line)-1] != '\n' || bytes.ContainsAny(line, "\r\x00") {
				t.Fatalf("%v: %q", rr, line)
			}
			if len(line) > 0 && (line[0] == '$' || line[0] == ';' || line[0] == ' ') {
				t.Fatalf("%v: %q", rr, line)
			}
			rr.Header().Name = strings.ToUpper(rr.Header().Name)
			if again, err := z.append(nil, rr); err != nil || !bytes.Equal(again, line) {
				t.Fatalf("%q is %q in upper case, %v", line, again, err)
			}
			text = append(text, line...)
		}
		text = append(text, "last.example CNAME .\n"...)
		s := list.NewScanner(bytes.NewReader(text), list.Config{Format: list.RPZ})
		found := false
		for s.Scan() {
			found = s.Rule().Name == "last.example"
		}
		if !found {
			t.Fatalf("The last rule is lost behind %q", text)
		}
	})
}
