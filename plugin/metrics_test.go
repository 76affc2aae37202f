package nonudify

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coredns/coredns/plugin/test"
	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
)

// ours returns the plugin's metric families.
func ours(t *testing.T) map[string]*dto.MetricFamily {
	t.Helper()
	all, err := prometheus.DefaultGatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	families := map[string]*dto.MetricFamily{}
	for _, f := range all {
		if name, ok := strings.CutPrefix(f.GetName(), "coredns_nonudify_"); ok {
			families[name] = f
		}
	}
	return families
}

// value returns the sum of the metrics that have all of the given label values, and -1
// when none has: other tests, and their servers, may have left some of theirs.
func value(f *dto.MetricFamily, labels ...string) float64 {
	sum, found := 0.0, false
	for _, m := range f.GetMetric() {
		has := 0
		for _, l := range m.GetLabel() {
			if slices.Contains(labels, l.GetValue()) {
				has++
			}
		}
		if has == len(labels) {
			sum, found = sum+m.GetCounter().GetValue()+m.GetGauge().GetValue(), true
		}
	}
	if !found {
		return -1
	}
	return sum
}

func TestMetrics(t *testing.T) {
	n := handler(t, "list builtin name metrics\nblock metrics.example\nallow fine.metrics.example\nreason censored\ncontact tel:+15550100")
	before := ours(t)
	for _, name := range []string{"x.metrics.example.", "y.metrics.example.", "fine.metrics.example.", "good.example."} {
		n.ServeDNS(t.Context(), &test.ResponseWriter{}, new(dns.Msg).SetQuestion(name, dns.TypeA))
	}
	after := ours(t)
	grown := func(family string, labels ...string) float64 {
		return value(after[family], labels...) - max(0, value(before[family], labels...))
	}
	for _, tt := range []struct {
		want   float64
		family string
		labels []string
	}{
		{2, "verdicts_total", []string{"nxdomain", "censored", "udp"}},
		{1, "verdicts_total", []string{"pass", "censored", "udp"}},
		{1, "filter_queries_total", []string{"metrics", "negative"}},
	} {
		if got := grown(tt.family, tt.labels...); got != tt.want {
			t.Errorf("%s%v grew by %v, want %v", tt.family, tt.labels, got, tt.want)
		}
	}
	for family, want := range map[string]float64{"list_entries": 100, "list_refused_lines": 0, "list_failing": 0} {
		if got := value(after[family], "metrics"); got != want {
			t.Errorf("%s is %v, want %v", family, got, want)
		}
	}
	for _, family := range []string{"list_age_seconds", "list_load_seconds"} {
		if got := value(after[family], "metrics"); got <= 0 {
			t.Errorf("%s is %v", family, got)
		}
	}
}

// TestPageFailures: what only a person can mend at the help page is counted, for an
// alarm, and told.
func TestPageFailures(t *testing.T) {
	before := value(ours(t)["page_failures_total"])
	pages.Failed("192.0.2.80:80", errors.New("no more open files"))
	if after := value(ours(t)["page_failures_total"]); after != before+1 {
		t.Errorf("%v failures before, %v after", before, after)
	}
}

// TestMetricNames has the linter of Prometheus look, and checks that no label
// can hold a name or an address that came in a query.
func TestMetricNames(t *testing.T) {
	n := handler(t, "block metrics.example\nbypass doh")
	for _, name := range []string{"secret.metrics.example.", "secret.dns.nextdns.io."} {
		n.ServeDNS(t.Context(), &test.ResponseWriter{}, new(dns.Msg).SetQuestion(name, dns.TypeA))
	}
	var families []*dto.MetricFamily
	for name, f := range ours(t) {
		families = append(families, f)
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if strings.Contains(l.GetValue(), "secret") || strings.Contains(l.GetValue(), "10.240.0.1") {
					t.Errorf("%s: label %s is %q", name, l.GetName(), l.GetValue())
				}
			}
		}
	}
	if len(families) != 20 {
		t.Errorf("%d metrics, want 20", len(families))
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}

// TestPrefixFilesFailing: a file that several directives name is one file.
func TestPrefixFilesFailing(t *testing.T) {
	failing := func() float64 {
		return ours(t)["prefix_files_failing"].GetMetric()[0].GetGauge().GetValue()
	}
	before := failing()
	file := filepath.Join(t.TempDir(), "clients.txt")
	if err := os.WriteFile(file, []byte("192.0.2.0/24\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	a, b := handler(t, "clients "+file), handler(t, "clients "+file)
	if got := failing(); got != before {
		t.Errorf("%v files fail, before %v", got, before)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := a.sources.prefixes[0].Refresh(t.Context()); err == nil {
		t.Error("A file that is not there is fine")
	}
	if got := failing(); got != before+1 {
		t.Errorf("%v files fail, before %v", got, before)
	}
	a.stop()
	b.stop()
	if got := failing(); got != before {
		t.Errorf("%v files fail although nobody names them, before %v", got, before)
	}
}
