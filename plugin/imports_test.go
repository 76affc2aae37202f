package nonudify

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/nonudify/nonudify/"

// floors says which packages of the project each package may import, beside
// the standard library and kept libraries. It is the plan of the house: who
// wants a line changed here changes docs/architecture.md, too.
var floors = map[string]string{
	"plugin/dnsname":            "",
	"plugin/pace":               "",
	"plugin/source":             "plugin/rpz",
	"plugin/builtin":            "",
	"plugin/discovery":          "plugin/dnsname",
	"plugin/rule":               "plugin/dnsname",
	"plugin/rpz":                "plugin/rule plugin/dnsname",
	"plugin/provenance":         "",
	"plugin/likeness":           "plugin/dnsname",
	"plugin/list":               "plugin/rpz plugin/rule plugin/dnsname",
	"plugin/set":                "plugin/rule plugin/dnsname plugin/pace",
	"plugin/policy":             "plugin/set plugin/rule plugin/dnsname plugin/pace",
	"plugin/totals":             "plugin/source",
	"plugin/bypass":             "plugin/policy plugin/rule plugin/dnsname",
	"plugin/primary":            "plugin/policy plugin/source plugin/rpz plugin/rule plugin/dnsname",
	"plugin/front":              "",
	"plugin/answer":             "plugin/policy plugin/rule plugin/dnsname",
	"plugin/feed":               "plugin/source plugin/list plugin/rpz plugin/set plugin/rule plugin/dnsname plugin/pace",
	"plugin/helpline":           "plugin/dnsname",
	"plugin/sinkhole/message":   "",
	"plugin/sinkhole/authority": "plugin/dnsname",
	"plugin/sinkhole":           "plugin/sinkhole/message plugin/helpline plugin/policy",
	"plugin/status":             "plugin/dnsname",
	"plugin/directive":          "plugin/answer plugin/builtin plugin/bypass plugin/discovery plugin/feed plugin/helpline plugin/sinkhole plugin/list plugin/policy plugin/primary plugin/set plugin/source plugin/rule plugin/dnsname",
	"plugin":                    "plugin/answer plugin/directive plugin/discovery plugin/feed plugin/front plugin/policy plugin/primary plugin/sinkhole plugin/sinkhole/authority plugin/status plugin/totals plugin/rule plugin/dnsname plugin/pace",
	"cmd/bench/internal/corpus": "plugin/list plugin/set plugin/rule plugin/dnsname",
	"cmd/bench/internal/load":   "",
	"cmd/bench/internal/report": "",
	"cmd/bench/internal/server": "cmd/bench/internal/load plugin/list",
	"cmd/bench":                 "cmd/bench/internal/corpus cmd/bench/internal/load cmd/bench/internal/report cmd/bench/internal/server plugin/list",
	"cmd/coredns":               "plugin",
	"cmd/nonudify":              "plugin/answer plugin/builtin plugin/directive plugin/feed plugin/helpline plugin/likeness plugin/sinkhole plugin/sinkhole/message plugin/status plugin/list plugin/policy plugin/provenance plugin/rpz plugin/set plugin/source plugin/totals plugin/rule plugin/dnsname",
}

// servers are the libraries of the server, for the plugin and its program only.
var servers = []string{"github.com/coredns/", "github.com/prometheus/"}

// exceptions: the tool reads Corefiles with the server's own lexer.
var exceptions = []string{"cmd/nonudify github.com/coredns/caddy/caddyfile"}

// TestImports keeps the floors of the house.
func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(p.ImportPath, module)
		allowed, ok := floors[name]
		if strings.HasSuffix(name, "/gen") || strings.HasSuffix(name, "test") { // not part of the program
			continue
		}
		if !ok {
			t.Errorf("%s has no place in the house", name)
		}
		seen++
		for _, i := range p.Imports {
			if below, ours := strings.CutPrefix(i, module); ours && !slices.Contains(strings.Fields(allowed), below) {
				t.Errorf("%s imports %s", name, below)
			}
			isServer := slices.ContainsFunc(servers, func(s string) bool { return strings.HasPrefix(i, s) })
			if isServer && name != "plugin" && name != "cmd/coredns" && !slices.Contains(exceptions, name+" "+i) {
				t.Errorf("%s imports %s", name, i)
			}
		}
	}
	if seen != len(floors) {
		t.Errorf("%d packages seen, %d planned", seen, len(floors))
	}
}
