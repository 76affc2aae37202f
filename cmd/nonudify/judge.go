package main

import (
	"net/netip"
	"slices"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/answer"
	"github.com/nonudify/nonudify/plugin/directive"
	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/rule"
)

// The verdicts.
const (
	blocked   = "blocked"
	passed    = "passed" // a list blocks the name, and something undoes it
	notListed = "not listed"
	notKnown  = "not known" // a list that might block the name is missing
)

// What lets a listed name pass.
const (
	whyAllow     = "allow"     // the operator
	whyException = "exception" // the list
	whyClient    = "client"    // the client is not one that the policy is for
	whyZone      = "zone"      // queries for the name are not the directive's
)

// whyMissing is why nothing is known of a name.
const whyMissing = "missing"

// udpSize is the size of replies that the example client takes: what DNS Flag
// Day 2020 recommends, in octets.
const udpSize = 1232

// judge says what one server does with names.
type judge struct {
	server
	policy   *policy.Policy
	answerer *answer.Answerer
	rules    [][]foundRule // by source, in the order of the policy
	clients  *policy.Clients
	missing  []missingList
	warnings []string
	client   netip.Addr
	qtype    uint16
}

// missingList is a list that the server does not have before it was fetched.
type missingList struct {
	List   string `json:"list"`
	Source string `json:"source"`
	Reason string `json:"reason"`
}

// note enters what is to be said of the edition of a feed.
func (j *judge) note(f directive.Feed, e *edition) {
	if e.list == nil {
		j.missing = append(j.missing, missingList{f.List, f.Config.Load.File, e.missing})
	}
	for _, w := range e.warnings {
		j.warnings = append(j.warnings, "list "+f.List+": "+w)
	}
}

// judgement is what check says of a name. The package documentation describes
// its JSON form, which must stay as it is.
type judgement struct {
	Name     dnsname.Name  `json:"name"`
	Server   string        `json:"server,omitempty"`
	View     string        `json:"view,omitempty"`
	Verdict  string        `json:"verdict"`
	Why      string        `json:"why,omitempty"`
	Instead  string        `json:"instead,omitempty"`
	Match    *foundRule    `json:"match,omitempty"`
	Serial   uint32        `json:"serial,omitempty"`
	Reason   string        `json:"reason,omitempty"`
	Also     []foundRule   `json:"also,omitempty"`
	Refused  []foundRule   `json:"refused,omitempty"`
	Clients  *audience     `json:"clients,omitempty"`
	Shadow   bool          `json:"shadow,omitempty"`
	Answer   *reply        `json:"answer,omitempty"`
	Missing  []missingList `json:"missing,omitempty"`
	Warnings []string      `json:"warnings,omitempty"`

	code uint16 // the extended error of the reason
}

// audience is whom a policy is for.
type audience struct {
	Only   []string `json:"only,omitempty"` // empty: everybody
	Except []string `json:"except,omitempty"`
}

// reply is what a client with EDNS is told over UDP.
type reply struct {
	Type      string   `json:"type"`
	Rcode     string   `json:"rcode"`
	Addresses []string `json:"addresses,omitempty"`
	TTL       uint32   `json:"ttl"` // in seconds
	SOA       string   `json:"soa,omitempty"`
	EDE       *ede     `json:"ede,omitempty"`
}

// ede is an extended DNS error (RFC 8914).
type ede struct {
	Code uint16 `json:"code"`
	Name string `json:"name"`
	Text string `json:"text,omitempty"`
}

// judge returns the judgement on a name.
func (j *judge) judge(name dnsname.Name) judgement {
	v := j.policy.Decide(string(name), netip.Addr{})
	out := judgement{Name: name, Server: j.label(), View: j.view, Verdict: notListed, Missing: j.missing, Warnings: j.warnings}
	if len(j.missing) > 0 && !v.Blocked() && v.List != policy.AllowList {
		j.undecided(name, &out)
		return out
	}
	if v.Action != rule.None {
		out.Serial, out.Clients = v.Serial, j.audience()
		out.Match = j.match(name, v)
	}
	if v.Blocked() {
		out.Reason, out.code = v.Reason.String(), answer.Code(v.Reason)
	}
	out.Also, out.Refused = j.others(name, out.Match)
	switch asked, instead := j.reaches(name); {
	case v.Action == rule.None:
	case v.Action == rule.Pass && v.List == policy.AllowList:
		out.Verdict, out.Why = passed, whyAllow
	case v.Action == rule.Pass:
		out.Verdict, out.Why = passed, whyException
	case !asked:
		out.Verdict, out.Why, out.Instead = passed, whyZone, instead
	case j.client.IsValid() && !j.policy.Decide(string(name), j.client).Blocked():
		out.Verdict, out.Why = passed, whyClient
	case j.config.Shadow:
		out.Verdict, out.Shadow = blocked, true
	default:
		out.Verdict, out.Answer = blocked, j.reply(name, v)
	}
	return out
}

