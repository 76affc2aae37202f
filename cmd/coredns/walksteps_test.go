//go:build unix

package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What is in this file comes before and after single steps of the guides: what a
// reader has on the desk, and what has to be true once the step is done.

// shownCorefile returns a Corefile of the guide, the one with a text in it.
func (w *walker) shownCorefile(t *testing.T, text string) string {
	t.Helper()
	for _, p := range passages(t, "../../"+w.guide) {
		if p.language == "corefile" && strings.Contains(p.text, text) {
			return p.text
		}
	}
	t.Fatalf("%s has no Corefile with %q", w.guide, text)
	return ""
}

// household has init write what the guide shows, and where the reader has walked on
// goes back to that.
func household(t *testing.T, w *walker) {
	corefile := w.shownCorefile(t, "# A household")
	w.write(t, filepath.Join(w.notes, "Corefile"), corefile)
	if _, err := os.Stat("/etc/nonudify"); err == nil {
		w.write(t, "/etc/nonudify/Corefile", corefile)
		w.write(t, filepath.Join(w.notes, "asked"), "restart nonudify\n")
		w.act(t)
	}
}

// writtenByInit: the Corefile is as init has written it.
func writtenByInit(t *testing.T, w *walker) {
	if out, code := w.sh(t, "nonudify init -force -y family", false); code != 0 {
		t.Fatal(out)
	}
}

// waysClosed: browsers and phones hear that they shall ask the resolver of the network.
func waysClosed(t *testing.T, w *walker, _ string) {
	for _, name := range []string{"use-application-dns.net.", "mask.icloud.com."} {
		w.answers(t, serverOf[w.guide], name, "NXDOMAIN 15")
	}
	w.answers(t, serverOf[w.guide], "example.com.", "NOERROR")
}

// toldByRouter: the reader's computer has heard from the router whom to ask.
func toldByRouter(t *testing.T, w *walker) {
	w.write(t, "/etc/resolv.conf", "nameserver 192.168.1.2\n")
}

// routersCorefile is what the package for OpenWrt has.
const routersCorefile = ".:1053 {\n bind 127.0.0.1\n nonudify {\n allow /etc/nonudify/allow.txt\n block /etc/nonudify/block.txt\n start open\n }\n forward . 9.9.9.9\n}\n"

func schoolhouse(t *testing.T, w *walker) {
	w.write(t, filepath.Join(w.notes, "Corefile"), w.shownCorefile(t, "# What all groups have."))
}

// groupsOfSchool: the reader has written the configuration with all groups in the place of
// what init wrote.
func groupsOfSchool(t *testing.T, w *walker) {
	w.write(t, "/etc/nonudify/Corefile", w.shownCorefile(t, "# What all groups have."))
	w.write(t, filepath.Join(w.notes, "asked"), "restart nonudify\n")
	w.act(t)
}

// pageAsFiles: the page is there, and says whose it is.
func pageAsFiles(t *testing.T, w *walker, _ string) {
	if html := w.read(t, "helppage/help/index.html"); !strings.Contains(html, "Help and support") || !strings.Contains(html, "Example School") {
		t.Errorf("The page is\n%s", html)
	}
}

// letThrough: what was blocked with its parent is not any more, and nothing else.
func letThrough(t *testing.T, w *walker, _ string) {
	w.answers(t, serverOf[w.guide], "www.example.net.", "NOERROR")
	w.answers(t, serverOf[w.guide], "example.net.", "NOERROR 15")
}

// serverOf is where the resolver of a guide answers.
var serverOf = map[string]string{"docs/family.md": "192.168.1.2", "docs/school.md": "192.0.2.53"}

// theRestPasses: what is not listed is as it was before.
func theRestPasses(t *testing.T, w *walker, _ string) {
	server := serverOf[w.guide]
	w.answers(t, server, "example.com.", "NOERROR")
	denial := map[string]string{"docs/family.md": "NXDOMAIN 17", "docs/school.md": "NXDOMAIN 15"}[w.guide]
	w.answers(t, server, builtinNames()[0]+".", denial)
	w.answers(t, server, "www.example.net.", denial)
}

// routerFile writes the configuration that OpenWrt makes for dnsmasq of what was
// committed, and has dnsmasq check it.
func (w *walker) routerFile(t *testing.T) string {
	t.Helper()
	config := "listen-address=192.168.1.1\nbind-interfaces\npid-file=\nstop-dns-rebind\n"
	noresolv := false
	for line := range strings.Lines(w.read(t, filepath.Join(w.notes, "committed"))) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch strings.TrimPrefix(key, "dhcp.@dnsmasq[0].") {
		case "confdir":
			config += "conf-dir=" + value + "\n"
		case "noresolv":
			config, noresolv = config+"no-resolv\n", value == "1"
		case "server":
			config += "server=" + value + "\n"
		default:
			t.Errorf("OpenWrt is told something new: %s", line)
		}
	}
	if !noresolv {
		config += "no-resolv\nserver=9.9.9.9\n" // in the place of what the provider tells
	}
	file := filepath.Join(w.notes, "dnsmasq.conf")
	w.write(t, file, config)
	if out, err := exec.CommandContext(t.Context(), installed(t, "dnsmasq"), "--test", "--conf-file="+file).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, config)
	}
	return file
}

// smallRouter: dnsmasq denies what is on the list, and nothing else.
func smallRouter(t *testing.T, w *walker, _ string) {
	w.answers(t, "192.168.1.1", "example.com.", "NOERROR")
	w.answers(t, "192.168.1.1", "www.example.net.", "NXDOMAIN")
	for _, name := range builtinNames() {
		w.answers(t, "192.168.1.1", "www."+name+".", "NXDOMAIN")
	}
}

