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
		if err != nil {
			t.Fatalf("%q: %v", properties, err)
		}
		if got := c.Waits(); got != want {
			t.Errorf("%q: %v, want %v", properties, got, want)
		}
	}
}
