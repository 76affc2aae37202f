//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"go.yaml.in/yaml/v2"
)

// The tests in this file hold deploy/observe against Prometheus, a running resolver
// and the runbook, docs/operations.md.

const observe = "../../deploy/observe/"

// alert is one of deploy/observe/alerts.yaml.
type alert struct {
	Alert, Expr string
	Labels      map[string]string
	Annotations map[string]string
}

// alerts reads deploy/observe/alerts.yaml.
func alerts(t *testing.T) (all []alert) {
	t.Helper()
	var file struct{ Groups []struct{ Rules []alert } }
	parse(t, observe+"alerts.yaml", yaml.Unmarshal, &file)
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) < 10 {
		t.Fatalf("Only %d alerts", len(all))
	}
	return all
}

// parse reads a file into a value.
func parse(t *testing.T, name string, unmarshal func([]byte, any) error, v any) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err == nil {
		err = unmarshal(text, v)
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// TestAlertRules has promtool check the alerts and their tests: each of them fires, and
// does not fire a moment before. Each says what to do in a section of the runbook, which
// has no other.
func TestAlertRules(t *testing.T) {
	t.Parallel()
	promtool := installed(t, "promtool")
	for _, args := range [][]string{
		{"check", "rules", "alerts.yaml"}, {"check", "config", "prometheus.yaml"}, {"test", "rules", "alerts_test.yaml"}, {"test", "rules", "alerts_day_test.yaml"},
	} {
		cmd := exec.CommandContext(t.Context(), promtool, args...)
		cmd.Dir = observe
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
	fires, silent := tried(t)
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^### ([A-Z][a-z]+[A-Z]\w+)$`).FindAllStringSubmatch(string(text), -1) {
		sections[m[1]] = true
	}
	for _, a := range alerts(t) {
		if fires[a.Alert] == 0 || silent[a.Alert] == 0 {
			t.Errorf("%s: %d tests that it fires, %d that it does not", a.Alert, fires[a.Alert], silent[a.Alert])
		}
		if !sections[a.Alert] || !strings.HasSuffix(a.Annotations["runbook_url"], "/docs/operations.md#"+strings.ToLower(a.Alert)) {
			t.Errorf("%s: no section of docs/operations.md, or not that of %q", a.Alert, a.Annotations["runbook_url"])
		}
		if s := a.Labels["severity"]; s != "page" && s != "ticket" {
			t.Errorf("%s: severity %q", a.Alert, s)
		}
		delete(sections, a.Alert)
	}
	if len(sections) > 0 {
		t.Errorf("docs/operations.md tells of alerts that there are not: %v", slices.Collect(maps.Keys(sections)))
	}
}

// tried returns how often the tests of the alerts expect each to fire, and not to.
func tried(t *testing.T) (fires, silent map[string]int) {
	t.Helper()
	type test struct {
		Rules []struct {
			Name   string           `yaml:"alertname"`
			Alerts []map[string]any `yaml:"exp_alerts"`
		} `yaml:"alert_rule_test"`
	}
	var minutes, days struct{ Tests []test }
	parse(t, observe+"alerts_test.yaml", yaml.Unmarshal, &minutes)
	parse(t, observe+"alerts_day_test.yaml", yaml.Unmarshal, &days)
	fires, silent = map[string]int{}, map[string]int{}
	for _, test := range slices.Concat(minutes.Tests, days.Tests) {
		for _, r := range test.Rules {
			if len(r.Alerts) > 0 {
				fires[r.Name]++
			} else {
				silent[r.Name]++
			}
		}
	}
	return fires, silent
}

// watcher is a Prometheus that watches a resolver.
type watcher struct{ *peer }

// watch starts a Prometheus with the configuration of deploy/observe, which looks each
// second.
func watch(t *testing.T, metrics string) watcher {
	t.Helper()
	w := watcher{newPeer(t, "prometheus")}
	for _, name := range []string{"prometheus.yaml", "alerts.yaml"} {
		text, err := os.ReadFile(observe + name)
		if err != nil {
			t.Fatal(err)
		}
		w.write(name, strings.NewReplacer("interval: 15s", "interval: 1s", "127.0.0.1:9153", metrics).Replace(string(text)))
	}
	w.cmd = exec.Command(w.name, "--config.file="+filepath.Join(w.dir, "prometheus.yaml"), "--storage.tsdb.path="+filepath.Join(w.dir, "data"),
		"--web.listen-address="+w.addr(), "--log.level=warn")
	w.cmd.Stdout, w.cmd.Stderr = w.out, w.out
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, func() error { return w.get("/-/ready", nil, nil) })
	return w
}

// get asks the API of Prometheus for something.
func (w watcher) get(path string, query url.Values, data any) error {
	resp, err := http.Get("http://" + w.addr() + path + "?" + query.Encode())
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var reply struct {
		Data  json.RawMessage
		Error string
	}
	if data == nil {
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s", path, resp.Status)
		}
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(&reply); err != nil {
		return err
	}
	if reply.Error != "" {
		return fmt.Errorf("%s: %s", path, reply.Error)
	}
	return json.Unmarshal(reply.Data, data)
}

