package directive

import (
	"slices"

	"github.com/nonudify/nonudify/plugin/bypass"
	"github.com/nonudify/nonudify/plugin/policy"
)

// bypass reads which ways round the filter are closed.
func (p *parser) bypass(args []string) error {
	for _, arg := range args {
		var b policy.Bypass
		if err := b.UnmarshalText([]byte(arg)); err != nil {
			return p.Errf("%v", err)
		}
		if slices.Contains(p.config.Bypass, b) {
			return p.Errf("bypass '%s' is given twice", arg)
		}
		p.config.Bypass = append(p.config.Bypass, b)
	}
	return nil
}

// bypassLists enters the names of the ways that are closed. It is the operator who
// closes them, whoever has decided about the lists.
func (c *Config) bypassLists(p *policy.Config) error {
	for _, b := range c.Bypass {
		s, err := setOf(bypass.Rules(b))
		if err != nil {
			return err
		}
		p.Lists = append(p.Lists, policy.List{Name: policy.BypassList, Set: s, Reason: policy.Blocked, Bypass: b})
	}
	return nil
}
