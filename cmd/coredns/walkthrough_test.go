//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// walker is a reader with a computer of his own, whose folders and network are those
// of the test alone.
type walker struct {
	guide    string
	dir      string // where he types
	programs string // what stands in for programs of systems that are not here
	notes    string // what these programs note
	running  map[string]*exec.Cmd
}

// standIns are the programs that a guide has its reader run on other machines, or that
// would change this one. What they cannot do here they note, for act to do.
var standIns = map[string]string{
	"sudo": `exec "$@"`,
	"scp":  `shift; exec cp "$1" "${2#*:}"`,
	"apt": `case $1 in
install) test -f "$2" && mkdir -p /etc/nonudify /var/lib/nonudify && touch /etc/nonudify/Corefile /etc/nonudify/allow.txt /etc/nonudify/block.txt ;;
purge) rm -r /etc/nonudify /var/lib/nonudify; echo stop nonudify >>"$WALK/asked" ;;
esac`,
	"systemctl": `echo "$1 $2" >>"$WALK/asked"`,
	"service":   `echo "$2 $1" >>"$WALK/asked"`,
	"uci": `f=$WALK/uci; touch "$f"; [ "$1" != -q ] || shift
case $1 in
get) sed -n "s|^$2=||p" "$f" ;;
set) grep -vF "${2%%=*}=" "$f" >"$f.new" || :; echo "$2" >>"$f.new"; mv "$f.new" "$f" ;;
add_list) echo "$2" >>"$f" ;;
delete) grep -qF "$2=" "$f" || exit 1; grep -vF "$2=" "$f" >"$f.new" || :; mv "$f.new" "$f" ;;
del_list) grep -vxF "$2" "$f" >"$f.new" || :; mv "$f.new" "$f" ;;
commit) cp "$f" "$WALK/committed" ;;
*) exit 1 ;;
esac`,
	"pihole-FTL": `[ "$1" = sqlite3 ] && shift && exec sqlite3 "$@"`,
	"pihole":     `[ "$1" = -g ] && echo gravity >>"$WALK/gravity"`,
}

// ourTool is the tool as a reader meets it, but that a finding is no failure, that a key
// has no passphrase, as nobody is there to type one, and that init is told which of the
// addresses are of this machine, as in the network apart all are. Of verbs that are not
// there yet, init writes the guide's own configuration, and the others do nothing.
func ourTool() string {
	var script strings.Builder
	script.WriteString("case $1 in\n")
	for _, verb := range unmerged {
		does := "exit 0"
		if verb == "init" {
			does = `exec cp "$WALK/Corefile" /etc/nonudify/Corefile`
		}
		script.WriteString(verb + `) echo "nonudify $1 is not here yet" >&2; ` + does + " ;;\n")
	}
	return script.String() + `init) shift; set -- init -upstream 9.9.9.9 $LISTEN "$@" ;;
keygen) shift; set -- keygen -nopass "$@" ;;
esac
"$TOOL" "$@" || [ $? = 1 ]`
}

// newWalker puts the programs in their places.
func newWalker(t *testing.T, guide string) *walker {
	t.Helper()
	dir := t.TempDir()
	w := &walker{guide: guide, dir: filepath.Join(dir, "home"), programs: filepath.Join(dir, "programs"), notes: filepath.Join(dir, "notes"), running: map[string]*exec.Cmd{}}
	for _, d := range []string{w.dir, w.programs, w.notes, "/etc/init.d", "/var/www"} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, script := range standIns {
		w.program(t, filepath.Join(w.programs, name), script)
	}
	w.program(t, "/usr/bin/nonudify", ourTool())
	w.program(t, "/etc/init.d/nonudify", `echo "$1 nonudify" >>"$WALK/asked"`)
	resolver, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"/usr/bin/nonudify-resolver": resolver, filepath.Join(w.dir, "bin"): "/usr/bin"} {
		if err := os.Symlink(to, link); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"nonudify_1_amd64.deb", "nonudify_1_arm64.deb"} {
		w.write(t, name, "")
	}
	example, err := os.ReadFile("../../corefile.example")
	if err != nil {
		t.Fatal(err)
	}
	w.write(t, "corefile.example", string(example))
	t.Cleanup(func() {
		for name := range w.running {
			w.end(name)
		}
	})
	return w
}

