package answer

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/rule"
)

// The vectors were made with the DNS library by hand, without this package.
const (
	sdeQuery    = "12340100000100000000000103577757074578416d706c6503434f4d000001000100002904d0000000000004001a0000"
	legacyQuery = "12340100000100000000000103577757074578416d706c6503434f4d000001000100002904d0000000000006000f00020000"

	blockedReply = "12348183000100000001000103577757074578416d706c6503434f4d0000010001c010000600010000003c0032" +
		"07626c6f636b656407696e76616c6964000a686f73746d6173746572c02d78c404c900000e100000025800093a800000003c" +
		"00002904d000000000008c000f0084000f7b2263223a5b226d61696c746f3a646e732d66696c746572406973702e6578616d" +
		"706c65225d2c2273223a352c226a223a224c69737465642061732061206e6f6e2d636f6e73656e7375616c20696e74696d61" +
		"746520696d6167652067656e657261746f72222c226f223a224578616d706c6520495350222c226c223a22656e227d001a0000"
	censoredReply = "12348183000100000001000103577757074578416d706c6503434f4d0000010001c010000600010000003c0032" +
		"07626c6f636b656407696e76616c6964000a686f73746d6173746572c02d78c404c900000e100000025800093a800000003c" +
		"00002904d0000000000055000f005100107b2263223a5b226d61696c746f3a646e732d66696c746572406973702e6578616d" +
		"706c65225d2c2266646273223a5b7b226462223a226c756d656e222c226964223a223132333435363738227d5d7d"
)

func TestVectors(t *testing.T) {
	oneContact := with(isp, func(c *Config) { c.Contacts = c.Contacts[:1] })
	// The second vector has no words: so has the reply where they do not fit.
	wordy := with(oneContact, func(c *Config) {
		c.Justifications = []Justification{{"en", strings.Repeat("long ", 90)}}
	})
	tests := []struct {
		name         string
		config       Config
		reason       policy.Reason
		size         int
		query, reply string
	}{
		{"structured", oneContact, policy.Blocked, 1232, sdeQuery, blockedReply},
		{"legacy", wordy, policy.Censored, 512, legacyQuery, censoredReply},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := Request{Msg: unpack(t, unhex(t, tt.query)), Size: tt.size, UDP: true}
			got := mustNew(t, tt.config).Reply(r, verdict(tt.reason))
			got.Compress = true
			wire, want := pack(t, got), unhex(t, tt.reply)
			if !bytes.Equal(wire, want) {
				t.Errorf("got\n%v\nwant\n%v", unpack(t, wire), unpack(t, want))
			}
		})
	}
}

// Check 1 of the contract: without EDNS in the query there is none in the reply.
func TestNoEDNS(t *testing.T) {
	for _, c := range []Config{{}, isp, page} {
		r := request(query("bad.example.", dns.TypeA, noEDNS))
		a := mustNew(t, c)
		for _, m := range []*dns.Msg{a.Reply(r, verdict(policy.Blocked)), a.NotReady(r)} {
			if len(m.Extra) != 0 {
				t.Errorf("%v: additional section %v", c.Action, m.Extra)
			}
		}
	}
}

// Check 2: EDNS without a signal gets a sentence, also where it is not wanted
// in the form that the signal asks for.
func TestPlainText(t *testing.T) {
	off := with(isp, func(c *Config) { c.SDE = SDEOff })
	encrypted := with(isp, func(c *Config) { c.SDE = SDEEncrypted })
	codes := map[policy.Reason]uint16{policy.Filtered: 17, policy.Blocked: 15, policy.Censored: 16}
	tests := []struct {
		config Config
		client string
		text   string
	}{
		{isp, edns, isp.Justifications[0].Text},
		{off, edns, isp.Justifications[0].Text},
		{off, sde, isp.Justifications[0].Text},
		{off, legacy, isp.Justifications[0].Text},
		{encrypted, sde, isp.Justifications[0].Text},
		{Config{}, edns, ""},
	}
	for _, tt := range tests {
		for reason, code := range codes {
			r := request(query("bad.example.", dns.TypeA, tt.client))
			m, _ := sent(t, r, mustNew(t, tt.config).Reply(r, verdict(reason)))
			want := cmp.Or(tt.text, sentences[reason])
			if e := errorIn(t, m); e.InfoCode != code || e.ExtraText != want || echoes(m) {
				t.Errorf("%v, %s, %v: %v", tt.config.SDE, tt.client, reason, m)
			}
		}
	}
}

