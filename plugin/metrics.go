package nonudify

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/metrics"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/nonudify/nonudify/plugin/directive"
	"github.com/nonudify/nonudify/plugin/feed"
	"github.com/nonudify/nonudify/plugin/policy"
)

// Every label below has a fixed, small number of values: none is made of a
// query name or of a client.
var verdictCount = promauto.NewCounterVec(prometheus.CounterOpts{
	Namespace: plugin.Namespace,
	Subsystem: directive.Name,
	Name:      "verdicts_total",
	Help:      "Counter of queries for listed names, by what was done with them.",
}, []string{"server", "view", "action", "reason", "transport"})

// verdictKey is one set of label values of verdictCount.
type verdictKey struct {
	server, view, action, transport string
	reason                          policy.Reason
}

// verdictCounters holds on to the counters that a handler has used, so that
// counting takes no lock. The zero value is ready to use.
type verdictCounters struct {
	known atomic.Pointer[map[verdictKey]prometheus.Counter]
}

func (c *verdictCounters) count(ctx context.Context, transport, action string, reason policy.Reason) {
	key := verdictKey{metrics.WithServer(ctx), metrics.WithView(ctx), action, transport, reason}
	known := c.known.Load()
	if known != nil {
		if counter, ok := (*known)[key]; ok {
			counter.Inc()
			return
		}
	}
	counter := verdictCount.WithLabelValues(key.server, key.view, key.action, key.reason.String(), key.transport)
	counter.Inc()
	next := map[verdictKey]prometheus.Counter{key: counter}
	if known != nil {
		maps.Copy(next, *known)
	}
	c.known.CompareAndSwap(known, &next) // whoever loses comes by again
}

// counters are the filter counters of all lists, by the list's name. They live
// as long as the process, as counters must, and there are as many as the
// Corefile has ever named lists.
var counters sync.Map

// counterOf returns the filter counter of a list.
func counterOf(list string) *policy.Counter {
	c, _ := counters.LoadOrStore(list, new(policy.Counter))
	return c.(*policy.Counter)
}

// registered are the lists in use, as the metrics show them.
var registered registry

func init() { prometheus.MustRegister(&registered) }

// registry is a collector of what the lists in use are like.
type registry struct {
	mu      sync.Mutex
	sources []*sources
}

func (r *registry) add(s *sources) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sources = append(r.sources, s)
}

func (r *registry) remove(s *sources) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sources = slices.DeleteFunc(r.sources, func(other *sources) bool { return other == s })
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(plugin.Namespace, directive.Name, name), help, append([]string{"list"}, labels...), nil)
}

var (
	entriesDesc = desc("list_entries", "Rules in use, per list.")
	refusedDesc = desc("list_refused_lines", "Entries refused when the list was loaded, per list.")
	ageDesc     = desc("list_age_seconds", "Time since the list was issued, or else last modified, or else loaded.")
	loadDesc    = desc("list_load_seconds", "Time that loading the list took.")
	failingDesc = desc("list_failing", "1 when the last attempt to refresh the list failed and the last good one serves.")
	filterDesc  = desc("filter_queries_total", "Counter of queries that the list's Bloom filter saw, by its outcome.", "outcome")
)

// Describe is prometheus.Collector.
func (r *registry) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{entriesDesc, refusedDesc, ageDesc, loadDesc, failingDesc, filterDesc} {
		ch <- d
	}
}

// listState is what the metrics say of all lists of one name.
type listState struct {
	entries, refused int
	age, took        time.Duration
	failing          float64
}

// Collect is prometheus.Collector.
func (r *registry) Collect(ch chan<- prometheus.Metric) {
	for name, s := range r.states(time.Now()) {
		gauge := func(d *prometheus.Desc, v float64) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, name)
		}
		gauge(entriesDesc, float64(s.entries))
		gauge(refusedDesc, float64(s.refused))
		gauge(ageDesc, s.age.Seconds())
		gauge(loadDesc, s.took.Seconds())
		gauge(failingDesc, s.failing)
	}
	counters.Range(func(name, c any) bool {
		t := c.(*policy.Counter).Counts()
		count := func(outcome string, v uint64) {
			ch <- prometheus.MustNewConstMetric(filterDesc, prometheus.CounterValue, float64(v), name.(string), outcome)
		}
		count("negative", t.Negative)
		count("positive", t.Positive)
		count("false_positive", t.FalsePositive)
		return true
	})
}

// states sums up the lists by name: several directives may use the same one,
// or different ones of one name.
func (r *registry) states(now time.Time) map[string]listState {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := make(map[*feed.Refresher[feed.List]]bool)
	states := make(map[string]listState)
	for _, s := range r.sources {
		for i, l := range s.lists {
			if edition := l.Value(); edition != nil && !seen[l.Refresher] {
				seen[l.Refresher] = true
				name := s.feeds[i].List
				states[name] = states[name].plus(edition, l.Err() != nil, now)
			}
		}
	}
	return states
}

// plus adds one edition: the worst of several is what an alarm should see.
func (s listState) plus(l *feed.List, failing bool, now time.Time) listState {
	s.entries += l.Stats.Rules
	s.refused += l.Stats.Refused
	s.age = max(s.age, now.Sub(issued(l)))
	s.took = max(s.took, l.Took)
	if failing {
		s.failing = 1
	}
	return s
}

// issued returns when the publisher made the list, as far as it is known.
func issued(l *feed.List) time.Time {
	for _, t := range []time.Time{l.Header.Issued, l.Header.Modified, l.Modified} {
		if !t.IsZero() {
			return t
		}
	}
	return l.Loaded
}
