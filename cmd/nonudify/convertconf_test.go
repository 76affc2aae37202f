package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v2"

	"github.com/nonudify/nonudify/plugin/list"
)

// settingsCase is the configuration of a product, and the list that it is for.
type settingsCase struct {
	product
	t    *testing.T
	dir  string
	file string // with the list
	text string
}

// runs runs the product's own check, or skips the test where it is not installed.
func (c settingsCase) runs(program string, args ...string) {
	c.t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		if os.Getenv("CI") != "" {
			c.t.Fatal(err)
		}
		c.t.Skipf("%s is not installed; make setup does", program)
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = c.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		c.t.Errorf("%s with the list in %q: %v\n%s\n%s", program, c.file, err, out, c.text)
	}
}

// put writes a file beside the list.
func (c settingsCase) put(name, text string) string {
	c.t.Helper()
	path := filepath.Join(c.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		c.t.Fatal(err)
	}
	return path
}

// reads wants a document that holds the name of the file where keys lead to.
func (c settingsCase) reads(keys ...any) {
	c.t.Helper()
	var at any
	if err := yaml.UnmarshalStrict([]byte(c.text), &at); err != nil {
		c.t.Errorf("%v\n%s", err, c.text)
		return
	}
	for _, key := range keys {
		switch x := at.(type) {
		case map[any]any:
			at = x[key]
		case []any:
			at = x[key.(int)]
		}
	}
	if at != any(c.file) {
		c.t.Errorf("%v: %#v, want %q\n%s", keys, at, c.file, c.text)
	}
}

// matches wants a line of a form that has the name of the file in it.
func (c settingsCase) matches(before, behind string) {
	c.t.Helper()
	if !regexp.MustCompile("(?m)^" + regexp.QuoteMeta(before+c.file+behind) + "$").MatchString(c.text) {
		c.t.Errorf("no line %s%s%s in\n%s", before, c.file, behind, c.text)
	}
}

// lua has Knot Resolver, which runs it, read what is Lua, without running it.
func (c settingsCase) lua(text string) {
	c.t.Helper()
	loader := c.put("loader.conf", fmt.Sprintf("net.ipv6 = false\nnet.listen('127.0.0.1', %d, {kind = 'dns'})\nlocal f, err = loadfile('%s')\n"+
		"if not f then io.stderr:write(err) os.exit(1) end\nos.exit(0)\n", freeTestPort(c.t), c.put("text.lua", text)))
	c.runs("kresd", "-n", "-c", loader, c.dir)
}

// freeTestPort returns a port on which nobody listens.
func freeTestPort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// settingsChecks are how a product, or in its place a reader of the language, looks at
// its configuration. RouterOS and dnscrypt-proxy have no program that could be asked.
var settingsChecks = map[string]func(c settingsCase){
	"adguardhome": func(c settingsCase) {
		c.reads("filters", 0, "url")
		c.reads("filtering", "safe_fs_patterns", 0)
	},
	"bind":     func(c settingsCase) { c.runs("named-checkconf", "-z", c.put("conf", c.text)) },
	"dnscrypt": func(c settingsCase) { c.matches("blocked_names_file = '", "'") },
	"dnsdist":  func(c settingsCase) { c.runs("dnsdist", "--check-config", "--config", c.put("conf", c.text)) },
	"dnsmasq":  func(c settingsCase) { c.runs("dnsmasq", "--test", "-C", c.put("conf", c.text)) },
	"knot":     func(c settingsCase) { c.reads("local-data", "rpz", 0, "file") },
	"knot5": func(c settingsCase) {
		port := fmt.Sprintf("net.ipv6 = false\nnet.listen('127.0.0.1', %d, {kind = 'dns'})\n", freeTestPort(c.t))
		c.runs("kresd", "-n", "-c", c.put("conf", port+c.text+"\nquit()\n"), c.dir)
	},
	"pihole": func(c settingsCase) {
		c.runs("sh", "-n", c.put("conf", c.text))
		c.matches(`pihole-FTL sqlite3 /etc/pihole/gravity.db "INSERT OR IGNORE INTO adlist (address, comment) VALUES ('file://`, `', 'nudify');"`)
	},
	"powerdns":      func(c settingsCase) { c.reads("recursor", "rpzs", 0, "name") },
	"powerdns-lua":  func(c settingsCase) { c.lua(c.text) },
	"routeros":      func(c settingsCase) { c.matches(`/import file-name="`, `"`) },
	"unbound":       func(c settingsCase) { c.runs("unbound-checkconf", c.put("conf", c.text)) },
	"unbound-zones": func(c settingsCase) { c.runs("unbound-checkconf", c.put("conf", c.text)) },
}

// oddNames are names of files that mean something in one language or another. Those
// that nothing can quote everywhere are refused.
var oddNames = []struct {
	name    string
	refused bool
}{
	{"plain.txt", false}, {"null", false}, {"true", false}, {"1e3", false}, {"a:b", false}, {"a=b", false}, {"@a", false}, {"a+b", false}, {"^a", false},
	{"a~", false}, {"bücher", false}, {"-x", true}, {"~x", true}, {"a b", true}, {"a\tb", true}, {"a\nb", true}, {`a"b`, true}, {"a'b", true}, {"a`b", true}, {`a\b`, true},
	{"a$b", true}, {"a;b", true}, {"a#b", true}, {"a[b]", true}, {"a{b}", true}, {"a(b)", true}, {"a|b", true}, {"a&b", true}, {"*a", true}, {"a?", true}, {"a!b", true},
	{"a%b", true}, {"a,b", true}, {"<a>", true}, {"a\u2028b", true}, {"a\u202eb", true}, {"", true},
}