// Check 4: the option asks, whatever data is in it, and over which transport
// it must come is for the configuration to say.
func TestSignals(t *testing.T) {
	option := func(o dns.EDNS0) *dns.Msg {
		m := query("bad.example.", dns.TypeA, edns)
		m.IsEdns0().Option = []dns.EDNS0{o}
		return m
	}
	tests := []struct {
		name      string
		query     *dns.Msg
		sde       SDE
		encrypted bool
		want      bool // structured
		echo      bool
	}{
		{"empty option", option(&dns.EDNS0_LOCAL{Code: 26}), SDEOn, false, true, true},
		{"option with data", option(&dns.EDNS0_LOCAL{Code: 26, Data: []byte{0xaa, 0xbb}}), SDEOn, false, true, true},
		{"another option", option(&dns.EDNS0_LOCAL{Code: 25}), SDEOn, false, false, false},
		{"error 0 without text", option(&dns.EDNS0_EDE{}), SDEOn, false, true, false},
		{"error 0 with text", option(&dns.EDNS0_EDE{ExtraText: "x"}), SDEOn, false, false, false},
		{"error 15", option(&dns.EDNS0_EDE{InfoCode: 15}), SDEOn, false, false, false},
		{"off", option(&dns.EDNS0_LOCAL{Code: 26}), SDEOff, true, false, false},
		{"encrypted", option(&dns.EDNS0_LOCAL{Code: 26}), SDEEncrypted, true, true, true},
		{"encrypted, asked in the clear", option(&dns.EDNS0_LOCAL{Code: 26}), SDEEncrypted, false, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := Request{Msg: unpack(t, pack(t, tt.query)), Size: 1232, UDP: !tt.encrypted, Encrypted: tt.encrypted}
			m, _ := sent(t, r, mustNew(t, with(isp, func(c *Config) { c.SDE = tt.sde })).Reply(r, verdict(policy.Blocked)))
			if got := structured(errorIn(t, m).ExtraText); got != tt.want || echoes(m) != tt.echo {
				t.Errorf("structured %v, want %v\n%v", got, tt.want, m)
			}
		})
	}
}

// Check 6: letter case and odd octets of the query name come back as they came,
// also in the SOA's owner.
func TestLetterCase(t *testing.T) {
	tests := []struct {
		qname  string
		labels int
		owner  string
	}{
		{"WwW.ExAmple.COM.", 2, "ExAmple.COM."},
		{"BAD.eXample.", 2, "BAD.eXample."},
		{`a\.b\000\255.C\.d.Bad.EXAMPLE.`, 2, "Bad.EXAMPLE."},
		{`a.C\.d.example.`, 2, `C\.d.example.`},
		{"bad.example.", 0, "bad.example."}, // judged by something else than a rule on the name
		{".", 1, "."},
	}
	a := mustNew(t, Config{})
	for _, tt := range tests {
		wire := pack(t, query(tt.qname, dns.TypeA, edns))
		r := request(unpack(t, wire))
		v := verdict(policy.Filtered)
		v.Labels = tt.labels
		reply := a.Reply(r, v)
		got := pack(t, reply)
		opt := len(wire) - 11 // the query ends with its OPT record
		if !bytes.HasPrefix(got[12:], wire[12:opt]) {
			t.Errorf("%s: question % x is not in the reply % x", tt.qname, wire[12:opt], got)
		}
		m, _ := sent(t, r, reply)
		equal(t, tt.qname, soaIn(m).Hdr.Name, tt.owner)
	}
}

// Checks 7 and 8: one verdict for every type, DO and CD.
func TestEveryType(t *testing.T) {
	types := []uint16{
		dns.TypeA, dns.TypeAAAA, dns.TypeHTTPS, dns.TypeSVCB, dns.TypeMX, dns.TypeTXT, dns.TypeNS,
		dns.TypeSOA, dns.TypeDS, dns.TypeDNSKEY, dns.TypeCAA, dns.TypeANY, 65400,
	}
	a := mustNew(t, isp)
	for _, qtype := range types {
		for _, client := range clients {
			for flags := range 8 {
				q := query("www.bad.example.", qtype, client)
				q.CheckingDisabled, q.RecursionDesired = flags&1 != 0, flags&2 != 0
				if opt := q.IsEdns0(); opt != nil {
					opt.SetDo(flags&4 != 0)
				}
				name := fmt.Sprintf("%v %s flags %03b", dns.Type(qtype), client, flags)
				m, _ := sent(t, request(q), a.Reply(request(q), verdict(policy.Filtered)))
				checkDenial(t, name, q, m, dns.RcodeNameError)
			}
		}
	}
}