// anotherRouter is one on which the reader has done nothing yet.
func anotherRouter(t *testing.T, w *walker) {
	os.Remove(filepath.Join(w.notes, "uci"))
	w.write(t, "/etc/nonudify/block.txt", "")
	w.write(t, "/etc/nonudify/Corefile", routersCorefile)
}

// largeRouter: dnsmasq asks the resolver beside it, and hands its explanation on.
func largeRouter(t *testing.T, w *walker, _ string) {
	w.answers(t, "192.168.1.1", "example.com.", "NOERROR")
	w.answers(t, "192.168.1.1", "example.net.", "NXDOMAIN 17")
	w.answers(t, "192.168.1.1", "a."+builtinNames()[1]+".", "NXDOMAIN 17")
}

// routerAsBefore: nothing of ours is left in the router.
func routerAsBefore(t *testing.T, w *walker, _ string) {
	if left := w.read(t, filepath.Join(w.notes, "committed")); left != "" {
		t.Errorf("OpenWrt still has %s", left)
	}
	w.answers(t, "192.168.1.1", "example.net.", "NOERROR")
}

// piHole has sqlite3 run what the tool prints for Pi-hole: the list is subscribed once,
// however often it is done, and everybody may read it.
func piHole(t *testing.T, w *walker, out string) {
	sqlite := expected(t, "sqlite3")
	w.write(t, "/etc/pihole/empty", "")
	const schema = "CREATE TABLE adlist (id INTEGER PRIMARY KEY, address TEXT NOT NULL UNIQUE, enabled BOOLEAN NOT NULL DEFAULT 1, comment TEXT);"
	if out, err := exec.CommandContext(t.Context(), sqlite, "/etc/pihole/gravity.db", schema).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var printed []string
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "pihole") {
			printed = append(printed, strings.TrimSpace(line))
		}
	}
	if len(printed) != 2 {
		t.Fatalf("The tool prints %d lines to run:\n%s", len(printed), out)
	}
	for range 2 {
		if out, code := w.sh(t, strings.Join(printed, "\n"), false); code != 0 {
			t.Fatal(out)
		}
	}
	lists, err := exec.CommandContext(t.Context(), sqlite, "/etc/pihole/gravity.db", "SELECT address, enabled FROM adlist").Output()
	if err != nil || string(lists) != "file:///usr/local/share/nudify.txt|1\n" {
		t.Errorf("%v: Pi-hole has %s", err, lists)
	}
	if info, err := os.Stat("/usr/local/share/nudify.txt"); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("%v %v", err, info)
	}
	w.hasBuiltin(t, "/usr/local/share/nudify.txt")
}

// hasBuiltin: a file has each name of the built-in list, and the one to try it with, as
// Pi-hole and AdGuard Home read it.
func (w *walker) hasBuiltin(t *testing.T, path string) {
	t.Helper()
	text := w.read(t, path)
	for _, name := range append(builtinNames(), "example.net") {
		if !strings.Contains(text, "\n||"+name+"^\n") {
			t.Errorf("%s is not in %s", name, path)
		}
	}
}

// adGuardHome: the lines that the tool prints lead to the file that is there.
func adGuardHome(t *testing.T, w *walker, out string) {
	m := regexp.MustCompile(`url: "(.*)"`).FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("No list in\n%s", out)
	}
	w.hasBuiltin(t, m[1])
}

// pageInPlace: a device that opens a blocked name sees the page.
func pageInPlace(t *testing.T, w *walker, _ string) {
	w.write(t, "/etc/nonudify/block.txt", "example.net\n")
	w.write(t, filepath.Join(w.notes, "asked"), "restart nonudify\n")
	w.act(t)
	err := poll(func() error {
		request, err := http.NewRequestWithContext(t.Context(), "GET", "http://example.net/", nil)
		if err != nil {
			return err
		}
		request.Header.Set("Accept", "text/html")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		html, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != http.StatusForbidden || !bytes.Contains(html, []byte("This page is blocked")) {
			return fmt.Errorf("%v: status %d, %s", err, response.StatusCode, html)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// withoutNetwork takes the list away that would be fetched first.
func withoutNetwork(t *testing.T, w *walker, _ string) {
	w.write(t, "Corefile", regexp.MustCompile(`(?m)^ +list https://.*\n`).ReplaceAllString(w.read(t, "Corefile"), ""))
}

// listsOfReadme are the files that the commands of the README are about.
func listsOfReadme(t *testing.T, w *walker) {
	w.write(t, "/etc/coredns/more.txt", "badsite.example\n")
	w.write(t, "more.txt", "badsite.example\n")
	w.write(t, "new.txt", "badsite.example\nother.example\n")
}

// listToSign is the one that the README shows.
func listToSign(t *testing.T, w *walker) {
	for _, p := range passages(t, "../../README.md") {
		if strings.Contains(p.text, "# List-ID") {
			w.write(t, "nudify.txt", dated(p.text))
		}
	}
}

// published: the edition is there, and its signature holds.
func published(t *testing.T, w *walker, _ string) {
	if out, code := w.sh(t, "nonudify verify -key lists.pub public/nudify.txt && ls public/index.html", false); code != 0 {
		t.Error(out)
	}
}

// settingsOfDevices are the files that the guide for schools is about.
func settingsOfDevices(t *testing.T, w *walker) {
	for _, name := range []string{"chrome.json", "policies.json"} {
		text, err := os.ReadFile("../../deploy/devices/" + name)
		if err != nil {
			t.Fatal(err)
		}
		w.write(t, name, string(text))
	}
}