// TestSettings has every configuration that convert writes checked, for lists in files
// of odd names.
func TestSettings(t *testing.T) {
	t.Parallel()
	source := write(t, "list.txt", "! List-ID: demo.lists.example # Serial: 7\n||badsite.example^\n@@||help.badsite.example^\n||fake.help.badsite.example^\n|one.example^\n||*.below.example^\n")
	for _, p := range products {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			check := settingsChecks[p.name]
			if check == nil {
				t.Fatal("nothing checks it")
			}
			for _, odd := range oddNames {
				code, text, stderr := tool(t, nil, "convert", "-config", p.name, odd.name)
				if refused := code == wrong; refused != odd.refused && odd.name != "-x" || odd.name == "-x" && !refused {
					t.Errorf("%q: code %d %s%s", odd.name, code, text, stderr)
				}
				if odd.refused || runtime.GOOS == "windows" {
					continue
				}
				c := settingsCase{product: p, t: t, dir: t.TempDir()}
				c.file = filepath.Join(c.dir, odd.name)
				to := regexp.MustCompile(`convert -to (\S+) `).FindStringSubmatch(p.text)[1]
				if code, _, stderr := tool(t, nil, "convert", "-to", to, "-o", c.file, source); code != fine {
					t.Fatal(stderr)
				}
				if code, c.text, stderr = tool(t, nil, "convert", "-config", p.name, c.file); code != fine {
					t.Fatal(stderr)
				}
				check(c)
				if c.file = odd.name; slices.Contains([]string{"adguardhome", "knot", "powerdns"}, p.name) { // a word alone, which YAML may take for something else
					c.text = text
					check(c)
				}
			}
		})
	}
}

// instead returns the configuration with what its comments say of transferring the
// zone: the commented lines behind one that tells so, in the place of another.
func (c settingsCase) instead(tells, sign, place string) string {
	c.t.Helper()
	before, behind, ok := strings.Cut(c.text, tells+"\n")
	var lines []string
	for strings.HasPrefix(behind, sign) {
		var line string
		line, behind, _ = strings.Cut(behind, "\n")
		lines = append(lines, strings.TrimPrefix(line, sign))
	}
	if !ok || len(lines) == 0 || !strings.Contains(before, place) {
		c.t.Fatalf("no %q, or no %q before it:\n%s", tells, place, c.text)
	}
	return strings.Replace(before, place, strings.Join(lines, "\n")+"\n", 1) + behind
}

// TestSettingsTransfer checks what the configurations say of transferring the zone,
// which is in comments.
func TestSettingsTransfer(t *testing.T) {
	t.Parallel()
	for name, check := range map[string]func(c settingsCase){
		"bind": func(c settingsCase) {
			c.text = c.instead(`// To transfer the zone instead, this in the place of "type primary;":`, "//", "\ttype primary;\n")
			c.text += `key rpz-key { algorithm hmac-sha256; secret "c2VjcmV0IG9mIHRoZSBleGFtcGxl"; };` + "\n"
			c.runs("named-checkconf", c.put("conf", c.text))
		},
		"unbound": func(c settingsCase) { // it asks on port 53 whether there is another edition, and needs a line for that
			lines := c.instead("# whether there is another edition, and transfers that over TLS. Or have it fetched:", "# ", "    zonefile: \""+c.file+"\"\n")
			tls, fetched := regexp.MustCompile(`(?m)^ +url: .*\n`), regexp.MustCompile(`(?m)^ +primary: .*\n`)
			if got := fetched.FindAllString(lines, -1); len(got) != 2 || strings.TrimSpace(got[0]) != "primary: 192.0.2.1" || !strings.Contains(got[1], "192.0.2.1@853#") {
				t.Errorf("%q", got)
			}
			for i, without := range []*regexp.Regexp{tls, fetched} {
				c.text = without.ReplaceAllString(lines, "")
				c.runs("unbound-checkconf", c.put(fmt.Sprintf("conf%d", i), c.text))
			}
		},
		"powerdns": func(c settingsCase) {
			c.text = c.instead("# To transfer the zone instead, this in the place of the name:", "# ", "    - name: \""+c.file+"\"\n")
			file := c.file
			c.file = "nudify.rpz"
			c.reads("recursor", "rpzs", 0, "name")
			c.file = file
			c.reads("recursor", "rpzs", 0, "seedFile")
		},
		"powerdns-lua": func(c settingsCase) {
			c.lua(c.instead("-- To transfer the zone instead:", "-- ", `rpzFile("`+c.file+`", {policyName="nudify", maxTTL=60, extendedErrorCode=17, extendedErrorExtra="filtered at your request"})`))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := settingsCase{product: products[slices.IndexFunc(products, func(p product) bool { return p.name == name })], t: t, dir: t.TempDir()}
			c.file = filepath.Join(c.dir, "nudify.rpz")
			c.text = c.fill(c.file, list.DefaultOrigin)
			check(c)
		})
	}
}
