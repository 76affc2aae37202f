package list_test

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/nonudify/nonudify/plugin/list"
)

// grammars are what the lines of each target may be, but for comments: the first ones,
// which stand there in any case, and those of rules, where <name> stands for a name. For
// RouterOS and dnscrypt-proxy nothing else checks them; for most of the others their
// products do, in the tests of the commands.
var grammars = map[list.Target]struct {
	start string
	rule  string
}{
	list.ToDomains:  {"", `<name>`},
	list.ToHosts:    {"", `0\.0\.0\.0 <name>`},
	list.ToWildcard: {"", `\*\.<name>`},
	list.ToAdblock:  {"", `(@@)?\|(\||\|\*\.)?<name>\^(\$important)?`},
	list.ToDnsmasq:  {"", `(local=/(\*\.)?<name>/|server=/(\*\.)?<name>/#)`},
	list.ToUnbound:  {"server:\n", `(local-zone: "<name>" (always_nxdomain|transparent)|local-data: "<name> A 0\.0\.0\.0")`},
	list.ToRPZ: {"$TTL 60\n@ SOA localhost. hostmaster.localhost. 2026112201 300 120 2592000 60\n@ NS localhost.\n" +
		"_list.meta TXT \"v=1 list=demo.lists.example expires=2026-12-06T00:00:00Z\"\n", `(\*\.)?<name> CNAME (\*?\.|rpz-passthru\.)`},
	list.ToKnot: {"$TTL 60\n@ SOA localhost. hostmaster.localhost. 2026112201 300 120 2592000 60\n@ NS localhost.\n" +
		"_list.meta TXT \"v=1 list=demo.lists.example expires=2026-12-06T00:00:00Z\"\n", `(\*\.)?<name> CNAME \*?\.`},
	list.ToPihole:   {"", `(\|\|<name>\^|<name>)`},
	list.ToDNSCrypt: {"", `=?<name>`},
	list.ToRouterOS: {"/ip dns static remove [find comment=\"demo.lists.example\"]\n/ip dns static\n",
		`add comment="demo\.lists\.example" type=NXDOMAIN name=<name>( match-subdomain=yes)?`},
	list.ToHashes: {"", `[0-9a-f]{32}`},
}

// aName is a name in canonical form.
const aName = `[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*`

// TestWriteGrammar holds every line of each target against its grammar.
func TestWriteGrammar(t *testing.T) {
	for _, to := range list.Targets() {
		g, ok := grammars[to]
		if !ok {
			if to != list.ToCDB { // which is no text
				t.Errorf("%v has no grammar", to)
			}
			continue
		}
		sign := map[list.Target]string{list.ToAdblock: "!", list.ToRPZ: ";", list.ToKnot: ";"}[to]
		if sign == "" {
			sign = "#"
		}
		line := regexp.MustCompile("^" + strings.ReplaceAll(g.rule, "<name>", aName) + "\n$")
		r := rand.New(rand.NewPCG(4, uint64(to)))
		for i := range 200 {
			b := randomBook(r, everyTrigger, everyAction)
			if i == 0 {
				b = fixtureBook()
			}
			text, _ := written(t, b, list.WriteConfig{To: to, Header: header})
			if text == "" {
				continue
			}
			for strings.HasPrefix(text, sign+" ") {
				_, text, _ = strings.Cut(text, "\n")
			}
			rules, ok := strings.CutPrefix(text, g.start)
			if !ok {
				t.Fatalf("%v does not begin with %q:\n%s", to, g.start, text)
			}
			for l := range strings.Lines(rules) {
				if !line.MatchString(l) {
					t.Fatalf("%v: %q is not %s", to, l, g.rule)
				}
			}
		}
	}
}
