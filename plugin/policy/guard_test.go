package policy

import (
	"errors"
	"testing"

	"github.com/nonudify/nonudify/plugin/rule"
)

func TestGuard(t *testing.T) {
	g, err := NewGuard(parseRules(t, "block subtree help.example,block exact shared.example,pass subtree a.deep.hotline.example"))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		rule string
		want error
	}{
		{"block subtree badsite.example", nil},
		{"block exact badsite.example", nil},
		{"block subtree a.b.badsite.example", nil},

		{"block subtree example", ErrSingleLabel},
		{"block exact com", ErrSingleLabel},
		{"block below com", ErrSingleLabel},
		{"block subtree localhost", ErrSingleLabel},

		{"block subtree co.uk", ErrPublicSuffix},
		{"block exact co.uk", ErrPublicSuffix},
		{"block subtree badsite.co.uk", nil},
		{"block subtree github.io", ErrPublicSuffix}, // of the private section
		{"block below github.io", ErrPublicSuffix},
		{"block subtree badsite.github.io", nil},
		{"block subtree pages.dev", ErrPublicSuffix},
		{"block subtree badsite.pages.dev", nil},
		{"block subtree anything.ck", ErrPublicSuffix}, // *.ck
		{"block subtree badsite.anything.ck", nil},
		{"block subtree www.ck", nil}, // !www.ck
		{"block subtree xn--85x722f.xn--55qx5d.cn", nil},
		{"block subtree xn--55qx5d.cn", ErrPublicSuffix}, // an internationalised suffix, as A-label
		{"block subtree badsite.no-such-tld", nil},

		{"block subtree help.example", ErrProtected},
		{"block exact help.example", ErrProtected},
		{"block below help.example", ErrProtected},
		{"block subtree chat.help.example", ErrProtected},
		{"block exact a.b.help.example", ErrProtected},
		{"block subtree nothelp.example", nil},
		{"block subtree shared.example", ErrProtected},
		{"block exact shared.example", ErrProtected},
		{"block below shared.example", ErrProtected},
		{"block subtree badsite.shared.example", nil},

		{"block subtree a.deep.hotline.example", ErrProtected},
		{"block subtree deep.hotline.example", ErrAbove},
		{"block below deep.hotline.example", ErrAbove},
		{"block exact deep.hotline.example", nil},
		{"block subtree hotline.example", ErrAbove},
		{"block below hotline.example", ErrAbove},
		{"block exact hotline.example", nil},
		{"block subtree b.deep.hotline.example", nil},

		{"pass subtree com", nil},
		{"pass subtree co.uk", nil},
		{"pass subtree help.example", nil},
		{"pass below hotline.example", nil},
	}
	for _, tt := range tests {
		if got := g.Check(parseRules(t, tt.rule)[0]); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.rule, got, tt.want)
		}
	}
}

// TestZeroGuard knows the public suffixes and protects nothing else.
func TestZeroGuard(t *testing.T) {
	for text, want := range map[string]error{
		"block subtree com": ErrSingleLabel, "block subtree co.uk": ErrPublicSuffix, "block subtree help.example": nil,
	} {
		if got := new(Guard).Check(parseRules(t, text)[0]); !errors.Is(got, want) || (got == nil) != (want == nil) {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
	if err := new(Guard).Check(rule.Rule{Trigger: rule.Subtree, Action: rule.Block}); err != ErrSingleLabel {
		t.Errorf("A rule without a name: %v", err)
	}
}
