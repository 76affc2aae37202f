package nonudify

import (
	"net/http"
	"strings"
	"testing"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/pkg/doh"
)

// TestPathsOfAnother: where another plugin decides about the paths of DNS over
// HTTPS, whenever it has said so, a path that it keeps shut is an error.
func TestPathsOfAnother(t *testing.T) {
	usual := func(r *http.Request) bool { return r.URL.Path == doh.Path }
	all := func(*http.Request) bool { return true }
	const refused = "doh:PATH in clients or except cannot be opened: another plugin decides which paths there are"
	for _, tt := range []struct {
		name, transport string
		before, after   func(*http.Request) bool // what the other plugin has set, before and after this one
		want            string
	}{
		{"none", "https", nil, nil, ""},
		{"before", "https", usual, nil, refused},
		{"after", "https", nil, usual, refused},
		{"opens it", "https", all, nil, ""},
		{"HTTP/3", "https3", usual, nil, refused},
		{"no HTTPS", "dns", usual, nil, ""},
	} {
		c := caddy.NewTestController("dns", "nonudify {\n except doh:/staff\n}")
		config := dnsserver.GetConfig(c)
		config.Transport, config.ListenHosts, config.Port, config.HTTPRequestValidateFunc = tt.transport, []string{"127.0.0.1"}, "443", tt.before
		n, err := parse(c)
		if err != nil {
			t.Fatal(err)
		}
		n.openPaths(c)
		if tt.after != nil {
			config.HTTPRequestValidateFunc = tt.after
		}
		config.AddPlugin(func(plugin.Handler) plugin.Handler { return n })
		if _, err := dnsserver.NewServer("127.0.0.1:0", []*dnsserver.Config{config}); err != nil { // which registers the handlers
			t.Fatal(err)
		}
		err = n.checkEndpoints([]*dnsserver.Config{config})
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}
