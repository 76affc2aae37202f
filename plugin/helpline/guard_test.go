package helpline_test

import (
	"testing"

	"github.com/nonudify/nonudify/plugin/directive"
	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/helpline"
	"github.com/nonudify/nonudify/plugin/rule"
)

// TestHostsAreProtected checks that no list can block a host that the page links
// to, nor where its leave button goes.
func TestHostsAreProtected(t *testing.T) {
	guard, err := directive.Guard()
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range append(helpline.Builtin().Hosts(), "www.wikipedia.org") {
		name, err := dnsname.Parse(host)
		if err != nil {
			t.Errorf("%s: %v", host, err)
			continue
		}
		for above := range name.Suffixes() {
			if guard.Check(rule.Rule{Name: above, Trigger: rule.Subtree, Action: rule.Block}) == nil {
				t.Errorf("a list may block %s with %s: add it to plugin/builtin/help.tsv", host, above)
			}
		}
	}
}
