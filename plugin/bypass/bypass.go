// Package bypass knows the names by which programs find a way round the
// resolver of their network, so that a network that may decide so can deny them:
// two signals that programs ask for on purpose, and the hosts of public
// resolvers that answer over HTTPS.
//
// The names are tables inside the program, one for each policy.Bypass, each name with where it is
// documented and the day on which that was read. No host of them is ever
// contacted. It is not, and cannot be, a list of all resolvers: a client that
// knows the address of one asks for no name at all.
package bypass

import (
	_ "embed" // the tables below
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/rule"
)

// Rules returns the rules that deny the names by which a way round the filter is
// closed, sorted by name; none for policy.NoBypass. The caller owns them.
func Rules(b policy.Bypass) []rule.Rule {
	entries, err := read(b)
	if err != nil {
		panic(err) // the tables are part of the program, and a test reads them
	}
	rules := make([]rule.Rule, len(entries))
	for i, e := range entries {
		rules[i] = e.rule
	}
	return rules
}

// The tables. A trigger "subtree" stands where nothing but the provider's
// resolvers is below a name, such as those of its customers.
var (
	//go:embed canary.tsv
	canaryTable string
	//go:embed private-relay.tsv
	privateRelayTable string
	//go:embed doh.tsv
	dohTable string
)

// title is the first line of each table.
const title = "name\ttrigger\tprovider\tsource\tread"

// entry is a line of a table.
type entry struct {
	rule     rule.Rule
	provider string
	source   string    // URL of the documentation that names it
	read     time.Time // when that was read
}

// Why a table is refused.
var (
	errTitle   = errors.New("has another title than it should")
	errColumns = errors.New("not as many columns as the title has")
	errTrigger = errors.New("unknown trigger: want exact or subtree")
)

// read returns the table of a way round the filter.
func read(b policy.Bypass) ([]entry, error) {
	text := map[policy.Bypass]string{policy.Canary: canaryTable, policy.PrivateRelay: privateRelayTable, policy.DoH: dohTable}[b]
	entries, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("%v.tsv:%w", b, err)
	}
	return entries, nil
}

// parse reads a table: the title, then a line a name. Errors begin with the
// number of the line.
func parse(text string) ([]entry, error) {
	var entries []entry
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSuffix(line, "\n")
		if n == 1 {
			if line != title {
				return nil, fmt.Errorf("1: %w", errTitle)
			}
			continue
		}
		e, err := parseEntry(line)
		if err != nil {
			return nil, fmt.Errorf("%d: %w", n, err)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func parseEntry(line string) (e entry, err error) {
	f := strings.Split(line, "\t")
	if len(f) != strings.Count(title, "\t")+1 {
		return e, errColumns
	}
	e = entry{rule: rule.Rule{Action: rule.Block}, provider: f[2], source: f[3]}
	if e.rule.Name, err = dnsname.Parse(f[0]); err != nil {
		return e, err
	}
	switch f[1] {
	case rule.Exact.String():
		e.rule.Trigger = rule.Exact
	case rule.Subtree.String():
		e.rule.Trigger = rule.Subtree
	default:
		return e, errTrigger
	}
	e.read, err = time.Parse(time.DateOnly, f[4])
	return e, err
}
