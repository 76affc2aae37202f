package source

import (
	"testing"
	"time"

	"github.com/miekg/dns"
)

// TestTransferLibrary shows why the messages of a transfer are not read with
// dns.Transfer. Of each case the library makes something else than it should;
// when one of them fails here, the library has been mended, and code of ours
// may go.
func TestTransferLibrary(t *testing.T) {
	tests := []struct {
		name   string
		qtype  uint16
		signed bool
		bend   func(p *zonePrimary)
		fails  bool // the library refuses what is right, otherwise it takes what is wrong
	}{
		{"messages without a signature in between", dns.TypeAXFR, true, func(p *zonePrimary) { p.signEvery = 3 }, true},
		{"another serial at the end", dns.TypeAXFR, false, func(p *zonePrimary) {
			p.bend = last(func(r *reply) { r.Answer = []dns.RR{zoneSOA(9)} })
		}, false},
		{"records behind the end", dns.TypeIXFR, false, func(p *zonePrimary) {
			p.bend = last(func(r *reply) { r.Answer = append(r.Answer, foreignRecord) })
		}, false},
		{"a record of another zone", dns.TypeAXFR, false, func(p *zonePrimary) {
			p.bend = last(func(r *reply) { r.Answer = append([]dns.RR{foreignRecord}, r.Answer...) })
		}, false},
		{"another question", dns.TypeAXFR, false, func(p *zonePrimary) {
			p.bend = each(func(r *reply) { r.Question[0].Name = "other.example." })
		}, false},
		{"a chain of changes with a gap", dns.TypeIXFR, false, func(p *zonePrimary) {
			p.bend = func(_ *dns.Msg, replies []reply) []reply {
				replies[0].Answer = []dns.RR{zoneSOA(2), zoneSOA(7), zoneSOA(2), zoneSOA(2)}
				return replies[:1]
			}
		}, false},
		{"an error in the middle", dns.TypeAXFR, false, func(p *zonePrimary) {
			p.bend = last(func(r *reply) { r.Rcode = dns.RcodeServerFailure })
		}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPrimary(t, nil)
			p.batch = 1
			if tt.signed {
				p.key = &testKey
			}
			p.publish(1, zoneOne...)
			p.publish(2, zoneTwo...)
			tt.bend(p)
			if err := libraryTransfer(p, tt.qtype, 1); (err != nil) != tt.fails {
				t.Errorf("The library: %v", err)
			}
		})
	}
}

// TestTransferLibrarySerials: the library takes a serial that has gone round
// for an older one and stops behind the first record.
func TestTransferLibrarySerials(t *testing.T) {
	p := newPrimary(t, nil)
	p.publish(4294967295, zoneOne...)
	p.publish(1, zoneTwo...)
	p.batch = 100
	q := new(dns.Msg).SetIxfr(rpzZone, 4294967295, ".", ".")
	tr := dns.Transfer{}
	replies, err := tr.In(q, p.addr)
	if err != nil {
		t.Fatal(err)
	}
	var records []dns.RR
	for r := range replies {
		records = append(records, r.RR...)
	}
	// All came in one message, so all are there; but with a message for each
	// record there would be only one.
	p.batch = 1
	if replies, err = (&dns.Transfer{}).In(q, p.addr); err != nil {
		t.Fatal(err)
	}
	some := 0
	for r := range replies {
		some += len(r.RR)
	}
	if len(records) < 5 || some != 1 {
		t.Errorf("%d records in one message, %d in many", len(records), some)
	}
}

// libraryTransfer returns what the library finds wrong with a transfer.
func libraryTransfer(p *zonePrimary, qtype uint16, have uint32) error {
	q := new(dns.Msg).SetAxfr(rpzZone)
	if qtype == dns.TypeIXFR {
		q.SetIxfr(rpzZone, have, ".", ".")
	}
	tr := dns.Transfer{}
	if p.key != nil {
		tr.TsigSecret = map[string]string{p.key.Name: p.key.Secret}
		q.SetTsig(p.key.Name, p.key.Algorithm+".", 300, time.Now().Unix())
	}
	replies, err := tr.In(q, p.addr)
	if err != nil {
		return err
	}
	for r := range replies {
		if r.Error != nil {
			err = r.Error
		}
	}
	return err
}
