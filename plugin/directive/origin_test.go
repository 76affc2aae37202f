package directive

import (
	"strings"
	"testing"
)

// TestOrigins: a policy zone takes no name below which a home, an office or the world
// has others, and what is nobody's it may have.
func TestOrigins(t *testing.T) {
	for origin, want := range map[string]string{
		"nudify.rpz": "", "rpz": "", "rpz1": "", "rpz.nonudify.example": "", "rpz.invalid": "", "a.rpz.invalid": "", "rpz.local": "", "rpz.lan": "", "rpz.test": "", "rpz.internal": "",
		"rpz.home.arpa": "", "rpz.fritz.box": "", "rpz.isp.example": "", "nudify.localhost.example": "",

		"lan": "networks have names", "LAN": "networks have names", "local": "networks have names", "localhost": "networks have names", "internal": "networks have names",
		"invalid": "networks have names", "example": "networks have names", "test": "networks have names", "onion": "networks have names", "alt": "networks have names", "home": "networks have names", "localdomain": "networks have names",
		"home.arpa": "networks have names", "fritz.box": "networks have names", "speedport.ip": "networks have names",
		"rpz.localhost": "the machine itself",
		"arpa":          "below arpa", "in-addr.arpa": "below arpa", "168.192.in-addr.arpa": "below arpa", "10.in-addr.arpa": "below arpa", "ip6.arpa": "below arpa", "d.f.ip6.arpa": "below arpa", "ipv4only.arpa": "below arpa", "service.arpa": "below arpa", "rpz.arpa": "below arpa",
		"com": "top-level", "xn--p1ai": "top-level", "co.uk": "public suffix", "github.io": "public suffix", "cloudflare.com": "protected", "wikipedia.org": "protected",
	} {
		_, err := parse(block("zone "+origin), "")
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", origin, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), "would hide names that others have: ") || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", origin, err, want)
		}
	}
}
