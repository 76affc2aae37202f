package directive

import (
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/feed"
	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/set"
	"github.com/nonudify/nonudify/plugin/source"
)

// PrefixFile is one file of a clients or except property.
type PrefixFile struct {
	Path   string
	Opener feed.Opener
	Empty  bool // a file without a prefix is fine
}

// Key names the file and its use, for people, too.
func (f PrefixFile) Key() string {
	if f.Empty {
		return "except " + f.Path
	}
	return "clients " + f.Path
}

// Refresher returns a new refresher of the file.
func (f PrefixFile) Refresher() *feed.Refresher[[]netip.Prefix] {
	load := func(r io.Reader, _ time.Time) (*[]netip.Prefix, error) {
		prefixes, err := readPrefixes(r, f.Path, f.Empty)
		return &prefixes, err
	}
	return feed.NewRefresher(&feed.Reader[[]netip.Prefix]{Opener: f.Opener, Load: load},
		func(*[]netip.Prefix) feed.Schedule { return filePlan })
}

// PrefixFiles returns the files of prefixes: those of clients, then those of
// except.
func (c *Config) PrefixFiles() []PrefixFile {
	var files []PrefixFile
	for _, path := range slices.Concat(c.Clients.Files, c.Except.Files) {
		except := len(files) >= len(c.Clients.Files)
		files = append(files, PrefixFile{path, source.File{Path: path, Settle: settle}, except})
	}
	return files
}

// Counters gives the counter of a list. It may return nil.
type Counters func(list string) *policy.Counter

// Policy returns the policy of the Config for its clients, with what its feeds
// hold, in the order of Feeds. One that holds nothing yet is nil.
func (c *Config) Policy(editions []*feed.List, clients *policy.Clients, counters Counters) (*policy.Policy, error) {
	p := policy.Config{Clients: clients, Own: c.own(), Pending: !c.Open && !c.Shadow && slices.Contains(editions, nil)}
	if err := c.zones(&p); err != nil {
		return nil, err
	}
	if err := c.ownRules(&p); err != nil {
		return nil, err
	}
	n := len(c.Lists)
	blocked := n + len(c.Block.Files)
	for _, e := range loaded(editions[n:blocked]) {
		p.Lists = append(p.Lists, policy.List{Name: policy.BlockList, Set: e.Set, Reason: c.Reason, Serial: e.Serial})
	}
	for i, e := range editions[:n] {
		if e == nil {
			continue
		}
		l := policy.List{Name: c.Lists[i].Name, Set: e.Set, Reason: c.Reason, Serial: e.Serial}
		if c.Lists[i].Reason != nil {
			l.Reason = *c.Lists[i].Reason
		}
		if counters != nil {
			l.Counter = counters(l.Name)
		}
		p.Lists = append(p.Lists, l)
	}
	if err := c.bypassLists(&p); err != nil { // behind all others: a listed name stays a listed name
		return nil, err
	}
	for _, e := range loaded(editions[blocked:]) {
		p.Allow = append(p.Allow, e.Set)
	}
	return policy.New(p), nil
}

// own returns the addresses to which this server sends people for help.
func (c *Config) own() []netip.Addr {
	own := slices.Clone(c.Answer.Addresses)
	for _, l := range c.Page.Listeners {
		own = append(own, l.Addr.Addr())
	}
	for i := range own {
		own[i] = own[i].Unmap().WithZone("")
	}
	return own
}

// loaded leaves out the lists that are not there yet.
func loaded(editions []*feed.List) []*feed.List {
	return slices.DeleteFunc(slices.Clone(editions), func(l *feed.List) bool { return l == nil })
}

// zones enters the zones, if there are any.
func (c *Config) zones(p *policy.Config) (err error) {
	if len(c.Zones) == 0 {
		return nil
	}
	rules := make([]rule.Rule, len(c.Zones))
	for i, z := range c.Zones {
		rules[i] = rule.Rule{Name: dnsname.Name(strings.TrimSuffix(z, ".")), Trigger: rule.Subtree, Action: rule.Block}
	}
	p.Zones, err = setOf(rules)
	return err
}

// ownRules enters the names that stand in the directive itself.
func (c *Config) ownRules(p *policy.Config) error {
	if len(c.Block.Rules) > 0 {
		s, err := setOf(c.Block.Rules)
		if err != nil {
			return err
		}
		p.Lists = append(p.Lists, policy.List{Name: policy.BlockList, Set: s, Reason: c.Reason})
	}
	allow := slices.Clone(c.Allow.Rules)
	hosts := append(c.Hosts(), c.Page.Protected...) // a list must not cut itself off, nor those who need help from it
	for _, host := range hosts {
		allow = append(allow, rule.Rule{Name: host, Trigger: rule.Exact, Action: rule.Pass})
	}
	if name, ok := c.Page.HelpName(); ok {
		allow = append(allow, ownHost(name)...)
	}
	if c.Resolver.Name != "" {
		allow = append(allow, ownHost(c.Resolver.Name)...)
	}
	if len(allow) > 0 {
		s, err := setOf(allow)
		if err != nil {
			return err
		}
		p.Allow = append(p.Allow, s)
	}
	return nil
}

// ownHost returns the rules that keep a host of the operator's own out of reach of
// every list: the host itself, and the two names below it by which others find
// its resolver (RFC 9461 §3) and prove that a certificate is for it (RFC 8555
// §8.4). What else is below the host is not the operator's for that.
func ownHost(host dnsname.Name) []rule.Rule {
	rules := []rule.Rule{{Name: host, Trigger: rule.Exact, Action: rule.Pass}}
	for _, label := range []string{"_dns.", "_acme-challenge."} {
		if name, err := dnsname.Parse(label + string(host)); err == nil { // else it is too long to exist
			rules = append(rules, rule.Rule{Name: name, Trigger: rule.Exact, Action: rule.Pass})
		}
	}
	return rules
}

func setOf(rules []rule.Rule) (*set.Set, error) {
	var b set.Builder
	for _, r := range rules {
		b.Add(r)
	}
	return b.Set()
}

// ClientsOf returns the clients that the Config is for, with what its prefix files
// hold, in the order of PrefixFiles.
func (c *Config) ClientsOf(files []*[]netip.Prefix) *policy.Clients {
	include, except := slices.Clone(c.Clients.Literal), slices.Clone(c.Except.Literal)
	for i, prefixes := range files {
		if i < len(c.Clients.Files) {
			include = append(include, *prefixes...)
		} else {
			except = append(except, *prefixes...)
		}
	}
	everybody := len(c.Clients.Literal)+len(c.Clients.Files)+len(c.Clients.Paths)+len(c.Clients.TLSNames) == 0
	if everybody && len(except) == 0 {
		return nil
	}
	return policy.NewClients(everybody, include, except)
}
