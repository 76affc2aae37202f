package feed

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/set"
)

var blindSalt = rule.Salt{1, 2, 3}

// blindList returns the text of a blinded list of the names, in this order.
func blindList(names ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Serial: 7\n# Salt: %v\n", blindSalt)
	for _, n := range names {
		fmt.Fprintln(&b, rule.HashName(blindSalt, n))
	}
	return b.String()
}

// blindGuard protects help.example and www.shared.example.
func blindGuard(t *testing.T) *policy.Guard {
	t.Helper()
	g, err := policy.NewGuard([]rule.Rule{
		{Name: "help.example", Trigger: rule.Subtree}, {Name: "www.shared.example", Trigger: rule.Exact},
	})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestLoadBlind: what the guard knows by name is refused with its line, the rest
// once somebody asks for it.
func TestLoadBlind(t *testing.T) {
	text := blindList("badsite.example", "help.example", "co.uk", "shared.example", "chat.help.example", "badsite.co.uk", "bad.org", "bad.net")
	var told []string
	l, err := Load(strings.NewReader(text), time.Time{}, LoadConfig{
		File: "l.txt", Check: blindGuard(t), Refused: func(e *rule.LineError) { told = append(told, e.Error()) },
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"l.txt:4: help.example: " + policy.ErrProtected.Error(), "l.txt:6: shared.example: " + policy.ErrAbove.Error()}
	if !slices.Equal(told, want) {
		t.Errorf("Refused: %q, want %q", told, want)
	}
	if l.Stats.Rules != 6 || l.Stats.Refused != 2 || l.Set.Len() != 6 || !l.Set.Blinded() || l.Format != list.Hashes || l.Serial != 7 {
		t.Errorf("%+v", l)
	}
	for name, labels := range map[string]int{
		"www.badsite.example.": 2, "help.example.": 0, "chat.help.example.": 0, "www.shared.example.": 0,
		"good.co.uk.": 0, "badsite.co.uk.": 3, "bad.org.": 2,
	} {
		var k set.Key
		k.Reset(name)
		if m := l.Set.Match(&k); m.Labels != labels {
			t.Errorf("%s: %+v, want %d labels", name, m, labels)
		}
	}
}

func TestLoadBlindErrors(t *testing.T) {
	hash := rule.HashName(blindSalt, "badsite.example").String() + "\n"
	for _, tt := range []struct {
		name, text string
		config     LoadConfig
		want       error
	}{
		{"no salt", hash, LoadConfig{}, list.ErrNoSalt},
		{"two salts", blindList("a.example") + "# Salt: " + strings.Repeat("0", 32) + "\n" + hash, LoadConfig{}, list.ErrSalts},
		{"to allow", blindList("a.example"), LoadConfig{Action: rule.Pass, Empty: true}, ErrBlinded},
		{"no hash", blindList(), LoadConfig{Format: list.Hashes}, ErrEmpty},
		{"no hash, empty allowed", blindList(), LoadConfig{Format: list.Hashes, Empty: true}, nil},
		{"cut off", "# Entries: 100\n" + blindList("a.example"), LoadConfig{}, ErrTruncated},
		{"plain names", blindList("a.example") + lines(2), LoadConfig{Format: list.Hashes}, list.ErrRefused},
		{"of the operator's own", blindList("a.example"), LoadConfig{Action: rule.Block}, nil},
	} {
		tt.config.File = "l.txt"
		l, err := Load(strings.NewReader(tt.text), time.Time{}, tt.config)
		if !errors.Is(err, tt.want) || (err == nil) != (l.Set != nil) || err != nil && !strings.HasPrefix(err.Error(), "l.txt: ") {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

// TestLoadBlindSeen: names are told where somebody knows them.
func TestLoadBlindSeen(t *testing.T) {
	known := map[rule.Hash]dnsname.Name{}
	for _, n := range []dnsname.Name{"badsite.example", "co.uk"} {
		known[rule.HashName(blindSalt, n)] = n
	}
	var got []string
	_, err := Load(strings.NewReader(blindList("badsite.example", "other.example", "co.uk", "help.example", "third.example")), time.Time{}, LoadConfig{
		Check: blindGuard(t),
		Seen: func(r rule.Rule, line int, _ func() string, refused error) {
			got = append(got, fmt.Sprintf("%d %v %v", line, r, refused))
		},
		Unblind: func(s rule.Salt, h rule.Hash) dnsname.Name {
			if s != blindSalt {
				t.Errorf("The salt is %v", s)
			}
			return known[h]
		},
	})
	want := []string{
		"3 block subtree badsite.example <nil>", "4 block subtree  <nil>", "5 block subtree co.uk " + policy.ErrPublicSuffix.Error(),
		"6 block subtree help.example " + policy.ErrProtected.Error(), "7 block subtree  <nil>",
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
}
