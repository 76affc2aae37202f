package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"golang.org/x/net/publicsuffix"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/set"
)

// The reasons for which a Guard refuses a rule.
var (
	ErrSingleLabel  = errors.New("a top-level domain is never blocked")
	ErrPublicSuffix = errors.New("a public suffix is never blocked: it would block everybody who registered a name under it")
	ErrProtected    = errors.New("a protected name is never blocked: people in need or millions of others use it")
	ErrAbove        = errors.New("would block a protected name below it")
)

// Guard refuses rules that would do great harm, whoever publishes them. It is
// safe for concurrent use. The zero value knows the public suffixes only.
type Guard struct {
	protected *set.Set // as exceptions: Exact guards a name, Subtree also what is below
	above     *set.Set // the parents of these, but for top-level domains
}

// NewGuard returns a guard for the protected rules, whose actions do not
// matter: a rule of trigger Exact protects its name, one of trigger Subtree
// also every name below it.
func NewGuard(protected []rule.Rule) (*Guard, error) {
	var names, parents set.Builder
	for _, r := range protected {
		r.Action = rule.Pass
		names.Add(r)
		for p, ok := r.Name.Parent(); ok && p.Labels() > 1; p, ok = p.Parent() {
			parents.Add(rule.Rule{Name: p, Trigger: rule.Exact, Action: rule.Pass})
		}
	}
	n, err := names.Set()
	if err != nil {
		return nil, err
	}
	p, err := parents.Set()
	return &Guard{n, p}, err
}

// Check returns nil for a rule that may be used, else one of the errors of
// this package. Exceptions are always fine. That an address is no name is
// dnsname's affair.
func (g *Guard) Check(r rule.Rule) error {
	if r.Action != rule.Block {
		return nil
	}
	if r.Trigger == rule.Address {
		return checkAddresses(r.Prefix)
	}
	if r.Name.Labels() < 2 {
		return ErrSingleLabel
	}
	if isPublicSuffix(r.Name) {
		return ErrPublicSuffix
	}
	if g.protected == nil {
		return nil
	}
	var k set.Key
	k.Reset(string(r.Name))
	if g.protected.Passes(&k).Labels > 0 {
		return ErrProtected
	}
	if r.Trigger&rule.Below != 0 && g.above.Passes(&k).Labels > 0 {
		return ErrAbove
	}
	return nil
}

// Identity returns a text that is another for a guard that judges any rule otherwise.
func (g *Guard) Identity() string {
	hash := sha256.New()
	fmt.Fprintln(hash, publicsuffix.List)
	if g.protected != nil {
		for r := range g.protected.All() {
			fmt.Fprintln(hash, r)
		}
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// Blind returns names that Check refuses, by the hashes that a blinded list of
// this salt has for them: the protected names and their parents. Of other public
// suffixes and of what lies below a protected name there is no end; these are
// refused when a query name brings them along, see set.BlindBuilder.
func (g *Guard) Blind(salt rule.Salt) map[rule.Hash]dnsname.Name {
	refused := map[rule.Hash]dnsname.Name{}
	if g.protected == nil {
		return refused
	}
	for _, names := range []*set.Set{g.protected, g.above} {
		for r := range names.All() {
			refused[rule.HashName(salt, r.Name)] = r.Name
		}
	}
	return refused
}

// isPublicSuffix consults the ICANN and the private section of the list that
// is compiled in (publicsuffix.org).
func isPublicSuffix(n dnsname.Name) bool {
	suffix, _ := publicsuffix.PublicSuffix(string(n))
	return len(suffix) == len(n)
}