// The reply is right as it is made, before a server sees to it: DO is copied,
// and the Z bits, the version and unknown options of a query are not.
func TestOPTIsOwn(t *testing.T) {
	for _, do := range []bool{true, false} {
		q := query("bad.example.", dns.TypeA, edns)
		q.IsEdns0().SetDo(do)
		a := mustNew(t, Config{})
		checkOPT(t, "denial", q.IsEdns0(), a.Reply(request(q), verdict(policy.Filtered)))
		checkOPT(t, "not ready", q.IsEdns0(), a.NotReady(request(q)))
	}
	q := query("bad.example.", dns.TypeA, edns)
	opt := q.IsEdns0()
	opt.SetVersion(3)
	opt.SetZ(0x7fff)
	opt.SetUDPSize(400)
	opt.Option = []dns.EDNS0{
		&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0102030405060708"},
		&dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: 24, Address: []byte{192, 0, 2, 0}},
	}
	r := request(unpack(t, pack(t, q)))
	got := mustNew(t, Config{}).Reply(r, verdict(policy.Filtered)).IsEdns0()
	equal(t, "flags", got.Hdr.Ttl, uint32(0))
	equal(t, "size", got.UDPSize(), uint16(400))
	equal(t, "options", len(got.Option), 1)
}

// An opcode that no plugin should see comes back as it came.
func TestOpcode(t *testing.T) {
	q := query("bad.example.", dns.TypeSOA, edns)
	q.Opcode = dns.OpcodeNotify
	m, _ := sent(t, request(q), mustNew(t, Config{}).Reply(request(q), verdict(policy.Filtered)))
	checkDenial(t, "notify", q, m, dns.RcodeNameError)
}

// Check 9 and RFC 8020: NXDOMAIN denies all names below as well.
func TestNameExists(t *testing.T) {
	tests := []struct {
		name    string
		action  Action
		trigger rule.Trigger
		open    bool
		want    int
	}{
		{"subtree", NXDomain, rule.Subtree, false, dns.RcodeNameError},
		{"names below", NXDomain, rule.Below, false, dns.RcodeNameError},
		{"ancestor of an allowed name", NXDomain, rule.Subtree, true, dns.RcodeSuccess},
		{"ancestor of an allowed name, itself below", NXDomain, rule.Below, true, dns.RcodeSuccess},
		{"the name alone", NXDomain, rule.Exact, false, dns.RcodeSuccess},
		{"action nodata", NoData, rule.Subtree, false, dns.RcodeSuccess},
	}
	for _, tt := range tests {
		for _, client := range clients {
			q := query("x.bad.example.", dns.TypeA, client)
			v := verdict(policy.Filtered)
			v.Trigger, v.Open = tt.trigger, tt.open
			m, _ := sent(t, request(q), mustNew(t, Config{Action: tt.action}).Reply(request(q), v))
			checkDenial(t, tt.name+" "+client, q, m, tt.want)
		}
	}
}

