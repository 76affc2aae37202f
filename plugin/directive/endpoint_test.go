package directive

import (
	"reflect"
	"strings"
	"testing"
)

// TestEndpoints: groups may be told apart by the endpoint, each in one way only.
func TestEndpoints(t *testing.T) {
	c, err := parse(block("clients 10.0.0.0/8 doh:/dns-query/pupils tls:Pupils.School.example.\nexcept doh:/staff_1/~x tls:staff.school.example ./guests.txt"), "")
	if err != nil {
		t.Fatal(err)
	}
	clients := Group{Literal: cidrs("10.0.0.0/8"), Paths: []string{"/dns-query/pupils"}, TLSNames: []string{"pupils.school.example"}}
	except := Group{Files: []string{"guests.txt"}, Paths: []string{"/staff_1/~x"}, TLSNames: []string{"staff.school.example"}}
	if !reflect.DeepEqual(c.Clients, clients) || !reflect.DeepEqual(c.Except, except) {
		t.Errorf("Got %v and %v", c.Clients, c.Except)
	}
	const path, name = "is not a path of DNS over HTTPS", "is not a name that a TLS client can ask for"
	for arg, want := range map[string]string{
		"doh:": path, "doh:/": path, "doh:pupils": path, "doh://x": path, "doh:/x/": path, "doh:/a/../b": path, "doh:/a/./b": path, "doh:/a?b": path, "doh:/%41": path,
		"doh:/ü": path, "doh:/" + strings.Repeat("x", maxPath): path, "doh:https://dns.example/dns-query": path,
		"tls:": name, "tls:192.0.2.1": name, "tls:a b": name, "tls:-": name,
	} {
		if _, err := parse(block(`clients "`+arg+`"`), ""); err == nil || !strings.Contains(err.Error(), "Corefile:2 - ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v", arg, err)
		}
	}
	if _, err := parse(block("clients doh:/"+strings.Repeat("x", maxPath-1)), ""); err != nil {
		t.Error(err)
	}
	if _, err := parse(block("clients tls:pupils"), ""); err == nil || !strings.HasSuffix(err.Error(), ": no certificate is for a name without a dot") {
		t.Errorf("A single label: %v", err)
	}
	for _, properties := range []string{"clients doh:/a\nexcept doh:/b doh:/a", "except tls:a.example\nclients tls:A.example"} {
		if _, err := parse(block(properties), ""); err == nil || !strings.Contains(err.Error(), "Corefile:3 - ") || !strings.Contains(err.Error(), "stands in both clients and except") {
			t.Errorf("%q: got %v", properties, err)
		}
	}
}

// TestEndpointsOnly: a directive for those who ask at a certain endpoint is for
// nobody else, one that leaves these out is for all others.
func TestEndpointsOnly(t *testing.T) {
	for properties, want := range map[string]bool{"clients doh:/pupils": false, "clients tls:pupils.example": false, "except doh:/staff": true, "except tls:staff.example": true} {
		c, err := parse(block(properties), "")
		if err != nil {
			t.Fatal(err)
		}
		if c.ClientsOf(nil).Include(cidrs("192.0.2.1/32")[0].Addr()) != want {
			t.Errorf("%q: got %v", properties, !want)
		}
	}
}

// TestGroupArgs: what a group says of itself means the same again.
func TestGroupArgs(t *testing.T) {
	const args = "10.0.0.0/8 192.0.2.1/32 2001:db8::/32 /etc/pupils /etc/more doh:/dns-query/pupils doh:/b tls:pupils.school.example"
	g := mustParse(t, "clients "+args).Clients
	if got := strings.Join(g.Args(), " "); got != args {
		t.Errorf("Got %q, want %q", got, args)
	}
	if again := mustParse(t, "except "+strings.Join(g.Args(), " ")).Except; !reflect.DeepEqual(again, g) {
		t.Errorf("Got %+v, want %+v", again, g)
	}
	if got := (Group{}).Args(); got != nil {
		t.Errorf("Nobody is %q", got)
	}
}
