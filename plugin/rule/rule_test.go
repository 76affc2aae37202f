package rule

import (
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"testing"
)

func TestTrigger(t *testing.T) {
	tests := []struct {
		trigger Trigger
		want    string
	}{
		{Exact, "exact"},
		{Below, "below"},
		{Subtree, "subtree"},
		{Exact | Below, "subtree"}, // the two halves add up
		{0, "trigger(0)"},
		{Address, "address"},
		{Address | Exact, "trigger(5)"},
		{255, "trigger(255)"},
	}
	for _, tt := range tests {
		if got := tt.trigger.String(); got != tt.want {
			t.Errorf("Trigger(%d).String() = %q, want %q", uint8(tt.trigger), got, tt.want)
		}
	}
	if Exact&Below != 0 || Subtree&Address != 0 {
		t.Error("Two triggers share a bit")
	}
}

func TestAction(t *testing.T) {
	tests := []struct {
		action Action
		want   string
	}{
		{Action(0), "none"},
		{None, "none"},
		{Block, "block"},
		{Pass, "pass"},
		{3, "action(3)"},
		{255, "action(255)"},
	}
	for _, tt := range tests {
		if got := tt.action.String(); got != tt.want {
			t.Errorf("Action(%d).String() = %q, want %q", uint8(tt.action), got, tt.want)
		}
	}
}

func TestRule(t *testing.T) {
	tests := []struct {
		rule       Rule
		text, json string
	}{
		{
			Rule{Name: "badsite.example", Trigger: Subtree, Action: Block}, "block subtree badsite.example",
			`{"Name":"badsite.example","Trigger":"subtree","Action":"block"}`,
		},
		{
			Rule{Name: "help.badsite.example", Trigger: Below, Action: Pass}, "pass below help.badsite.example",
			`{"Name":"help.badsite.example","Trigger":"below","Action":"pass"}`,
		},
		{
			Rule{Prefix: netip.MustParsePrefix("192.0.2.0/24"), Trigger: Address, Action: Block}, "block address 192.0.2.0/24",
			`{"Name":"","Trigger":"address","Action":"block","Prefix":"192.0.2.0/24"}`,
		},
		{Rule{}, "none trigger(0) ", `{"Name":"","Trigger":"trigger(0)","Action":"none"}`},
	}
	for _, tt := range tests {
		if got := tt.rule.String(); got != tt.text {
			t.Errorf("String() = %q, want %q", got, tt.text)
		}
		if got, err := json.Marshal(tt.rule); string(got) != tt.json || err != nil {
			t.Errorf("JSON of %v = %s, %v, want %s", tt.rule, got, err, tt.json)
		}
	}
}

func TestLineError(t *testing.T) {
	err := error(&LineError{File: "lists/school.txt", Line: 12, Err: io.ErrUnexpectedEOF})
	if got, want := err.Error(), "lists/school.txt:12: unexpected EOF"; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error("The reason is not to be had by errors.Is")
	}
}