// TestAction: what is counted is what is answered.
func TestAction(t *testing.T) {
	open, exact, bypass := verdict(policy.Blocked), verdict(policy.Blocked), verdict(policy.Blocked)
	open.Open, exact.Trigger, bypass.Bypass = true, rule.Exact, policy.Canary
	openBypass := open
	openBypass.Bypass = policy.DoH
	for _, tt := range []struct {
		name    string
		verdict policy.Verdict
		want    map[Action]Action // by that of the configuration
	}{
		{"subtree", verdict(policy.Blocked), map[Action]Action{NXDomain: NXDomain, NoData: NoData, Sinkhole: Sinkhole}},
		{"open", open, map[Action]Action{NXDomain: NoData, NoData: NoData, Sinkhole: Sinkhole}},
		{"exact", exact, map[Action]Action{NXDomain: NoData, NoData: NoData, Sinkhole: Sinkhole}},
		{"bypass", bypass, map[Action]Action{NXDomain: NXDomain, NoData: NXDomain, Sinkhole: NXDomain}},
		{"open bypass", openBypass, map[Action]Action{NXDomain: NoData, NoData: NoData, Sinkhole: NoData}},
	} {
		for action, want := range tt.want {
			config := with(isp, func(c *Config) { c.Action = action })
			if action == Sinkhole {
				config = page
			}
			a, name, r := mustNew(t, config), tt.name+" with "+action.String(), request(query("bad.example.", dns.TypeA, edns))
			equal(t, name, a.Action(tt.verdict), want)
			m, _ := sent(t, r, a.Reply(r, tt.verdict))
			equal(t, name+": NXDOMAIN", m.Rcode == dns.RcodeNameError, want == NXDomain)
			equal(t, name+": addresses", len(m.Answer) > 0, want == Sinkhole)
		}
	}
}

func TestCodes(t *testing.T) {
	for _, tt := range []struct {
		config        Config
		reasons       []policy.Reason
		bypass, waits bool
		want          []uint16
	}{
		{isp, []policy.Reason{policy.Filtered, policy.Censored}, false, false, []uint16{17, 16}},
		{page, []policy.Reason{policy.Blocked}, false, false, []uint16{15, 4}},
		{page, nil, true, false, []uint16{15}}, // which is never led anywhere
		{isp, []policy.Reason{policy.Filtered}, true, true, []uint16{17, 15, 14}},
		{isp, nil, false, false, nil},
	} {
		equal(t, "codes", mustNew(t, tt.config).Codes(tt.reasons, tt.bypass, tt.waits), tt.want)
	}
}

func TestSerialAndTTL(t *testing.T) {
	a := mustNew(t, Config{TTL: MaxTTL, Mbox: "dns.isp.example"})
	v := verdict(policy.Filtered)
	v.Serial = 0
	soa := soaIn(a.Reply(request(query("bad.example.", dns.TypeA, edns)), v))
	equal(t, "serial", soa.Serial, uint32(1))
	equal(t, "ttl", soa.Hdr.Ttl, uint32(86400))
	equal(t, "minimum", soa.Minttl, uint32(86400))
	equal(t, "mailbox", soa.Mbox, "dns.isp.example.")
}

func TestNotReady(t *testing.T) {
	a := mustNew(t, isp)
	for _, client := range clients {
		q := query("Bad.example.", dns.TypeA, client)
		q.CheckingDisabled = true
		m, _ := sent(t, request(q), a.NotReady(request(q)))
		equal(t, client+": rcode", m.Rcode, dns.RcodeServerFailure)
		equal(t, client+": question", m.Question, q.Question)
		equal(t, client+": records", len(m.Answer)+len(m.Ns), 0)
		equal(t, client+": RA CD", m.RecursionAvailable && m.CheckingDisabled, true)
		checkOPT(t, client, q.IsEdns0(), m)
		if client != noEDNS {
			equal(t, client+": code", errorIn(t, m).InfoCode, uint16(14))
		}
	}
}

// Messages that no server should let through to a plugin.
func TestNotOneQuestion(t *testing.T) {
	for _, n := range []int{0, 2} {
		q := query("bad.example.", dns.TypeA, edns)
		q.Question = make([]dns.Question, n)
		for i := range q.Question {
			q.Question[i] = dns.Question{Name: "bad.example.", Qtype: dns.TypeA, Qclass: dns.ClassINET}
		}
		a := mustNew(t, isp)
		m, _ := sent(t, request(q), a.Reply(request(q), verdict(policy.Filtered)))
		equal(t, "rcode", m.Rcode, dns.RcodeFormatError)
		equal(t, "sections", len(m.Question)+len(m.Answer)+len(m.Ns), 0)
		m, _ = sent(t, request(q), a.NotReady(request(q)))
		equal(t, "rcode, not ready", m.Rcode, dns.RcodeServerFailure)
	}
}

func TestUnknownReason(t *testing.T) {
	q := query("bad.example.", dns.TypeA, edns)
	m := mustNew(t, Config{}).Reply(request(q), verdict(policy.Reason(policy.Reasons)))
	equal(t, "code", errorIn(t, m).InfoCode, uint16(17))
}
