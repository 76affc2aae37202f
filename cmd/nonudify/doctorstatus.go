package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/nonudify/nonudify/plugin/status"
)

// lookAtStatus asks the resolver that runs what it says of itself, where its Corefile has
// "status". One is enough: it is about all server blocks. Where no resolver answers,
// that has been said.
func (x *examination) lookAtStatus() {
	i := slices.IndexFunc(x.servers, func(s server) bool { return s.config.Status.Served() })
	switch {
	case i < 0 && len(x.ours) > 0:
		x.hint("status", "Add 'status 127.0.0.1:8053' to the directive: doctor and 'nonudify status' then ask there", "the resolver does not tell how its lists are")
		return
	case i < 0:
		return
	}
	asked := x.servers[i].config.Status
	at := placeOf(asked)
	if asked.Password != "" {
		x.hint("status", fmt.Sprintf("'nonudify status -conf %s -passfile FILE' does, with the user and the password in FILE", x.conf), "doctor does not ask the resolver how its lists are: %s wants a password", at.shown)
		return
	}
	at.patience = x.patience
	_, r, err := at.report()
	switch {
	case err == nil:
		x.lookAtReport(r)
	case errors.Is(err, fs.ErrPermission):
		x.hint("status", "Run doctor as root, or as the user of the service", "this user may not ask the resolver how its lists are: %s", at.shown)
	case len(x.ours) > 0:
		x.wrong("status", "Restart the resolver: it runs with another Corefile, or is of another release. Its log says whether it can listen there", "the resolver does not tell how its lists are: %v", err)
	}
}

// lookAtReport says what is wrong, and how each list is.
func (x *examination) lookAtReport(r *status.Report) {
	x.told = true
	x.fine("status", "the resolver tells how its lists are")
	for _, w := range r.Warnings {
		x.lookAtWarning(r, w)
	}
	for i := range r.Lists {
		if l := &r.Lists[i]; l.Here {
			x.lookAtSignature(l)
		}
	}
}

// warned is how doctor tells of a warning.
type warned struct {
	check  string
	hint   bool   // and not wrong
	said   string // what is in a diagnosis that says the same; of a list, with its name
	remedy string // beside that of the warning itself
}

// warnings are those that a server may send. Of one that is not among them, its own words
// are enough.
var warnings = map[string]warned{
	status.Waiting:  {check: "filter", said: "waits for a list", remedy: "'start open' would let queries pass meanwhile"},
	status.Missing:  {check: "list"},
	status.Expired:  {check: "list", said: "list %s has expired"},
	status.Stale:    {check: "list"},
	status.Held:     {check: "list", said: "an edition of %s is held back"},
	status.Failing:  {check: "list"},
	status.Unread:   {check: "disk"},
	status.Unsaved:  {check: "state"},
	status.Prefixes: {check: "clients", remedy: "Mend the file"},
	status.CertEnds: {check: "page"},
	status.NoFront:  {check: "front", hint: true},
}

// lookAtWarning tells of a warning, unless doctor has seen the same by itself.
func (x *examination) lookAtWarning(r *status.Report, w status.Warning) {
	how := warnings[w.Code]
	if said := strings.ReplaceAll(how.said, "%s", w.List); said != "" && slices.ContainsFunc(x.found, func(d diagnosis) bool { return strings.Contains(d.Text, said) }) {
		return
	}
	if how.remedy == "" && how.check == "list" && w.Code != status.Expired {
		how.remedy = causeRemedy(x.conf, causeOf(r, w.List))
	}
	text := "the resolver says: " + strings.TrimSuffix(w.Text, ".")
	if how.hint {
		x.hint(how.check, how.remedy, "%s", text)
	} else {
		x.wrong(cmp.Or(how.check, "status"), how.remedy, "%s", text)
	}
}

// causeOf is why the last try to refresh a list failed, in a word of the metrics.
func causeOf(r *status.Report, list string) string {
	for i := range r.Lists {
		if r.Lists[i].Name == list && r.Lists[i].Cause != "" {
			return r.Lists[i].Cause
		}
	}
	return ""
}

// lookAtSignature says who signed the edition that is in use. One that comes over the
// network and need not be signed can be changed by who answers for its place.
func (x *examination) lookAtSignature(l *status.List) {
	switch {
	case l.Signed:
		x.fine("signature", "list %s is signed by key %s", l.Name, l.KeyID)
	case l.MustBe:
		x.wrong("signature", fmt.Sprintf("'nonudify fetch -conf %s' says whether its publisher signs it, and with which key", x.conf), "list %s is in use and not signed by a key that it must be signed by", l.Name)
	case l.Remote && !slices.ContainsFunc(l.Sources, func(s status.Source) bool { return strings.HasPrefix(s.Kind, "axfr") }):
		x.hint("signature", "If its publisher signs it, add 'key PUBLIC-KEY' to its line in the Corefile", "nobody has to sign list %s: whoever answers for its server can put any name on it", l.Name)
	}
}
