package status

import (
	"fmt"
	"slices"
	"time"
)

// Warning is something that needs a person's hand.
type Warning struct {
	Code string `json:"code"`           // a word for programs, of those below
	List string `json:"list,omitempty"` // that it is about
	Text string `json:"text"`           // what it is, and what can be done
}

// The codes of warnings, the worst first.
const (
	Waiting  = "waiting"  // queries are not answered before a list is there
	Missing  = "missing"  // there is no edition of a list
	Expired  = "expired"  // an edition that its publisher wants used no more
	Stale    = "stale"    // a list that could not be refreshed for a day
	Held     = "held"     // an edition that waits for somebody to approve it
	Failing  = "failing"  // the last try failed
	Unread   = "unread"   // an edition could not be read from disk
	Unsaved  = "unsaved"  // an edition could not be kept on disk
	Prefixes = "prefixes" // a file of clients or except that is not used
	CertEnds = "certificate"
	NoFront  = "front"
)

const (
	// staleAfter is how long a list may fail before it is stale: the longest time
	// between two rounds.
	staleAfter = 24 * time.Hour
	// certSoon is how long before its end a certificate is warned of.
	certSoon = 30 * 24 * time.Hour
)

// warnings returns what is wrong.
func (r *Report) warnings() []Warning {
	var all []Warning
	for _, s := range r.Servers {
		if !s.Ready {
			all = append(all, Warning{Waiting, "", fmt.Sprintf("Server block %s waits for a list: names that no other list blocks get no answer until it is there.", s.Names[0])})
		}
	}
	for i := range r.Lists {
		all = append(all, r.Lists[i].warnings(r.Now)...)
	}
	all = append(all, r.otherWarnings()...)
	return byCode(all)
}

// worst are the codes in their order.
var worst = []string{Waiting, Missing, Expired, Stale, Held, Failing, Unread, Unsaved, Prefixes, CertEnds, NoFront}

// Codes returns the codes of all warnings, the worst first.
func Codes() []string { return slices.Clone(worst) }

// byCode returns warnings with the worst first.
func byCode(all []Warning) []Warning {
	ordered := make([]Warning, 0, len(all))
	for _, code := range worst {
		for _, w := range all {
			if w.Code == code {
				ordered = append(ordered, w)
			}
		}
	}
	return ordered
}

// warnings returns what is wrong with a list.
func (l *List) warnings(now time.Time) (all []Warning) {
	warn := func(code, format string, args ...any) {
		all = append(all, Warning{code, l.Name, "List " + l.Name + ": " + fmt.Sprintf(format, args...)})
	}
	serves := "The last good edition goes on serving, and nothing is lost."
	switch last := l.Success; {
	case !l.Here && l.Error != "":
		warn(Missing, "it could not be had yet (%s). Nothing on it is blocked.", l.Error)
	case !l.Here:
		warn(Missing, "it is being fetched for the first time. Nothing on it is blocked yet.")
	case l.Cause == "shrunk":
		warn(Held, "a new edition has lost many entries and is held back (%s). %s If that is right, 'nonudify approve' takes it.", l.Error, serves)
	case l.Remote && l.Error != "" && now.Sub(last) > staleAfter:
		warn(Stale, "it could not be refreshed since %s (%s). New sites are not on it.", day(last), l.Error)
	case l.Error != "":
		warn(Failing, "the last try to refresh it failed (%s). %s", l.Error, serves)
	}
	if l.Here && !l.Expires.IsZero() && !now.Before(l.Expires) {
		warn(Expired, "its publisher wanted it to be used no longer than %s. It goes on serving; ask the publisher for a newer one.", day(l.Expires))
	}
	if l.Unread {
		warn(Unread, "it could not be read from the state directory while it was in use, and was read anew. Look at the disk.")
	}
	if l.Unsaved {
		warn(Unsaved, "it could not be kept in the state directory, so the next start needs the network. Look whether the disk is full, and who may write there.")
	}
	return all
}

// otherWarnings returns what is wrong beside lists.
func (r *Report) otherWarnings() (all []Warning) {
	for _, z := range r.Zones {
		if z.Unsaved {
			all = append(all, Warning{Unsaved, "", fmt.Sprintf("Policy zone %s: its history could not be kept in the state directory. Look whether the disk is full, and who may write there.", z.Origin)})
		}
	}
	for _, f := range r.Prefixes {
		if f.Error != "" {
			all = append(all, Warning{Prefixes, "", fmt.Sprintf("File %s: it is not used as it is now (%s). What it held before goes on.", f.File, f.Error)})
		}
	}
	if end := r.CertEnds; !end.IsZero() && r.Now.Add(certSoon).After(end) {
		all = append(all, Warning{CertEnds, "", fmt.Sprintf("The certificate of the authority ends on %s: put a new one in its place and reload.", day(end))})
	}
	for _, f := range r.Fronts {
		switch {
		case !f.Open:
			all = append(all, Warning{NoFront, "", fmt.Sprintf("The UDP front of %s is configured and not there. The log says why; CoreDNS answers meanwhile.", f.Server)})
		case !f.Steered:
			all = append(all, Warning{NoFront, "", fmt.Sprintf("The UDP front of %s gets a share of the queries only; CoreDNS answers the others.", f.Server)})
		}
	}
	return all
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
