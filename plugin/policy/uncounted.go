package policy

import "slices"

// Uncounted returns a policy that decides alike and counts nothing: for a person
// who asks what becomes of a name, which is no query.
func (p *Policy) Uncounted() *Policy {
	c := p.config
	c.Lists = slices.Clone(c.Lists)
	for i := range c.Lists {
		c.Lists[i].Counter = nil
	}
	return New(c)
}
