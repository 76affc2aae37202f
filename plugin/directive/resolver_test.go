package directive

import (
	"reflect"
	"strings"
	"testing"

	"github.com/nonudify/nonudify/plugin/discovery"
	"github.com/nonudify/nonudify/plugin/policy"
)

func TestResolver(t *testing.T) {
	for _, tt := range []struct {
		properties string
		want       Resolver
	}{
		{"ttl 5s", Resolver{}},
		{"resolver DNS.School.example.", Resolver{Name: "dns.school.example"}},
		{"resolver dns.school.example https://school.example/dns?x=1", Resolver{"dns.school.example", "https://school.example/dns?x=1"}},
	} {
		c, err := parse(block(tt.properties), "")
		if err != nil || c.Resolver != tt.want {
			t.Errorf("%q: got %v, %v", tt.properties, c, err)
		}
	}
	long := "https://school.example/" + strings.Repeat("x", discovery.MaxInfo)
	for properties, want := range map[string]string{
		"resolver":                                    "Wrong argument count or unexpected line ending after 'resolver'",
		"resolver 192.0.2.1":                          "Corefile:2 - Error during parsing: resolver '192.0.2.1': want the name that its certificates are for: ",
		"resolver -":                                  "Corefile:2 - Error during parsing: resolver '-': want the name",
		"resolver dns.example http://a.example":       "Corefile:2 - Error during parsing: resolver 'http://a.example': want an address such as https://dns.isp.example/about",
		"resolver dns.example a.example":              "Corefile:2 - Error during parsing: resolver 'a.example': want an address",
		"resolver dns.example https://u:p@a.example/": "want an address",
		"resolver dns.example " + long:                "longer than the 247 octets that a client can be told",
		"resolver a.example https://a.example b":      "Wrong argument count",
		"resolver a.example\nresolver b.example":      "Corefile:3 - Error during parsing: property 'resolver' is given twice",
	} {
		if _, err := parse(block(properties), ""); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "u:p") {
			t.Errorf("%q: got %v, want %q", properties, err, want)
		}
	}
}

func TestRoads(t *testing.T) {
	c, err := parse(block("clients 10.0.0.0/8 doh:/dns-query/pupils tls:Pupils.School.example.\nexcept doh:/staff_1/~x tls:staff.school.example ./guests.txt"), "")
	if err != nil {
		t.Fatal(err)
	}
	clients := Prefixes{Literal: cidrs("10.0.0.0/8"), Paths: []string{"/dns-query/pupils"}, Servers: []string{"pupils.school.example"}}
	except := Prefixes{Files: []string{"guests.txt"}, Paths: []string{"/staff_1/~x"}, Servers: []string{"staff.school.example"}}
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
	for _, properties := range []string{"clients doh:/a\nexcept doh:/b doh:/a", "except tls:a.example\nclients tls:A.example"} {
		if _, err := parse(block(properties), ""); err == nil || !strings.Contains(err.Error(), "Corefile:3 - ") || !strings.Contains(err.Error(), "stands in both clients and except") {
			t.Errorf("%q: got %v", properties, err)
		}
	}
}

// TestRoadsOnly: a directive for those who come by a certain way is for nobody
// else, one that leaves these out is for all others.
func TestRoadsOnly(t *testing.T) {
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

func TestReasons(t *testing.T) {
	for properties, want := range map[string][]policy.Reason{
		"ttl 5s":         {policy.Filtered},
		"reason blocked": {policy.Blocked},
		"list a.txt reason censored\nlist b.txt\ncontact tel:+15550100": {policy.Censored, policy.Filtered},
		"list a.txt reason blocked\nblock x.example":                    {policy.Filtered, policy.Blocked},
	} {
		c, err := parse(block(properties), "")
		if err != nil || !reflect.DeepEqual(c.Reasons(), want) {
			t.Errorf("%q: got %v, %v", properties, c, err)
		}
	}
}

func TestWaits(t *testing.T) {
	for properties, want := range map[string]bool{
		"list builtin\nlist a.txt": false, "list https://a.example/x": true, "list https://a.example/x\nstart open": false,
		"list https://a.example/x\naction shadow": false, "list axfr://192.0.2.1/rpz": true,
	} {
		c, err := parse(block(properties), "")
		if err != nil || c.Waits() != want {
			t.Errorf("%q: %v", properties, err)
		}
	}
}
