package policy

import (
	"fmt"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/rule"
)

// Reason says who decided that a name is blocked; the answer carries it as an
// extended DNS error. The zero value is Filtered.
type Reason uint8

// The reasons, by the extended DNS error that each becomes.
const (
	Filtered Reason = iota // the user asked for it (RFC 8914 §4.18, code 17)
	Blocked                // the operator decided (RFC 8914 §4.16, code 15)
	Censored               // the law decided (RFC 8914 §4.17, code 16)
)

var reasons = [...]string{Filtered: "filtered", Blocked: "blocked", Censored: "censored"}

// Reasons is the number of reasons, for arrays that are indexed by one.
const Reasons = len(reasons)

// String returns the reason's name in the Corefile.
func (r Reason) String() string {
	if int(r) < len(reasons) {
		return reasons[r]
	}
	return fmt.Sprintf("reason(%d)", uint8(r))
}

// MarshalText returns the reason's name.
func (r Reason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText accepts the names that String returns.
func (r *Reason) UnmarshalText(text []byte) error {
	for i, s := range reasons {
		if s == string(text) {
			*r = Reason(i)
			return nil
		}
	}
	return fmt.Errorf("unknown reason %q: want filtered, blocked or censored", text)
}

// Verdict is what a policy says of a query name. The zero value is the verdict
// on a name that no list blocks.
type Verdict struct {
	Action  rule.Action  // None, Block, or Pass where an exception undid a block
	Reason  Reason       // of the list that blocks
	Trigger rule.Trigger // of the rule that decided
	Open    bool         // names below the query name may exist: deny it with NODATA, never NXDOMAIN (RFC 8020 §2)
	Labels  int          // labels of the matched name, counted from the right of the query name; 0 for a target's
	List    string       // name of the list that decided
	Serial  uint32       // of that list
	Bypass  Bypass       // the way round the filter that it is about; NoBypass: a name that the policy is for
	Pending bool         // with None: there is no verdict yet, a list is missing
}

// Blocked reports whether the name is to be denied.
func (v Verdict) Blocked() bool { return v.Action == rule.Block }

// Matched returns the name of the rule that decided, in the letter case of
// qname, which must be the query name that v is about; all of qname if what was
// matched is a target.
func (v Verdict) Matched(qname string) string { return dnsname.Suffix(qname, v.Labels) }