func (w *walker) program(t *testing.T, path, script string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

// write writes a file; its path is that of the reader.
func (w *walker) write(t *testing.T, path, text string) {
	t.Helper()
	if !filepath.IsAbs(path) {
		path = filepath.Join(w.dir, path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// read returns a file.
func (w *walker) read(t *testing.T, path string) string {
	t.Helper()
	if !filepath.IsAbs(path) {
		path = filepath.Join(w.dir, path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// walk goes through a guide, one passage after the other.
func walk(t *testing.T, guide string) {
	w, steps := newWalker(t, guide), 0
	for _, p := range passages(t, "../../"+guide) {
		i, ok := rowOf(p)
		if !ok || passageRows()[i].walk == nil {
			continue
		}
		steps++
		p.text = dated(p.text)
		if !t.Run(fmt.Sprint("line ", p.line), func(t *testing.T) { w.step(t, p, passageRows()[i].walk) }) {
			t.Fatal("A reader would not get any further")
		}
	}
	if steps == 0 {
		t.Error("There is nothing to do")
	}
}

// step does what one passage says.
func (w *walker) step(t *testing.T, p passage, d *doing) {
	if d.before != nil {
		d.before(t, w)
	}
	out := ""
	if d.save != "" {
		w.write(t, d.save, p.text)
	} else {
		out = w.enter(t, p.commandLines(), d)
	}
	w.act(t)
	if d.after != nil {
		d.after(t, w, out)
	}
}

// enter runs commands and returns what they print. Of what takes a moment to come into
// force, the last command is asked again.
func (w *walker) enter(t *testing.T, lines []string, d *doing) (out string) {
	t.Helper()
	if d.serves != "" {
		w.served(t, lines[0], d.serves)
		lines = lines[1:]
	}
	out, code := w.sh(t, strings.Join(lines, "\n"), d.loose)
	if code != d.code {
		t.Fatalf("It ends with %d, want %d:\n%s", code, d.code, out)
	}
	lines = slices.DeleteFunc(lines, func(line string) bool { return line == "" || strings.Contains(line, "systemctl") })
	err := poll(func() error {
		for _, want := range d.prints {
			if !strings.Contains(out, want) {
				out, _ = w.sh(t, lines[len(lines)-1], d.loose)
				return fmt.Errorf("%q is not in\n%s", want, out)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	t.Logf("%s", out)
	return out
}

// command is one in the reader's folder.
func (w *walker) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, name, args...)
	c.Dir = w.dir
	c.Env = []string{
		"PATH=" + w.programs + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + w.dir,
		"WALK=" + w.notes, "TOOL=" + filepath.Join(filepath.Dir(os.Getenv(apart)), "nonudify"), "LISTEN=-listen " + serverOf[w.guide],
	}
	return c
}

// sh runs a script to its end, or to its first failure.
func (w *walker) sh(t *testing.T, script string, loose bool) (out string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	flags := "-euxc"
	if loose {
		flags = "-uxc"
	}
	text, err := w.command(ctx, "sh", flags, script).CombinedOutput()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatalf("%v\n%s", err, text)
	}
	if ended != nil {
		code = ended.ExitCode()
	}
	return string(text), code
}

// served starts a command that serves, waits until it does, and ends it.
func (w *walker) served(t *testing.T, command, address string) {
	t.Helper()
	c := w.command(t.Context(), "sh", "-c", regexp.MustCompile(`^(bin/)?nonudify`).ReplaceAllString(command, `exec "$$TOOL"`))
	var out syncBuffer
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	err := poll(func() error {
		response, err := http.Get("http://" + address + "/")
		if err != nil {
			return err
		}
		response.Body.Close()
		return nil
	})
	c.Process.Signal(syscall.SIGTERM)
	c.Wait()
	if err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// act does what the stand-ins were asked for: it starts servers, and has them read
// their configuration again.
func (w *walker) act(t *testing.T) {
	t.Helper()
	asked := filepath.Join(w.notes, "asked")
	text, err := os.ReadFile(asked)
	if errors.Is(err, os.ErrNotExist) {
		return
	} else if err != nil {
		t.Fatal(err)
	}
	os.Remove(asked)
	for line := range strings.Lines(string(text)) {
		switch strings.TrimSpace(line) {
		case "restart nonudify":
			w.end("nonudify")
			w.launch(t, "nonudify", "/usr/bin/nonudify-resolver", "-conf", "/etc/nonudify/Corefile")
		case "reload nonudify":
			w.running["nonudify"].Process.Signal(syscall.SIGUSR1)
		case "stop nonudify":
			w.end("nonudify")
		case "restart dnsmasq":
			w.end("dnsmasq")
			w.launch(t, "dnsmasq", installed(t, "dnsmasq"), "--keep-in-foreground", "--user=root", "--conf-file="+w.routerFile(t))
		default:
			t.Errorf("A service is asked for something new: %s", line)
		}
	}
}

// launch starts a server.
func (w *walker) launch(t *testing.T, name, program string, args ...string) {
	t.Helper()
	c := w.command(context.Background(), program, args...)
	out := &syncBuffer{}
	c.Stdout, c.Stderr = out, out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	w.running[name] = c
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s: %s", name, out.String())
		}
	})
}

// end ends a server, if it runs.
func (w *walker) end(name string) {
	if c := w.running[name]; c != nil {
		c.Process.Signal(syscall.SIGTERM)
		c.Wait()
		delete(w.running, name)
	}
}

// answers waits until a server answers a question as is wanted: with a code, and behind
// it an extended error.
func (w *walker) answers(t *testing.T, server, name, want string) {
	t.Helper()
	err := poll(func() error {
		if got := verdictOn("udp", net.JoinHostPort(server, "53"), "", name); got != want {
			return fmt.Errorf("%s answers %s for %s, want %s", server, got, name, want)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// upstreamApart serves an address for the names that there are in the world of the
// guides, where they forward to.
func upstreamApart(t *testing.T, addresses ...string) {
	t.Helper()
	for _, address := range addresses {
		h := dns.HandlerFunc(func(rw dns.ResponseWriter, r *dns.Msg) {
			m, known := new(dns.Msg).SetReply(r), dns.IsSubDomain("example.com.", r.Question[0].Name) || dns.IsSubDomain("example.net.", r.Question[0].Name)
			switch {
			case !known:
				m.Rcode = dns.RcodeNameError
			case r.Question[0].Qtype == dns.TypeA:
				rr, _ := dns.NewRR(r.Question[0].Name + " 60 A 9.9.9.9") // dnsmasq takes addresses for documentation for private ones
				m.Answer = append(m.Answer, rr)
			}
			rw.WriteMsg(m)
		})
		for _, network := range []string{"udp", "tcp"} {
			began := make(chan error, 1)
			s := &dns.Server{Addr: net.JoinHostPort(address, "53"), Net: network, Handler: h, NotifyStartedFunc: func() { began <- nil }}
			go func() { began <- s.ListenAndServe() }()
			if err := <-began; err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Shutdown() })
		}
	}
}

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

// toldByRouter: the reader's computer has heard from the router whom to ask.
func toldByRouter(t *testing.T, w *walker) {
	w.write(t, "/etc/resolv.conf", "nameserver 192.168.1.2\n")
}

// routersCorefile is what the package for OpenWrt has.
const routersCorefile = ".:1053 {\n bind 127.0.0.1\n nonudify {\n allow /etc/nonudify/allow.txt\n block /etc/nonudify/block.txt\n start open\n }\n forward . 9.9.9.9\n}\n"

func schoolhouse(t *testing.T, w *walker) {
	w.write(t, filepath.Join(w.notes, "Corefile"), w.shownCorefile(t, "# What all groups have."))
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
