package directive

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

func TestParseStatus(t *testing.T) {
	at := netip.MustParseAddrPort
	for properties, want := range map[string]Status{
		"":                                             {},
		"status 127.0.0.1:8053":                        {Addr: at("127.0.0.1:8053")},
		"status [::1]:8053":                            {Addr: at("[::1]:8053")},
		"status [::ffff:127.0.0.1]:8053":               {Addr: at("[::ffff:127.0.0.1]:8053")},
		"status unix:/run/nonudify/status.sock":        {Socket: "/run/nonudify/status.sock"},
		"status unix:status.sock":                      {Socket: "/conf/status.sock"},
		"status 192.0.2.1:8053 password users":         {Addr: at("192.0.2.1:8053"), Password: "/conf/users"},
		"status [::]:8053 password /etc/users":         {Addr: at("[::]:8053"), Password: "/etc/users"},
		"status 127.0.0.1:8053 name Status.Example.":   {Addr: at("127.0.0.1:8053"), Names: []string{"status.example"}},
		"status unix:/s name 192.0.2.1 name a.example": {Socket: "/s", Names: []string{"192.0.2.1", "a.example"}},
	} {
		c, err := parse(block(properties), "/conf")
		if err != nil {
			t.Errorf("%s: %v", properties, err)
		} else if !reflect.DeepEqual(c.Status, want) {
			t.Errorf("%s: %+v, want %+v", properties, c.Status, want)
		}
		if c.Status.Served() != (properties != "") {
			t.Errorf("%s: served %t", properties, c.Status.Served())
		}
	}
}

func TestParseStatusRefuses(t *testing.T) {
	for properties, want := range map[string]string{
		"status":                                         "Corefile:2",
		"status localhost:8053":                          "want an address with a port",
		"status 127.0.0.1":                               "want an address with a port",
		"status http://127.0.0.1:8053":                   "want an address with a port",
		"status 127.0.0.1:0":                             "nobody can connect",
		"status [ff02::1]:8053":                          "nobody can connect",
		"status 192.0.2.1:8053":                          "add 'password FILE'",
		"status 0.0.0.0:8053":                            "add 'password FILE'",
		"status [::]:8053 name a.test":                   "add 'password FILE'",
		"status unix:":                                   "want the path of a socket",
		"status 127.0.0.1:8053 password":                 "has no value",
		"status 127.0.0.1:8053 password a password b":    "want 'password FILE' once",
		"status 127.0.0.1:8053 user a":                   "want 'password FILE' once",
		"status 127.0.0.1:8053 name a/b":                 "want the name of a host",
		"status 127.0.0.1:8053\nstatus 127.0.0.1:8054":   "given twice",
		"status unix:/" + strings.Repeat("x", maxSocket): "at most 103 bytes",
		"status 127.0.0.1:8053" + strings.Repeat(" name a.example", maxStatusNames+1): "more than 8 names",
	} {
		_, err := parse(block(properties), "")
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "Corefile:") {
			t.Errorf("%s: error %v, want one with %q and the line", properties, err, want)
		}
	}
}

func TestSourceKind(t *testing.T) {
	for source, want := range map[string]string{
		"builtin":                "builtin ",
		"./builtin":              "file ./builtin",
		"/etc/nonudify/list.txt": "file /etc/nonudify/list.txt",
		"https://user:secret@lists.example/a.txt?key=secret": "https https://lists.example/a.txt",
		"axfr://192.0.2.53/court.rpz?tsig=secret":            "axfr axfr://192.0.2.53/court.rpz",
		"https://user:secret@[/":                             "https https://",
	} {
		if kind, place := SourceKind(source); kind+" "+place != want {
			t.Errorf("%s: %s %s, want %s", source, kind, place, want)
		}
	}
}
