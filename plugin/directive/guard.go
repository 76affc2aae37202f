package directive

import (
	"bytes"
	"sync"

	"github.com/nonudify/nonudify/plugin/builtin"
	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/rule"
)

// Guard returns the guard with the protected names that are compiled in.
var Guard = sync.OnceValues(func() (*policy.Guard, error) {
	help, err := protected("help.txt", builtin.Help(), rule.Subtree)
	if err != nil {
		return nil, err
	}
	shared, err := protected("shared.txt", builtin.Shared(), rule.Exact)
	if err != nil {
		return nil, err
	}
	for _, r := range shared { // the same front door by its other name
		r.Name = "www." + r.Name
		shared = append(shared, r)
	}
	return policy.NewGuard(append(help, shared...))
})

// protected reads one list of protected names.
func protected(file string, text []byte, trigger rule.Trigger) ([]rule.Rule, error) {
	s := list.NewScanner(bytes.NewReader(text), list.Config{File: file, Format: list.Domains})
	var rules []rule.Rule
	for s.Scan() {
		rules = append(rules, rule.Rule{Name: s.Rule().Name, Trigger: trigger})
	}
	return rules, s.Err()
}
