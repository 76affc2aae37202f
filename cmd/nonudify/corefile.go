package main

import (
	"bytes"
	"cmp"
	"fmt"
	"log"
	"net/url"
	"slices"
	"strings"

	"github.com/coredns/caddy/caddyfile"

	"github.com/nonudify/nonudify/plugin/directive"
	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/rule"
)

// maxCorefile bounds the size of a Corefile in bytes.
const maxCorefile = 8 << 20

// server is a server block with a nonudify directive, or what the command line
// says in the place of one.
type server struct {
	serverBlock
	config *directive.Config
	own    []foundRule // the names that stand in the directive itself
}

// readCorefile returns the server blocks of a Corefile that have a nonudify
// directive.
func readCorefile(e *env, path string) ([]server, error) {
	text, err := readFile(path, maxCorefile)
	if err != nil {
		return nil, err
	}
	parsed, err := parseCorefile(e, path, text)
	if err != nil {
		return nil, err
	}
	return e.serversOf(path, parsed)
}

// parseCorefile returns all server blocks of a Corefile.
func parseCorefile(e *env, path string, text []byte) ([]caddyfile.ServerBlock, error) {
	log.SetOutput(e.stderr) // the lexer warns of import patterns without a file
	log.SetFlags(0)
	log.SetPrefix("nonudify: ")
	return caddyfile.Parse(path, bytes.NewReader(text), nil)
}

// serversOf returns those of the server blocks that have a nonudify directive.
func (e *env) serversOf(path string, parsed []caddyfile.ServerBlock) ([]server, error) {
	blocks := make([]serverBlock, len(parsed))
	for i, b := range parsed {
		blocks[i] = newServerBlock(b)
	}
	var servers []server
	for i, b := range parsed {
		if len(b.Tokens[directive.Name]) == 0 {
			continue
		}
		s, err := e.newServer(path, b)
		if err != nil {
			return nil, err
		}
		s.serverBlock = blocks[i]
		s.rivals = blocks
		servers = append(servers, s)
	}
	if len(servers) == 0 {
		return nil, fmt.Errorf("%s: no server block has a %s directive", path, directive.Name)
	}
	return servers, nil
}

// rootOf returns the directory that the block's root directive names, from
// which its relative paths are taken.
func rootOf(b caddyfile.ServerBlock) string {
	d := caddyfile.NewDispenserTokens("", b.Tokens["root"])
	root := ""
	for d.Next() {
		if d.NextArg() {
			root = d.Val()
		}
	}
	return root
}

// newServer reads the one directive of a block, and the secrets that it needs.
func (e *env) newServer(path string, b caddyfile.ServerBlock) (s server, err error) {
	tokens := b.Tokens[directive.Name]
	d := caddyfile.NewDispenserTokens(path, tokens)
	d.Next()
	if s.config, err = directive.Parse(&d, rootOf(b)); err != nil {
		return s, err
	}
	if d.Next() {
		return s, d.Errf("%s is given twice in one server block", directive.Name)
	}
	s.own = ownRules(path, tokens, s.config.Hosts())
	if needsSecrets(s.config) {
		s.config.Secrets, err = e.blockSecrets(path, b)
	}
	return s, err
}

// ownRules finds the lines of the names to allow and to block, for which the
// parsed directive has no place, and those of the hosts of lists. Tokens that
// were not imported carry no file.
func ownRules(path string, tokens []caddyfile.Token, hosts []dnsname.Name) []foundRule {
	var rules []foundRule
	property := ""
	for i, t := range tokens {
		if i == 0 || tokens[i-1].Line != t.Line || tokens[i-1].File != t.File {
			property = t.Text
			continue
		}
		r := foundRule{Trigger: rule.Subtree, File: cmp.Or(t.File, path), Line: t.Line}
		switch property {
		case "allow":
			r.List, r.Action = policy.AllowList, rule.Pass
		case "block":
			r.List, r.Action = policy.BlockList, rule.Block
		case "list":
			if r, ok := hostRule(r, t.Text, hosts); ok {
				rules = append(rules, r)
			}
			continue
		default:
			continue
		}
		if name, err := dnsname.Parse(t.Text); err == nil {
			r.Rule = name
			rules = append(rules, r)
		}
	}
	return rules
}

// hostRule completes the rule that lets the host of a list through: no list may
// block where it, or another, comes from.
func hostRule(r foundRule, text string, hosts []dnsname.Name) (foundRule, bool) {
	u, err := url.Parse(text)
	if err != nil {
		return r, false
	}
	name, err := dnsname.Parse(u.Hostname())
	r.List, r.Action, r.Trigger, r.Rule, r.Comment = policy.AllowList, rule.Pass, rule.Exact, name, "the host of a list"
	return r, err == nil && slices.Contains(hosts, name)
}

// label returns the block's keys as they stand in the Corefile.
func (b serverBlock) label() string {
	var names []string
	for _, k := range b.keys {
		names = append(names, k.text)
	}
	return strings.Join(names, " ")
}
