package directive

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nonudify/nonudify/plugin/feed"
	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/set"
)

func TestPolicyZones(t *testing.T) {
	c, err := parse(block("zone RPZ.Example. two\nzone rpz\nzone own.rpz block\nzone way.rpz bypass\nlist ./one.txt\nlist ./two.txt\nblock a.example\nbypass doh"), "")
	want := []PolicyZone{{"rpz.example.", "two"}, {"rpz.", ""}, {"own.rpz.", "block"}, {"way.rpz.", "bypass"}}
	if err == nil {
		t.Errorf("Zones inside of one another: %v", c.PolicyZones)
	}
	c, err = parse(block("zone RPZ.Example. two\nzone rpz1\nzone own.rpz block\nzone way.rpz bypass\nlist ./one.txt\nlist ./two.txt\nblock a.example\nbypass doh"), "")
	want[1].Origin = "rpz1."
	if err != nil || !slices.Equal(c.PolicyZones, want) {
		t.Errorf("Got %v, %v", c, err)
	}
	if c, err = parse(block("zone rpz.example builtin"), ""); err != nil || len(c.PolicyZones) != 1 {
		t.Errorf("The list that is there without being named: %v, %v", c, err)
	}
	for properties, want := range map[string]string{
		"zone":                 "Wrong argument count",
		"zone a.rpz builtin b": "Wrong argument count",
		"zone a..rpz":          "Corefile:2 - Error during parsing: zone 'a..rpz': label is empty",
		"zone 192.0.2.1":       "is an address",
		"zone .":               "Corefile:2",
		"zone rpz." + strings.Repeat("a.", 30) + "rpz":        "longer than 64 characters",
		"zone rpz.example\nzone RPZ.Example":                  "Corefile:3 - Error during parsing: zone 'rpz.example' is given twice",
		"zone rpz.example\nzone a.rpz.example":                "zone 'a.rpz.example': one policy zone cannot be inside another, 'rpz.example'",
		"zone a.rpz.example\nzone rpz.example":                "zone 'rpz.example': one policy zone cannot be inside another, 'a.rpz.example'",
		"zone rpz.example nosuch\nttl 5s":                     "Corefile:2 - Error during parsing: zone 'rpz.example': no list is named 'nosuch'",
		"zone rpz.example block":                              "no list is named 'block'",
		"zone rpz.example bypass":                             "no list is named 'bypass'",
		"zone com":                                            "would hide names that others have",
		"zone co.uk":                                          "would hide names that others have",
		"zone resolver.arpa":                                  "where clients ask about the resolver",
		"zone isp.example\nresolver dns.isp.example":          "would hide dns.isp.example",
		"zone isp.example\nhelp https://isp.example":          "would hide isp.example",
		"zone isp.example\nlist https://lists.isp.example/l":  "would hide lists.isp.example",
		strings.Repeat("zone rpz\n", 1) + manyZones(maxZones): "more than 16 zones",
	} {
		if _, err := parse(block(properties), ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", properties, err, want)
		}
	}
}

func manyZones(n int) string {
	var lines strings.Builder
	for i := range n {
		lines.WriteString("zone z" + strings.Repeat("x", i) + ".example\n")
	}
	return strings.TrimSpace(lines.String())
}

// TestZoneContent: a zone is made of what it names and is there, and tells what the
// headers of the lists say.
func TestZoneContent(t *testing.T) {
	c, err := parse(block("list ./one.txt\nlist ./two.txt\nallow ./allow.txt\ncontact mailto:dns@isp.example\nzone all.rpz\nzone two.rpz two"), "")
	if err != nil {
		t.Fatal(err)
	}
	edition := func(name string, action rule.Action, h list.Header) *feed.List {
		s, err := setOf([]rule.Rule{{Name: "x.example", Trigger: rule.Subtree, Action: action}, {Name: "y.example", Trigger: rule.Exact, Action: action}}[:len(name)%2+1])
		if err != nil {
			t.Fatal(err)
		}
		return &feed.List{Set: s, Header: h}
	}
	long := strings.Repeat("x", 200)
	one := edition("a", rule.Block, list.Header{ID: "one.lists.example", Serial: 7, Expires: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)})
	two := edition("a", rule.Block, list.Header{ID: "with blanks"})
	allow := &feed.List{Set: new(set.Set)}
	for i, z := range c.PolicyZones {
		for _, tt := range []struct {
			editions []*feed.List
			ok       []bool
		}{
			{[]*feed.List{one, two, allow}, []bool{true, true}}, {[]*feed.List{nil, two, allow}, []bool{false, true}},
			{[]*feed.List{one, nil, allow}, []bool{false, false}}, {[]*feed.List{one, two, nil}, []bool{false, false}},
		} {
			p, err := c.Policy(tt.editions, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			content, ok := c.ZoneContent(z, p, tt.editions)
			if ok != tt.ok[i] {
				t.Errorf("%v with %v: %v", z, tt.editions, ok)
			}
			if ok && content.Mbox != "dns.isp.example." {
				t.Errorf("The mailbox is %q", content.Mbox)
			}
			want := [][]string{{"v=1 list=one serial=7 expires=2030-01-02T03:04:05Z id=one.lists.example", "v=1 list=two"}, {"v=1 list=two"}}[i]
			if ok && !slices.Equal(content.About, want) {
				t.Errorf("%v tells %q", z, content.About)
			}
		}
	}
	if got := about(long[:64], &feed.List{Header: list.Header{ID: long, Serial: 1}}); len(got) > maxText || strings.Contains(got, "id=") {
		t.Errorf("%d octets: %s", len(got), got)
	}
}

// TestMadeAt: the newest time that a list tells is past, and none that cannot be.
func TestMadeAt(t *testing.T) {
	day := func(text string) time.Time {
		d, err := time.Parse(time.DateOnly, text)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for _, tt := range []struct {
		list feed.List
		want time.Time
	}{
		{feed.List{}, time.Unix(0, 0)},
		{feed.List{Header: list.Header{Serial: 7}}, time.Unix(7, 0)},
		{feed.List{Header: list.Header{Serial: 2026112201}}, day("2026-11-22")},
		{feed.List{Header: list.Header{Serial: 2026133201}}, time.Time{}}, // no day, and far ahead as seconds
		{feed.List{Header: list.Header{Serial: 1795351375}}, time.Unix(1795351375, 0)},
		{feed.List{Header: list.Header{Serial: 2026112201, Issued: day("2026-11-25")}, Modified: day("2026-11-01")}, day("2026-11-25")},
		{feed.List{Header: list.Header{Modified: day("2026-11-24")}, Modified: day("2026-11-26"), Loaded: day("2027-01-01")}, day("2026-11-26")},
		{feed.List{Header: list.Header{Serial: 2126112201, Issued: day("2096-01-01")}, Modified: day("2026-11-26")}, day("2026-11-26")},
	} {
		if got := madeAt(&tt.list); !got.Equal(tt.want) {
			t.Errorf("%+v: %v, want %v", tt.list.Header, got, tt.want)
		}
	}
	if since := programSince(); since.Before(day("2026-11-22")) {
		t.Errorf("The program is of %v", since)
	}
}