// undecided judges a name that a list that is missing might block: what is known
// without that list is what lets the name pass either way.
func (j *judge) undecided(name dnsname.Name, out *judgement) {
	out.Clients = j.audience()
	out.Match = j.allows(name)
	out.Also, out.Refused = j.others(name, out.Match)
	switch asked, instead := j.reaches(name); {
	case out.Match != nil:
		out.Verdict, out.Why = passed, whyAllow
	case !asked:
		out.Verdict, out.Why, out.Instead = passed, whyZone, instead
	case j.client.IsValid() && !j.clients.Include(j.client):
		out.Verdict, out.Why = passed, whyClient
	default:
		out.Verdict, out.Why = notKnown, whyMissing
		if !j.config.Open {
			out.Answer = j.shown(name, j.answerer.NotReady)
		}
	}
}

// allows returns the rule by which the operator lets a name through, if there is
// one: the longest.
func (j *judge) allows(name dnsname.Name) *foundRule {
	var best *foundRule
	for _, rules := range j.rules {
		for _, r := range rules {
			if r.List == policy.AllowList && r.Refused == "" && r.means(name) && (best == nil || r.beats(*best)) {
				best = &r
			}
		}
	}
	return best
}

// reaches reports whether queries for a name come to the directive.
func (j *judge) reaches(name dnsname.Name) (ok bool, instead string) {
	if ok, instead := j.asked(name); !ok {
		return false, instead
	}
	zones := j.config.Zones
	return len(zones) == 0 || slices.ContainsFunc(zones, func(z string) bool { return parseKey(z).holds(name) }), ""
}

// match returns the rule that decided, without a file and line if it is not
// known where it stands.
func (j *judge) match(name dnsname.Name, v policy.Verdict) *foundRule {
	matched := dnsname.Name(v.Matched(string(name)))
	for _, rules := range j.rules {
		for _, r := range rules {
			if r.Refused == "" && r.List == v.List && r.Action == v.Action && r.Rule == matched && r.means(name) {
				r.Trigger = v.Trigger
				return &r
			}
		}
	}
	found := &foundRule{List: v.List, Action: v.Action, Trigger: v.Trigger, Rule: matched}
	if v.Bypass != policy.NoBypass && v.Blocked() { // the names are part of the program
		found.Comment = v.Bypass.String()
	}
	return found
}

// others returns the rules of all other sources, and those that were refused.
func (j *judge) others(name dnsname.Name, match *foundRule) (also, refused []foundRule) {
	for _, rules := range j.rules {
		var best *foundRule
		for i, r := range rules {
			switch {
			case !r.means(name):
			case r.Refused != "":
				refused = append(refused, r)
			case best == nil || r.beats(*best):
				best = &rules[i]
			}
		}
		if best != nil && (match == nil || best.List != match.List || best.File != match.File) {
			also = append(also, *best)
		}
	}
	return also, refused
}

// beats reports whether f decides where both mean a name: the longer one does,
// and of two of the same length the exception.
func (f foundRule) beats(other foundRule) bool {
	if len(f.Rule) != len(other.Rule) {
		return len(f.Rule) > len(other.Rule)
	}
	return f.Action == rule.Pass && other.Action == rule.Block
}

// audience returns whom the policy is for, nil for everybody.
func (j *judge) audience() *audience {
	a := &audience{Only: j.config.Clients.Args(), Except: j.config.Except.Args()}
	if len(a.Only)+len(a.Except) == 0 {
		return nil
	}
	return a
}

// reply has the query of a client answered by what answers in the server.
func (j *judge) reply(name dnsname.Name, v policy.Verdict) *reply {
	return j.shown(name, func(r answer.Request) *dns.Msg { return j.answerer.Reply(r, v) })
}

// shown returns what is to be shown of an answer.
func (j *judge) shown(name dnsname.Name, answered func(answer.Request) *dns.Msg) *reply {
	query := new(dns.Msg)
	query.SetQuestion(name.FQDN(), j.qtype)
	query.SetEdns0(udpSize, false)
	m := answered(answer.Request{Msg: query, Size: udpSize, UDP: true})
	r := &reply{Type: dns.Type(j.qtype).String(), Rcode: dns.RcodeToString[m.Rcode]}
	for _, rr := range m.Answer {
		r.TTL = rr.Header().Ttl
		for i := 1; i <= dns.NumField(rr); i++ {
			r.Addresses = append(r.Addresses, dns.Field(rr, i))
		}
	}
	for _, rr := range m.Ns {
		r.TTL, r.SOA = rr.Header().Ttl, rr.Header().Name
	}
	r.EDE = edeOf(m)
	return r
}

// edeOf returns the extended error of a message, nil without one.
func edeOf(m *dns.Msg) *ede {
	opt := m.IsEdns0()
	if opt == nil {
		return nil
	}
	for _, o := range opt.Option {
		if e, ok := o.(*dns.EDNS0_EDE); ok {
			return &ede{e.InfoCode, dns.ExtendedErrorCodeToString[e.InfoCode], e.ExtraText}
		}
	}
	return nil
}
