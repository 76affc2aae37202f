//go:build unix

package main

import (
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestGroupsOfASchool: the configuration of docs/school.md gives each group what the
// guide says, and a network that it forgets is filtered.
func TestGroupsOfASchool(t *testing.T) {
	up := newUpstream(t)
	dir := guideFiles(t, map[string]string{"allow.txt": "fine.example\n", "block.txt": "badsite.example\nfine.example\n"})
	port := freePort(t)
	corefile := swapped(t, guideBlock(t, "school.md", "corefile", "view exam"), ":53 {", ":"+port+" {", "bind 192.0.2.53 2001:db8::53", "bind 127.0.0.1",
		"198.51.100.192/26", "127.0.40.0/24", "198.51.100.0/25", "127.0.10.0/24", "unix:/var/lib/nonudify/status.sock", "127.0.0.1:"+freePort(t), "/etc/nonudify", dir, "/var/lib/nonudify", filepath.Join(dir, "state"))
	corefile = regexp.MustCompile(`(?m)^( +forward \S+) .*`).ReplaceAllString(corefile, "$1 "+up.addr)
	i := start(t, corefile)
	defer stop(i)
	server := net.JoinHostPort("127.0.0.1", port)
	const pupil, exam, guest = "127.0.10.7", "127.0.40.7", "127.0.99.7"
	for _, c := range []struct{ client, name, want string }{
		{pupil, "www.badsite.example.", "NXDOMAIN 15"},
		{pupil, "fine.example.", "NOERROR"},
		{pupil, "good.example.", "NOERROR"},
		{pupil, "pc7.school.example.", "NOERROR"},
		{pupil, "use-application-dns.net.", "NXDOMAIN 15"},
		{pupil, "mask.icloud.com.", "NXDOMAIN 15"},
		{guest, "www.badsite.example.", "NXDOMAIN 15"},
		{guest, "good.example.", "NOERROR"},
		{guest, "use-application-dns.net.", "NOERROR"},
		{exam, "login.learning.example.", "NOERROR"},
		{exam, "good.example.", "NXDOMAIN 15"},
		{exam, "www.badsite.example.", "NXDOMAIN 15"},
		{pupil, "login.learning.example.", "NOERROR"},
	} {
		for _, network := range []string{"udp", "tcp"} {
			if got := verdictOn(network, server, c.client, c.name); got != c.want {
				t.Errorf("%s for %s over %s: %s, want %s", c.name, c.client, network, got, c.want)
			}
		}
	}
	for _, name := range up.asked() {
		if strings.Contains(name, "badsite") {
			t.Errorf("The upstream was asked for %s", name)
		}
	}
}
