package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/netip"
	"slices"

	"github.com/nonudify/nonudify/plugin/answer"
	"github.com/nonudify/nonudify/plugin/directive"
	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/feed"
	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/rule"
)

// place is a rule that means a name, and where it stands.
type place struct {
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
func (p place) means(name dnsname.Name) bool {
	if p.Rule == name {
		return p.Trigger&rule.Exact != 0
	}
	return p.Trigger&rule.Below != 0 && name.IsBelow(p.Rule)
}

// edition is what a feed holds, with the places of the rules that matter.
type edition struct {
	list   *feed.List
	places []place
}

// library loads feeds, each once however many server blocks name it.
type library struct {
	bar      *progress
	want     map[dnsname.Name]bool // the names asked about, and all above them
	editions map[string]*edition   // by the key of the feed
}

// judges returns one judge for each server.
func (e *env) judges(ctx context.Context, servers []server, names []dnsname.Name, c checkFlags) ([]*judge, error) {
	lib := &library{bar: e.bar, want: map[dnsname.Name]bool{}, editions: map[string]*edition{}}
	for _, name := range names {
		for suffix := range name.Suffixes() {
			lib.want[suffix] = true
		}
	}
	var judges []*judge
	for _, s := range servers {
		j, err := lib.judge(ctx, s)
		if err != nil {
			return nil, err
		}
		j.client, j.qtype = c.client, c.qtype
		judges = append(judges, j)
	}
	return judges, nil
}

// judge loads all that a server's directive names.
func (lib *library) judge(ctx context.Context, s server) (*judge, error) {
	j := &judge{server: s}
	feeds, err := s.config.Feeds()
	if err != nil {
		return nil, err
	}
	editions := make([]*edition, len(feeds))
	lists := make([]*feed.List, len(feeds))
	for i, f := range feeds {
		if editions[i], err = lib.edition(ctx, f); err != nil {
			return nil, err
		}
		lists[i] = editions[i].list
	}
	var prefixes []*[]netip.Prefix
	for _, f := range s.config.PrefixFiles() {
		p, err := directive.First(ctx, f.Refresher())
		if err != nil {
			return nil, err
		}
		prefixes = append(prefixes, p)
	}
	clients, err := s.config.ClientsOf(prefixes)
	if err != nil {
		return nil, err
	}
	if j.policy, err = s.config.Policy(lists, clients, nil); err != nil {
		return nil, err
	}
	j.shelves = shelve(s, feeds, editions)
	j.answerer, err = answer.New(s.config.Answer)
	return j, err
}

// shelve puts the places in the order in which the policy asks their sources:
// the operator's own blocks, then the lists, then the exceptions; names before
// files.
func shelve(s server, feeds []directive.Feed, editions []*edition) [][]place {
	own := func(list string) (places []place) {
		for _, r := range s.own {
			if r.List == list {
				places = append(places, r.place)
			}
		}
		return places
	}
	var files [][]place
	for i, e := range editions {
		places := slices.Clone(e.places) // another server may call the list otherwise
		for k := range places {
			places[k].List = feeds[i].List
		}
		files = append(files, places)
	}
	lists := len(s.config.Lists)
	blocks := lists + len(s.config.Block.Files)
	return slices.Concat([][]place{own(directive.BlockList)}, files[lists:blocks], files[:lists],
		[][]place{own(policy.AllowList)}, files[blocks:])
}

// edition returns what a feed holds.
func (lib *library) edition(ctx context.Context, f directive.Feed) (*edition, error) {
	if e := lib.editions[f.Key]; e != nil {
		return e, nil
	}
	f.Opener = metered{f.Opener, lib.bar, f.Config.File}
	e := new(edition)
	var err error
	if e.list, err = directive.First(ctx, f.Refresher()); err != nil {
		return nil, err
	}
	if e.places, err = lib.places(ctx, f); err != nil {
		return nil, err
	}
	lib.editions[f.Key] = e
	return e, nil
}

// places reads a feed once more to find the lines of the rules that may mean
// one of the names. Of several lines with the same rule, the first counts.
func (lib *library) places(ctx context.Context, f directive.Feed) ([]place, error) {
	body, err := f.Opener.Open(ctx, "")
	if err != nil {
		return nil, err
	}
	defer body.Close()
	s := list.NewScanner(body, list.Config{File: f.Config.File, Format: f.Config.Format})
	var places []place
	seen := map[rule.Rule]bool{}
	for s.Scan() {
		r := s.Rule()
		if !lib.want[r.Name] || seen[r] {
			continue
		}
		seen[r] = true
		places = append(places, newPlace(f.Config, r, s.Line()))
	}
	if err := s.Err(); err != nil {
		return nil, err
	}
	return places, lib.comment(ctx, f, places, s.Format())
}

func newPlace(c feed.Config, r rule.Rule, line int) place {
	if c.Action != rule.None {
		r.Action = c.Action
	}
	p := place{Action: r.Action, Trigger: r.Trigger, Rule: r.Name, File: c.File, Line: line}
	if c.Check != nil {
		if err := c.Check.Check(r); err != nil {
			p.Refused = err.Error()
		}
	}
	return p
}

// comment adds the comments that stand behind the rules.
func (lib *library) comment(ctx context.Context, f directive.Feed, places []place, format list.Format) error {
	if len(places) == 0 {
		return nil
	}
	want := map[int]string{}
	for _, p := range places {
		want[p.Line] = ""
	}
	body, err := f.Opener.Open(ctx, "")
	if err != nil {
		return err
	}
	defer body.Close()
	if err := readLines(body, want); err != nil {
		return err
	}
	for i, p := range places {
		places[i].Comment = commentOf(want[p.Line], format)
	}
	return nil
}

// readLines fills in the text of lines by their numbers, of each at most what
// a list's line may have. It stops after the last of them.
func readLines(r io.Reader, want map[int]string) error {
	in := bufio.NewReaderSize(r, 64<<10)
	left := len(want)
	for n := 1; left > 0; n++ {
		text, err := in.ReadSlice('\n')
		if _, ok := want[n]; ok {
			want[n] = string(text[:min(len(text), list.MaxLine)])
			left--
		}
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = in.ReadSlice('\n')
		}
		if errors.Is(err, io.EOF) {
			return nil // the file has become shorter
		}
		if err != nil {
			return err
		}
	}
	return nil
}
