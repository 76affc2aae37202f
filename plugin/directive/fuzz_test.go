package directive

import (
	"strings"
	"testing"

	"github.com/nonudify/nonudify/plugin/answer"
	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/rule"
)

// FuzzParse: any text is refused or makes a Config that a server can be started
// with.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"nonudify", "nonudify {", "nonudify }", "nonudify {}", "nonudify a b {\nttl 5s\n}", "nonudify {\n\n{\n}\n}",
		block("list builtin\nlist ./a.txt name b format rpz reason censored\ncontact tel:+15550100\nincident lumen 1"),
		block("allow ok.example ./ok.txt\nblock badsite.example bücher.example\nblock com"),
		block("action sinkhole 192.0.2.1 2001:db8::1\nttl 1m\nsde encrypted\nreason blocked"),
		block("contact mailto:a@b.example tel:+15550100\norganization \"A B\"\njustification de \"C D\"\nlanguage de en"),
		block("clients 10.0.0.0/8 ::1 ./x\nexcept 10.0.0.1 /y\naction shadow"),
		block("list a.rpz addresses on\nlist axfr://192.0.2.1/rpz addresses on\nlist b.txt format hosts addresses off\ninspect on"),
		block("list a.txt name\nlist . name x\nlist / name y\nlist .. \"\""),
	} {
		f.Add(s, "")
		f.Add(s, "/srv/dns")
	}
	guard, err := Guard()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text, root string) {
		c, err := parse(text, root)
		if err != nil {
			if c != nil || err.Error() == "" {
				t.Fatalf("%q: config %+v with error %q", text, c, err)
			}
			return
		}
		if _, err := answer.New(c.Answer); err != nil {
			t.Fatalf("%q: answers: %v", text, err)
		}
		feeds, err := c.Feeds()
		if err != nil && strings.Contains(text, "tsig") { // no secret is known for that key
			return
		}
		if err != nil || len(feeds) != len(c.Lists)+len(c.Allow.Files)+len(c.Block.Files) || len(c.Lists) == 0 {
			t.Fatalf("%q: %d feeds, %v", text, len(feeds), err)
		}
		for _, feed := range feeds {
			if feed.List == "" || len(feed.List) > maxListName || feed.Key == "" || feed.Config.Load.File == "" {
				t.Fatalf("%q: feed %+v", text, feed)
			}
		}
		names := map[string]bool{policy.BlockList: true, policy.AllowList: true}
		for _, l := range c.Lists {
			if names[l.Name] || len(l.Sources) == 0 {
				t.Fatalf("%q: list %+v", text, l)
			}
			names[l.Name] = true
		}
		for _, r := range append(c.Block.Rules, c.Allow.Rules...) {
			if n, err := dnsname.Parse(string(r.Name)); n != r.Name || err != nil || r.Trigger != rule.Subtree || guard.Check(r) != nil {
				t.Fatalf("%q: rule %v", text, r)
			}
		}
		if len(c.PrefixFiles()) == 0 {
			c.ClientsOf(nil)
		}
	})
}
