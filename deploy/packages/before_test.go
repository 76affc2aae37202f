package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// shellsOf are the shell of the system, and that of routers with nothing but its own tools.
func shellsOf(t *testing.T) map[string]*exec.Cmd {
	t.Helper()
	installed(t, "busybox")
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, applet := range []string{"sh", "awk", "ls", "sed", "grep", "mktemp", "tr", "head", "cat", "rm"} {
		if err := os.Symlink(busybox, filepath.Join(dir, applet)); err != nil {
			t.Fatal(err)
		}
	}
	system, router := exec.CommandContext(t.Context(), "sh", "files/before-start"), exec.CommandContext(t.Context(), filepath.Join(dir, "sh"), "files/before-start")
	system.Env, router.Env = os.Environ(), []string{"PATH=" + dir}
	return map[string]*exec.Cmd{"system": system, "busybox": router}
}

// machine is a stand-in for /proc and /etc/resolv.conf.
type machine struct{ dir string }

// socket is one that a program has, in the form of the kernel.
func (m machine) socket(t *testing.T, table, local, state, program string, inode int) {
	t.Helper()
	path := filepath.Join(m.dir, "net", table)
	text, err := os.ReadFile(path)
	if err != nil {
		text = []byte("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n")
	}
	text = fmt.Appendf(text, "  12: %s 00000000:0000 %s 00000000:00000000 00:00000000 00000000     0        0 %d 2 0000000000000000 0\n", local, state, inode)
	process := filepath.Join(m.dir, fmt.Sprint(inode), "fd")
	for _, err := range []error{
		os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, text, 0o644), os.MkdirAll(process, 0o755),
		os.WriteFile(filepath.Join(filepath.Dir(process), "comm"), []byte(program+"\n"), 0o644),
		os.Symlink(fmt.Sprintf("socket:[%d]", inode), filepath.Join(process, "5")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// corefileOf is the default one with other words in the place of some.
func corefileOf(t *testing.T, replace ...string) string {
	t.Helper()
	text, err := os.ReadFile("files/Corefile")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "Corefile")
	if err := os.WriteFile(path, []byte(strings.NewReplacer(replace...).Replace(string(text))), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestBeforeStart has a port that another program has be found and explained, and one
// that only looks like it be taken for free.
func TestBeforeStart(t *testing.T) {
	t.Parallel()
	type held struct{ table, local, state, program string }
	const other = "nameserver 192.0.2.53\n"
	for _, test := range []struct {
		name    string
		replace []string
		held    []held
		resolv  string
		says    []string // in its explanation; nothing is said, and the exit code 0, if there are none
	}{
		{"free", nil, nil, other, nil},
		{"dnsmasq has all addresses", nil, []held{{"udp", "00000000:0035", "07", "dnsmasq"}}, other,
			[]string{"port 53 of 127.0.0.1 belongs to dnsmasq", "server=127.0.0.1#1053", "port=0"}},
		{"named over TCP alone", nil, []held{{"tcp", "0100007F:0035", "0A", "named"}}, other, []string{"belongs to named", "forwarders { 127.0.0.1 port 1053; };"}},
		{"a service with another name than its program", nil, []held{{"udp", "0100007F:0035", "07", "pdns_recursor"}}, other, []string{"belongs to pdns_recursor", " pdns-recursor"}},
		{"a machine of the other byte order", nil, []held{{"udp", "7F000001:0035", "07", "unbound"}}, other, []string{"belongs to unbound", "forward-addr: 127.0.0.1@1053"}},
		{"systemd-resolved has another address", nil, []held{{"udp", "3500007F:0035", "07", "systemd-resolve"}}, "nameserver 127.0.0.53\n", nil},
		{"systemd-resolved, and all are wanted", []string{"    bind 127.0.0.1\n", ""}, []held{{"udp", "3500007F:0035", "07", "systemd-resolve"}}, "nameserver 127.0.0.53\n",
			[]string{"port 53 belongs to systemd-resolve", "DNSStubListener=no", "DNS=127.0.0.1:1053"}},
		{"all are wanted by their name", []string{"bind 127.0.0.1", "bind 0.0.0.0"}, []held{{"udp", "3500007F:0035", "07", "systemd-resolve"}}, other, []string{"port 53 belongs"}},
		{"another port", []string{".:53 {", ".:1053 {"}, []held{{"udp", "00000000:0035", "07", "dnsmasq"}}, other, nil},
		{"the same other port", []string{".:53 {", "example.org:53, .:1053 {"}, []held{{"udp", "00000000:041D", "07", "mine"}}, other, []string{"port 1053 of 127.0.0.1 belongs to mine"}},
		{"no port given", []string{".:53 {", ". {"}, []held{{"udp", "0100007F:0035", "07", "pihole-FTL"}}, other, []string{"belongs to pihole-FTL", "no-resolv"}},
		{"encrypted", []string{".:53 {", "tls://.:53 {"}, []held{{"udp", "0100007F:0035", "07", "dnsmasq"}}, other, nil},
		{"a client with that port", nil, []held{{"tcp", "0100007F:0035", "01", "dig"}}, other, nil},
		{"IPv6", []string{"bind 127.0.0.1", "bind 127.0.0.1 ::1"}, []held{{"udp6", "00000000000000000000000001000000:0035", "07", "knot"}}, other,
			[]string{"port 53 of ::1 belongs to knot"}},
		{"all of IPv6, perhaps with IPv4", nil, []held{{"udp6", "00000000000000000000000000000000:0035", "07", "knot"}}, other, nil},
		{"in a comment", []string{"bind 127.0.0.1", "bind 127.0.0.1 # 192.0.2.1"}, []held{{"udp", "010200C0:0035", "07", "knot"}}, other, nil},
		{"round in circles", nil, nil, "search example\nnameserver 127.0.0.1\n", []string{"it would ask itself", "address of\nyour router"}},
		{"not asked in circles", []string{"forward . /etc/resolv.conf", "forward . 192.0.2.53 # /etc/resolv.conf"}, nil, "nameserver 127.0.0.1\n", nil},
		{"another resolver in between", []string{".:53 {", ".:1053 {"}, nil, "nameserver 127.0.0.1\n", nil},
	} {
		for shell, cmd := range shellsOf(t) {
			t.Run(test.name+"/"+shell, func(t *testing.T) {
				m := machine{t.TempDir()}
				for i, h := range test.held {
					m.socket(t, h.table, h.local, h.state, h.program, 4000+i)
				}
				resolv := filepath.Join(m.dir, "resolv.conf")
				if err := os.WriteFile(resolv, []byte(test.resolv), 0o644); err != nil {
					t.Fatal(err)
				}
				cmd.Args = append(cmd.Args, corefileOf(t, test.replace...))
				cmd.Env = append(cmd.Env, "NONUDIFY_PROC="+m.dir, "NONUDIFY_RESOLV="+resolv)
				out, err := cmd.CombinedOutput()
				if (err == nil) != (len(test.says) == 0) || (err == nil && len(out) > 0) {
					t.Errorf("%v\n%s", err, out)
				}
				for _, text := range test.says {
					if !strings.Contains(string(out), text) {
						t.Errorf("%q is not in\n%s", text, out)
					}
				}
			})
		}
	}
}

// TestBeforeStartNoCorefile says which one is not there.
func TestBeforeStartNoCorefile(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "sh", "files/before-start", "/no/Corefile").CombinedOutput()
	if err == nil || string(out) != "nonudify does not start: there is no /no/Corefile.\n" {
		t.Errorf("%v %s", err, out)
	}
}