// query returns the labels of what a PromQL expression comes to.
func (w watcher) query(expr string) (labels []map[string]string, err error) {
	var data struct {
		Result []struct{ Metric map[string]string }
	}
	err = w.get("/api/v1/query", url.Values{"query": {expr}}, &data)
	for _, r := range data.Result {
		labels = append(labels, r.Metric)
	}
	return labels, err
}

// exposed are the metrics that a resolver shows: the values of their labels.
func (w watcher) exposed() (map[string]map[string][]string, error) {
	var data []map[string]string
	if err := w.get("/api/v1/series", url.Values{"match[]": {`{job="nonudify"}`}}, &data); err != nil {
		return nil, err
	}
	all := map[string]map[string][]string{}
	for _, series := range data {
		name := series["__name__"]
		if all[name] == nil {
			all[name] = map[string][]string{}
		}
		for label, value := range series {
			all[name][label] = append(all[name][label], value)
		}
	}
	return all, nil
}

// observed starts a resolver that has all there is to observe, asks it a little of
// everything, and returns where its metrics are.
func observed(t *testing.T) string {
	t.Helper()
	dir, metrics, page, up := t.TempDir(), freeAddress(t), freeAddress(t), newUpstream(t)
	if err := os.WriteFile(filepath.Join(dir, "Corefile"), fmt.Appendf(nil, `.:{$PORT} {
    bind 127.0.0.1
    prometheus %s
    shed
    nonudify {
        block blocked.example
        list builtin
        bypass canary
        state %s
        page %s
        front on
        zone nudify.rpz
    }
    transfer {
        to 127.0.0.1:1
    }
    cache
    forward . %s
}
`, metrics, filepath.Join(dir, "state"), page, up.addr), 0o644); err != nil {
		t.Fatal(err)
	}
	p := run(t, filepath.Join(dir, "Corefile"))
	for _, name := range []string{"blocked.example", "good.example", "good.example", "use-application-dns.net"} {
		client(t, "dig", "@127.0.0.1", "-p", p.port, "+tries=5", name)
	}
	if resp, err := http.Get("http://" + page + "/"); err != nil {
		t.Error(err)
	} else {
		resp.Body.Close()
	}
	return metrics
}

// panelQuery is an expression of the dashboard, and what its line is called.
type panelQuery struct{ panel, expr, legend string }

// dashboard returns all expressions of the dashboard.
func dashboard(t *testing.T) (all []panelQuery) {
	t.Helper()
	var board struct {
		Panels []struct {
			Title, Type, Description string
			Targets                  []struct{ Expr, LegendFormat string }
		}
		Templating struct {
			List []struct{ Name, Definition string }
		}
	}
	parse(t, observe+"dashboard.json", json.Unmarshal, &board)
	for _, p := range board.Panels {
		if p.Type != "row" && (p.Description == "" || len(p.Targets) == 0) {
			t.Errorf("Panel %q says nothing, or shows nothing", p.Title)
		}
		for _, q := range p.Targets {
			all = append(all, panelQuery{p.Title, q.Expr, q.LegendFormat})
		}
	}
	names := regexp.MustCompile(`^label_values\((.*), (\w+)\)$`)
	for _, v := range board.Templating.List {
		if m := names.FindStringSubmatch(v.Definition); m != nil {
			all = append(all, panelQuery{"variable " + v.Name, m[1], "{{" + m[2] + "}}"})
		}
	}
	if len(all) < 40 {
		t.Fatalf("Only %d expressions", len(all))
	}
	return all
}

// concrete puts values into the variables of the dashboard.
var concrete = strings.NewReplacer("$job", ".+", "$instance", ".+", "$__rate_interval", "30s")

// TestDashboard has a Prometheus watch a resolver: each panel of the dashboard shows
// something, with the labels that its legend names. All alerts can be computed of what
// the resolver shows, and none is near to firing for a resolver that is well.
func TestDashboard(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("The UDP front, which the dashboard shows, is there on Linux only")
	}
	installed(t, "prometheus")
	w := watch(t, observed(t))
	legend := regexp.MustCompile(`{{(\w+)}}`)
	for _, q := range dashboard(t) {
		expr := concrete.Replace(q.expr)
		until(t, func() error {
			found, err := w.query(expr)
			if err == nil && len(found) == 0 {
				err = fmt.Errorf("%s: nothing is known of %s", q.panel, expr)
			}
			for _, label := range legend.FindAllStringSubmatch(q.legend, -1) {
				if err == nil && found[0][label[1]] == "" {
					err = fmt.Errorf("%s: %s has no label %s", q.panel, expr, label[1])
				}
			}
			return err
		})
	}
	exposed, err := w.exposed()
	if err != nil {
		t.Fatal(err)
	}
	described := readmeMetrics(t, exposed)
	for _, a := range alerts(t) {
		if err := selects(a.Expr, exposed, described); err != nil {
			t.Errorf("%s: %v", a.Alert, err)
		}
	}
	for _, q := range dashboard(t) {
		if err := selects(concrete.Replace(q.expr), exposed, described); err != nil {
			t.Errorf("%s: %v", q.panel, err)
		}
	}
	w.calm()
}

