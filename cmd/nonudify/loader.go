package main

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/nonudify/nonudify/plugin/answer"
	"github.com/nonudify/nonudify/plugin/directive"
	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/feed"
	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/rule"
)

// foundRule is a rule that means a name, and where it stands.
type foundRule struct {
	List    string       `json:"list"`
	Action  rule.Action  `json:"action"`
	Trigger rule.Trigger `json:"trigger"`
	Rule    dnsname.Name `json:"rule"`
	File    string       `json:"file,omitempty"`
	Line    int          `json:"line,omitempty"`
	Comment string       `json:"comment,omitempty"` // what the line says behind the rule
	Refused string       `json:"refused,omitempty"` // why the rule is not used
}

// means reports whether the rule is about the name.
func (f foundRule) means(name dnsname.Name) bool {
	if f.Rule == name {
		return f.Trigger&rule.Exact != 0
	}
	return f.Trigger&rule.Below != 0 && name.IsBelow(f.Rule)
}

// edition is what a feed holds, with the rules that matter.
type edition struct {
	list     *feed.List // nil: it is not there
	rules    []foundRule
	missing  string   // why it is not
	warnings []string // what is wrong although it is
}

// loader loads feeds, each once however many server blocks name it.
type loader struct {
	bar      *progress
	now      func() time.Time
	want     map[dnsname.Name]bool // the names asked about, and all above them
	editions map[string]*edition   // by the key of the feed
}

// judges returns one judge for each server.
func (e *env) judges(ctx context.Context, servers []server, names []dnsname.Name, c checkFlags) ([]*judge, error) {
	l := &loader{bar: e.bar, now: e.now, want: map[dnsname.Name]bool{}, editions: map[string]*edition{}}
	for _, name := range names {
		for suffix := range name.Suffixes() {
			l.want[suffix] = true
		}
	}
	var judges []*judge
	for _, s := range servers {
		j, err := l.judge(ctx, s)
		if err != nil {
			return nil, err
		}
		j.client, j.qtype = c.client, c.qtype
		judges = append(judges, j)
	}
	return judges, nil
}

// judge loads all that a server's directive names.
func (l *loader) judge(ctx context.Context, s server) (*judge, error) {
	j := &judge{server: s}
	feeds, err := s.config.Feeds()
	if err != nil {
		return nil, err
	}
	editions := make([]*edition, len(feeds))
	lists := make([]*feed.List, len(feeds))
	for i, f := range feeds {
		if editions[i], err = l.edition(ctx, f); err != nil {
			return nil, err
		}
		lists[i] = editions[i].list
		j.note(f, editions[i])
	}
	if j.clients, err = clientsOf(ctx, s.config); err != nil {
		return nil, err
	}
	config := *s.config
	config.Zones = nil // what the lists say of a name is shown wherever it is asked for
	if j.policy, err = config.Policy(lists, j.clients, nil); err != nil {
		return nil, err
	}
	j.rules = rulesBySource(s, feeds, editions)
	j.answerer, err = answer.New(s.config.Answer)
	return j, err
}

// clientsOf returns the clients that a directive is for.
func clientsOf(ctx context.Context, c *directive.Config) (*policy.Clients, error) {
	var prefixes []*[]netip.Prefix
	for _, f := range c.PrefixFiles() {
		p, err := directive.First(ctx, f.Refresher())
		if err != nil {
			return nil, err
		}
		prefixes = append(prefixes, p)
	}
	return c.ClientsOf(prefixes), nil
}

// rulesBySource puts the rules in the order in which the policy asks their
// sources: the operator's own blocks, then the lists, then the exceptions; names
// before files.
func rulesBySource(s server, feeds []directive.Feed, editions []*edition) [][]foundRule {
	own := func(list string) (rules []foundRule) {
		for _, r := range s.own {
			if r.List == list {
				rules = append(rules, r)
			}
		}
		return rules
	}
	var files [][]foundRule
	for i, e := range editions {
		rules := slices.Clone(e.rules) // another server may call the list otherwise
		for k := range rules {
			rules[k].List = feeds[i].List
		}
		files = append(files, rules)
	}
	lists := len(s.config.Lists)
	blocks := lists + len(s.config.Block.Files)
	return slices.Concat([][]foundRule{own(policy.BlockList)}, files[lists:blocks], files[:lists],
		[][]foundRule{own(policy.AllowList)}, files[blocks:])
}

// edition returns what a feed holds: of a list that comes over the network, the
// copy on disk.
func (l *loader) edition(ctx context.Context, f directive.Feed) (*edition, error) {
	if e := l.editions[f.Key]; e != nil {
		return e, nil
	}
	e := new(edition)
	if err := l.load(ctx, f, e); err != nil {
		return nil, err
	}
	l.editions[f.Key] = e
	return e, nil
}

// unblinder returns a function that knows which of the names, if any, a hash of
// a blinded list stands for.
func (l *loader) unblinder() func(rule.Salt, rule.Hash) dnsname.Name {
	var made rule.Salt // what known is made with
	var known map[rule.Hash]dnsname.Name
	return func(salt rule.Salt, h rule.Hash) dnsname.Name {
		if known == nil || salt != made {
			made, known = salt, map[rule.Hash]dnsname.Name{}
			for name := range l.want {
				if name.Labels() <= rule.MaxHashLabels { // a longer one would do nothing
					known[rule.HashName(salt, name)] = name
				}
			}
		}
		return known[h]
	}
}

// see is feed.LoadConfig.Seen.
type see func(r rule.Rule, line int, comment func() string, refused error)

// finder returns a function that collects the rules of a file that may mean one
// of the names. Of several lines with the same rule, the first counts.
func (l *loader) finder(file string, rules *[]foundRule) see {
	seen := map[rule.Rule]bool{}
	return func(r rule.Rule, line int, comment func() string, refused error) {
		if !l.want[r.Name] || seen[r] {
			return
		}
		seen[r] = true
		f := foundRule{Action: r.Action, Trigger: r.Trigger, Rule: r.Name, File: file, Line: line, Comment: printable(comment())}
		if refused != nil {
			f.Refused = refused.Error()
		}
		*rules = append(*rules, f)
	}
}
