package nonudify

import (
	"fmt"
	"net/netip"
	"runtime/debug"
	"strings"

	clog "github.com/coredns/coredns/plugin/pkg/log"

	"github.com/nonudify/nonudify/plugin/directive"
	"github.com/nonudify/nonudify/plugin/feed"
)

var log = clog.NewWithPlugin(directive.Name)

// reportList logs what a round has changed.
func reportList(_ string, r *feed.Refresher[feed.List], c feed.Change) {
	name, l := nameOf(r), r.Value()
	switch {
	case c.Err != nil && l == nil:
		log.Errorf("List %s: none yet: %v", name, c.Err)
	case c.Err != nil:
		log.Errorf("List %s: keeping the last good edition: %v", name, c.Err)
	case c.New:
		report(name, l)
	case c.Mended:
		log.Infof("List %s: fresh again", name)
	}
	if c.Warning != nil {
		log.Warningf("List %s: %v", name, c.Warning)
	}
}

// nameOf returns what the configuration calls a list.
func nameOf(r *feed.Refresher[feed.List]) string {
	f, _ := r.Fetcher().(*feed.Feed)
	return f.Name
}

// reportPrefixes logs what a round has changed.
func reportPrefixes(key string, r *feed.Refresher[[]netip.Prefix], c feed.Change) {
	switch {
	case c.Err != nil:
		log.Errorf("Keeping the last good prefixes: %v", c.Err)
	case c.New:
		log.Infof("Loaded %s: %d prefixes", key, len(*r.Value()))
	case c.Mended:
		log.Infof("%s: fresh again", key)
	}
}

// maxLogged is the number of refused lines of a list that are logged, and of server
// blocks of which the same is to be said.
const maxLogged = 5

// large is the number of rules from which on the memory that building a list
// has taken is given back at once: ten times what stays would be missed on a
// small router for minutes.
const large = 100_000

// report logs what a list that was just loaded holds.
func report(name string, l *feed.List) {
	log.Infof("List %s: %d rules, %d refused, format %v, serial %d%s", name, l.Stats.Rules, l.Stats.Refused, l.Format, l.Serial, signedBy(l))
	for _, e := range l.Refused[:min(len(l.Refused), maxLogged)] {
		log.Warningf("List %s: refused %v", name, e)
	}
	if l.Stats.Rules >= large {
		debug.FreeOSMemory()
	}
}

// signedBy names the key that a list is signed with.
func signedBy(l *feed.List) string {
	if l.Signature == nil {
		return ""
	}
	return fmt.Sprintf(", signed with key %016X", l.Signature.KeyID)
}

// oneLine returns what an error says in one line: CoreDNS joins those of several
// secondaries by line feeds, and a program that reads the log takes each for an entry.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