// calm fails the test unless all alerts are computed, and inactive. That the built-in
// list has expired is nothing that its resolver could help.
func (w watcher) calm() {
	w.t.Helper()
	type rule struct{ Name, Health, State, LastError string }
	var data struct{ Groups []struct{ Rules []rule } }
	until(w.t, func() error {
		if err := w.get("/api/v1/rules", nil, &data); err != nil {
			return err
		}
		for _, g := range data.Groups {
			for _, r := range g.Rules {
				if r.Health == "unknown" {
					return fmt.Errorf("%s was not computed yet", r.Name)
				}
			}
		}
		return nil
	})
	n := 0
	for _, g := range data.Groups {
		for _, r := range g.Rules {
			n++
			if r.Health != "ok" || r.State != "inactive" && r.Name != "ListHasExpired" {
				w.t.Errorf("%+v", r)
			}
		}
	}
	if want := len(alerts(w.t)); n != want {
		w.t.Errorf("%d alerts are computed, want %d", n, want)
	}
}

// readmeMetrics returns the labels of the metrics that plugin/README.md describes, and
// holds them against what a resolver shows. What the README names in backquotes has the
// empty name.
func readmeMetrics(t *testing.T, exposed map[string]map[string][]string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("../../plugin/README.md")
	if err != nil {
		t.Fatal(err)
	}
	described := map[string][]string{}
	for _, m := range regexp.MustCompile("(?m)^\\* `(coredns_nonudify_\\w+)(?:{(.*)})?` - ").FindAllStringSubmatch(string(text), -1) {
		labels := strings.FieldsFunc(m[2], func(r rune) bool { return r == ',' || r == ' ' })
		slices.Sort(labels)
		described[m[1]] = append(labels, "instance", "job")
	}
	for name, labels := range exposed {
		got := append([]string{"__name__"}, described[name]...)
		if labels["view"] == nil { // Prometheus takes a label without a value for none
			got = slices.DeleteFunc(got, func(label string) bool { return label == "view" })
		}
		slices.Sort(got)
		want := slices.Sorted(maps.Keys(labels))
		if strings.HasPrefix(name, "coredns_nonudify_") && !slices.Equal(got, want) {
			t.Errorf("plugin/README.md gives %s the labels %q, it has %q", name, got, want)
		}
	}
	for _, m := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(string(text), -1) {
		described[""] = append(described[""], m[1])
	}
	return described
}

var (
	selector = regexp.MustCompile(`\b((?:coredns|go|process)_\w+|up)\b(?:{(.*?)})?`)
	matcher  = regexp.MustCompile(`(\w+)(?:=~|!=|!~|=)"(.*?)"`)
	grouping = regexp.MustCompile(`\b(?:by|on|without|ignoring) \(([\w, ]*)\)`)
)

// selects returns an error if an expression names a metric, a label or a value that
// nobody shows or describes.
func selects(expr string, exposed map[string]map[string][]string, described map[string][]string) error {
	known := map[string]bool{}
	for _, m := range selector.FindAllStringSubmatch(expr, -1) {
		labels := map[string]bool{}
		for _, label := range append(slices.Collect(maps.Keys(exposed[m[1]])), described[m[1]]...) {
			labels[label], known[label] = true, true
		}
		if len(labels) == 0 {
			return fmt.Errorf("nobody shows %s", m[1])
		}
		for _, c := range matcher.FindAllStringSubmatch(m[2], -1) {
			if !labels[c[1]] {
				return fmt.Errorf("%s has no label %s", m[1], c[1])
			}
			for value := range strings.SplitSeq(c[2], "|") {
				_, rcode := dns.StringToRcode[value]
				if value != ".+" && !rcode && !slices.Contains(exposed[m[1]][c[1]], value) && !slices.Contains(described[""], value) {
					return fmt.Errorf("%s: no %s is called %s", m[1], c[1], value)
				}
			}
		}
	}
	for _, g := range grouping.FindAllStringSubmatch(expr, -1) {
		for label := range strings.SplitSeq(g[1], ", ") {
			if !known[label] {
				return fmt.Errorf("nothing has the label %s", label)
			}
		}
	}
	if len(known) == 0 {
		return fmt.Errorf("no metric in %s", expr)
	}
	return nil
}

// TestSelects: an expression about what is not there is found out.
func TestSelects(t *testing.T) {
	t.Parallel()
	exposed := map[string]map[string][]string{"coredns_panics_total": {"job": {"nonudify"}, "instance": {"a"}}}
	for expr, fine := range map[string]bool{
		`sum by (instance) (rate(coredns_panics_total{job="nonudify"}[5m]))`: true,
		`coredns_panics_totals`:                false,
		`coredns_panics_total{server="a"}`:     false,
		`coredns_panics_total{job="other"}`:    false,
		`sum by (zone) (coredns_panics_total)`: false,
		`vector(1)`:                            false,
	} {
		if err := selects(expr, exposed, nil); (err == nil) != fine {
			t.Errorf("%s: %v", expr, err)
		}
	}
}
