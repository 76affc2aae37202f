//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v2"
)

// wellFormedJSON checks a passage in JSON.
func wellFormedJSON(t *testing.T, p passage) {
	if !json.Valid([]byte(p.text)) {
		t.Errorf("This is not JSON:\n%s", p.text)
	}
}

// wellFormedYAML checks a passage in YAML, each key once.
func wellFormedYAML(t *testing.T, p passage) {
	var value any
	if err := yaml.UnmarshalStrict([]byte(p.text), &value); err != nil {
		t.Errorf("%v:\n%s", err, p.text)
	}
}

// goodList has the tool lint a list.
func goodList(t *testing.T, p passage) {
	tool, file := toolPath(t), saved(t, "list.txt", dated(p.text))
	if out, err := exec.CommandContext(t.Context(), tool, "lint", file).CombinedOutput(); err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
}

// goodHelplines has the tool write the page with a file of helplines.
func goodHelplines(t *testing.T, p passage) {
	tool, file := toolPath(t), saved(t, "helplines.txt", p.text)
	if out, err := exec.CommandContext(t.Context(), tool, "page", "-country", "AT", "-helplines", file, "-o", t.TempDir()).CombinedOutput(); err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
}

// written is the day on which the lists in the guides were issued.
var written = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)

// dated moves the days and the serials in a text as if the guide were of today: lists
// expire.
func dated(text string) string {
	days := int(time.Since(written).Hours() / 24)
	return regexp.MustCompile(`\b2026(-?)\d\d(-?)\d\d`).ReplaceAllStringFunc(text, func(s string) string {
		layout := time.DateOnly
		if !strings.Contains(s, "-") {
			layout = "20060102"
		}
		day, err := time.Parse(layout, s)
		if err != nil {
			return s // a number of something else
		}
		return day.AddDate(0, 0, days).Format(layout)
	})
}

// saved writes a text into a file of its own.
func saved(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// toolPath returns the list tool, built as the resolver is.
func toolPath(t *testing.T) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(filepath.Dir(path), "nonudify")
}

// goodNginx has nginx check its part of a configuration.
func goodNginx(t *testing.T, p passage) {
	nginx, dir := expected(t, "nginx"), t.TempDir()
	certify(t, dir)
	text := strings.NewReplacer("/etc/ssl/help.isp.example.pem", dir+"/certificate.pem", "/etc/ssl/help.isp.example.key", dir+"/key.pem", "[::]:443", "[::1]:443").Replace(p.text)
	config := saved(t, "nginx.conf", fmt.Sprintf("pid %s/pid;\nerror_log stderr;\nevents {}\nhttp {\n%s}\n", dir, text))
	if out, err := exec.CommandContext(t.Context(), nginx, "-t", "-q", "-c", config).CombinedOutput(); err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
}

// goodApache has Apache check its part of a configuration.
func goodApache(t *testing.T, p passage) {
	apache, dir := expected(t, "apache2"), t.TempDir()
	certify(t, dir)
	var config strings.Builder
	fmt.Fprintf(&config, "ServerRoot %s\nDefaultRuntimeDir %[1]s\nListen 127.0.0.1:443\nServerName other.invalid\nErrorLog %[1]s/errors\n", dir)
	for _, module := range []string{"mpm_event", "authz_core", "ssl", "proxy", "proxy_http"} {
		fmt.Fprintf(&config, "LoadModule %s_module /usr/lib/apache2/modules/mod_%[1]s.so\n", module)
	}
	config.WriteString(strings.NewReplacer("/etc/ssl/help.isp.example.pem", dir+"/certificate.pem", "/etc/ssl/help.isp.example.key", dir+"/key.pem").Replace(p.text))
	if out, err := exec.CommandContext(t.Context(), apache, "-t", "-f", saved(t, "apache.conf", config.String())).CombinedOutput(); err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
}

// goodCaddy has Caddy check a configuration.
func goodCaddy(t *testing.T, p passage) {
	caddy := expected(t, "caddy")
	c := exec.CommandContext(t.Context(), caddy, "adapt", "--adapter", "caddyfile", "--config", saved(t, "Caddyfile", p.text), "--validate")
	c.Env = append(os.Environ(), "HOME="+t.TempDir(), "XDG_DATA_HOME="+t.TempDir(), "XDG_CONFIG_HOME="+t.TempDir())
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
}

// goodUnit has systemd check a unit, with a program that is here in the place of ours.
func goodUnit(t *testing.T, p passage) {
	unit := regexp.MustCompile(`ExecStart=\S+`).ReplaceAllString(p.text, "ExecStart=/bin/true")
	c := exec.CommandContext(t.Context(), expected(t, "systemd-analyze"), "verify", "--man=no", saved(t, "help-page.service", unit))
	if out, err := c.CombinedOutput(); err != nil || bytes.Contains(out, []byte("help-page.service")) {
		t.Errorf("%v:\n%s", err, out)
	}
}

// goodRules has nft check rules, in a network of its own.
func goodRules(t *testing.T, p passage) {
	alone := map[bool]string{true: "-n", false: "-rn"}[os.Getuid() == 0]
	out, err := exec.CommandContext(t.Context(), expected(t, "unshare"), alone, expected(t, "nft"), "-c", "-f", saved(t, "rules", p.text)).CombinedOutput()
	if err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
}

// goodDnsmasq has dnsmasq check a configuration.
func goodDnsmasq(t *testing.T, p passage) {
	if out, err := exec.CommandContext(t.Context(), expected(t, "dnsmasq"), "--test", "--conf-file="+saved(t, "dnsmasq.conf", p.text)).CombinedOutput(); err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
}
