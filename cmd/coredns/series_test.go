package main

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// series returns the counters and gauges of the process by their names and labels,
// as coredns_panics_total and coredns_nonudify_list_failing{cause=tls,list=a}.
func series(t *testing.T) map[string]float64 {
	t.Helper()
	families, err := prometheus.DefaultGatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if m.Gauge != nil || m.Counter != nil {
				values[f.GetName()+labelled(m)] = m.GetGauge().GetValue() + m.GetCounter().GetValue() // one of them is not there
			}
		}
	}
	return values
}

// labelled returns the labels of a metric in the order of their names, as
// {cause=tls,list=a}.
func labelled(m *dto.Metric) string {
	var labels []string
	for _, l := range m.GetLabel() {
		labels = append(labels, l.GetName()+"="+l.GetValue())
	}
	if len(labels) == 0 {
		return ""
	}
	return "{" + strings.Join(labels, ",") + "}"
}

// listSeries is what series calls a metric of a list, whose other labels are given
// as cause=tls.
func listSeries(list, name string, labels ...string) string {
	labels = append([]string{"list=" + list}, labels...)
	slices.Sort(labels)
	return "coredns_nonudify_list_" + name + "{" + strings.Join(labels, ",") + "}"
}

// gathered holds the series for the many who look at them again and again.
var gathered struct {
	sync.Mutex
	at     time.Time
	values map[string]float64
}

// lately returns the series as they were a moment ago, for a check that is
// repeated.
func lately(t *testing.T) map[string]float64 {
	t.Helper()
	g := &gathered
	g.Lock()
	defer g.Unlock()
	if time.Since(g.at) >= 50*time.Millisecond {
		g.values = series(t)
		g.at = time.Now()
	}
	return g.values
}
