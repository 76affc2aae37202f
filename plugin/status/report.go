// Package status is what a running server tells those who look after it: which
// lists it has and how old they are, how often listed names were asked for, and
// what needs a person's hand, as a page and as JSON. It knows of no query but by
// sums, and changes nothing.
package status

import "time"

// Schema is the version of the JSON form of a Report. Fields may be added to it;
// where one gets another meaning or goes, the number is another.
const Schema = 1

// Report is what a server tells of itself. All times are UTC, in whole seconds,
// and left out where there is none.
type Report struct {
	Schema   int           `json:"schema"`
	Version  string        `json:"version"` // of the program
	Now      time.Time     `json:"now"`
	Started  time.Time     `json:"started"`
	Uptime   int64         `json:"uptime_seconds"`
	Warnings []Warning     `json:"warnings"` // what needs a person, the worst first; empty: nothing does
	Servers  []Server      `json:"servers"`
	Lists    []List        `json:"lists"`
	Verdicts Verdicts      `json:"verdicts"`
	HelpPage HelpPage      `json:"help_page"`
	Fronts   []Front       `json:"fronts,omitempty"`
	Zones    []Zone        `json:"policy_zones,omitempty"`
	Prefixes []PrefixFile  `json:"prefix_files,omitempty"`
	CertEnds time.Time     `json:"authority_ends,omitzero"` // when the certificate of the authority ends, of several the first
	Password *PasswordUses `json:"password,omitempty"`      // only where the page has one
}

// Server is one server block.
type Server struct {
	Names        []string `json:"names"`           // as the Corefile has them, with the view
	Zones        []string `json:"zones,omitempty"` // that are filtered; none: all that it is asked for
	Ready        bool     `json:"ready"`           // every list that it waits for is there
	Action       string   `json:"action"`          // nxdomain, nodata, sinkhole or shadow
	Reason       string   `json:"reason"`          // filtered, blocked or censored
	Lists        []string `json:"lists"`           // names of Report.Lists
	Clients      []string `json:"clients,omitempty"`
	Except       []string `json:"except,omitempty"`
	Bypass       []string `json:"bypass,omitempty"` // ways round the filter that are closed
	Organization string   `json:"organization,omitempty"`
	Contacts     []string `json:"contacts,omitempty"` // mailto: and tel: URIs
	Help         string   `json:"help,omitempty"`     // the operator's own address of the help page
	Loggers      []string `json:"loggers,omitempty"`  // other plugins of the block that write down who asks for what
}

// Source is one place that a list comes from.
type Source struct {
	Kind  string `json:"kind"`            // builtin, file, https, http, axfr or axfrs
	Place string `json:"place,omitempty"` // path, or URL without user, password and query
}

// List is one list, or a file of an allow or block property, which is called like
// the property.
type List struct {
	Name    string    `json:"name"`
	Sources []Source  `json:"sources"`
	Here    bool      `json:"loaded"`             // there is an edition in use; what follows of it is zero otherwise
	ID      string    `json:"list_id,omitempty"`  // of the header
	Format  string    `json:"format,omitempty"`   // as in the Corefile
	Serial  uint32    `json:"serial,omitempty"`   // of the header, else made of the time of modification
	Entries int       `json:"entries"`            // rules in use
	Refused int       `json:"refused"`            // lines that are not used
	Issued  time.Time `json:"issued,omitzero"`    // or modified, or else loaded
	Age     int64     `json:"age_seconds"`        // since it was issued
	Expires time.Time `json:"expires,omitzero"`   // when it is to be used no more
	Signed  bool      `json:"signature_verified"` // the edition carries a signature that holds
	MustBe  bool      `json:"signature_required"` // no other edition would be taken
	KeyID   string    `json:"key,omitempty"`      // who signed: 16 hexadecimal digits, as minisign shows them
	Remote  bool      `json:"remote"`             // it comes over the network
	Tried   time.Time `json:"last_try,omitzero"`
	Success time.Time `json:"last_success,omitzero"` // when the edition was taken, or found to be still the newest
	Next    time.Time `json:"next_try,omitzero"`
	Cause   string    `json:"cause,omitempty"` // why the last try failed, in a word of the metrics; "": it did not
	Error   string    `json:"error,omitempty"` // the same in words
	Unsaved bool      `json:"not_saved,omitempty"`
	Unread  bool      `json:"unread,omitempty"` // it could not be read from disk while it was in use
	Filter  Filter    `json:"filter"`           // of all lists of that name, since the start
}

// Filter is what the Bloom filter of a list did, in query names.
type Filter struct {
	Negative      uint64 `json:"negative"`       // ruled out
	Positive      uint64 `json:"positive"`       // listed
	FalsePositive uint64 `json:"false_positive"` // let through, and then not found
}

// Verdicts is how often listed names were asked for.
type Verdicts struct {
	Total []Count `json:"since_start"`
	Hours []Hour  `json:"hours"` // the last 48 at most, the oldest first, the last one still running
}

// Hour is what was counted in an hour, or in the rest of it.
type Hour struct {
	Start  time.Time `json:"start"`
	Counts []Count   `json:"counts"`
}

// HelpPage is the help page of the server.
type HelpPage struct {
	Addresses []string `json:"addresses"` // none: it is not served
	Requests  uint64   `json:"requests"`
}

// Front is the UDP front of one listener.
type Front struct {
	Server   string `json:"server"`
	Open     bool   `json:"open"`    // it was asked for, and is there
	Steered  bool   `json:"steered"` // it gets all messages, not a share of them
	Answered uint64 `json:"answered"`
	Passed   uint64 `json:"passed"`  // to CoreDNS
	Dropped  uint64 `json:"dropped"` // by the front, or unread by the kernel
}

// Zone is one policy zone.
type Zone struct {
	Origin  string `json:"origin"`
	Serial  uint32 `json:"serial"` // 0: it is not served yet
	Records int    `json:"records"`
	LeftOut int    `json:"left_out"` // rules that it cannot say
	Unsaved bool   `json:"not_saved,omitempty"`
}

// PrefixFile is a file of clients or except.
type PrefixFile struct {
	File     string `json:"file"`
	Prefixes int    `json:"prefixes"`
	Error    string `json:"error,omitempty"` // why what it holds now is not used
}

// PasswordUses is what became of those who asked for the page.
type PasswordUses struct {
	Refused uint64 `json:"refused"` // without a right password, since the start
}

// Judgement is what one server block says of a name.
type Judgement struct {
	Server  string `json:"server"`
	Verdict string `json:"verdict"`          // one of those below
	Why     string `json:"why,omitempty"`    // of Passed: allow or exception
	List    string `json:"list,omitempty"`   // that decided
	Rule    string `json:"rule,omitempty"`   // the listed name, or the name of the exception
	Reason  string `json:"reason,omitempty"` // filtered, blocked or censored
	Action  string `json:"action,omitempty"` // what a blocked name is answered with
}

// The verdicts of a Judgement, as 'nonudify check' calls them.
const (
	Blocked   = "blocked"
	Passed    = "passed"     // a list blocks the name, and something undoes it
	NotListed = "not listed" // no list blocks the name
	NotKnown  = "not known"  // a list is missing that might block it
)
