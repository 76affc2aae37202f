package feed

import (
	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/set"
)

// Blinder is a Checker that can say of some names beforehand that it refuses
// them: those that it knows by name. policy.Guard is one.
type Blinder interface {
	// Blind returns these names, by the hash that a list of that salt has for them.
	Blind(rule.Salt) map[rule.Hash]dnsname.Name
}

// intake takes the entries of a list into a set.
type intake struct {
	LoadConfig
	plain   conveyor
	blind   *set.BlindBuilder          // nil: the list is not blinded
	refused map[rule.Hash]dnsname.Name // names known to Check, by their hashes
}

func newIntake(c LoadConfig) *intake {
	return &intake{LoadConfig: c, plain: conveyor{Builder: set.Builder{MaxAddresses: c.MaxAddresses}}}
}

// take takes over the entry at hand. It returns the rule as the list is used,
// and why it must not be. What is only known because somebody asks for it is not
// refused: the set sees to it that it blocks nothing.
func (in *intake) take(s *list.Scanner) (r rule.Rule, refused bool, err error) {
	if s.Format() == list.Hashes {
		return in.takeHash(s)
	}
	r, err = in.use(s.Rule())
	if err == nil {
		in.plain.add(r)
	}
	return r, err != nil, err
}

// takeHash judges the names that are known. Of the others the set takes care.
func (in *intake) takeHash(s *list.Scanner) (r rule.Rule, refused bool, err error) {
	if in.blind == nil {
		in.open(s.Header().Salt)
	}
	h := s.Hash()
	r = s.Rule()
	r.Name = in.refused[h]
	if r.Name == "" && in.Unblind != nil {
		r.Name = in.Unblind(in.blind.Salt, h)
	}
	if r.Name != "" {
		r, err = in.use(r)
	}
	if refused = err != nil && in.refused[h] != ""; !refused {
		in.blind.Add(h)
	}
	return r, refused, err
}

// open begins a blinded list.
func (in *intake) open(salt rule.Salt) {
	in.blind = &set.BlindBuilder{Salt: salt, Check: in.Check}
	if b, ok := in.Check.(Blinder); ok {
		in.refused = b.Blind(salt)
	}
}

// set returns the set of what was taken over.
func (in *intake) set() (*set.Set, error) {
	if in.blind != nil {
		return in.blind.Set()
	}
	return in.plain.set()
}
