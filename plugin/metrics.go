package nonudify

import (
	"context"
	"errors"
	"maps"
	"net/netip"
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
	"github.com/nonudify/nonudify/plugin/status"
)

// Every label below has a fixed, small number of values: none is made of a
// query name or of a client.
var verdictCount = promauto.NewCounterVec(prometheus.CounterOpts{
	Namespace: plugin.Namespace,
	Subsystem: directive.Name,
	Name:      "verdicts_total",
	Help:      "Counter of queries for listed names, or with an answer that leads to a listed name or address, by what was done with them.",
}, []string{"server", "view", "action", "reason", "transport"})

// bypassCount is apart from verdictCount, so that the figures of the lists say
// nothing but how often the sites on them are asked for.
var bypassCount = promauto.NewCounterVec(prometheus.CounterOpts{
	Namespace: plugin.Namespace,
	Subsystem: directive.Name,
	Name:      "bypass_total",
	Help:      "Counter of queries for names that lead round the filter, by what was done with them.",
}, []string{"server", "view", "kind", "action", "transport"})

// pageRequests counts visits, and nothing of them.
var pageRequests = promauto.NewCounter(prometheus.CounterOpts{
	Namespace: plugin.Namespace,
	Subsystem: directive.Name,
	Name:      "page_requests_total",
	Help:      "Counter of requests that the help page's listeners have answered.",
})

// pageFailures counts what the log tells of the help page, at most twice for every
// time that one of its addresses is opened.
var pageFailures = promauto.NewCounter(prometheus.CounterOpts{
	Namespace: plugin.Namespace,
	Subsystem: directive.Name,
	Name:      "page_failures_total",
	Help:      "Counter of listeners of the help page that could take no connections, or had a request end in a panic.",
})

// verdictKey is one set of label values of verdictCount or bypassCount, and the list
// that decided, by which the status tells verdicts apart.
type verdictKey struct {
	server, view, action, transport string
	list                            string
	reason                          policy.Reason
	bypass                          policy.Bypass // NoBypass: of verdictCount
}

// counter returns the counter of the key.
func (k verdictKey) counter() prometheus.Counter {
	if k.bypass != policy.NoBypass {
		return bypassCount.WithLabelValues(k.server, k.view, k.bypass.String(), k.action, k.transport)
	}
	return verdictCount.WithLabelValues(k.server, k.view, k.action, k.reason.String(), k.transport)
}

// verdictCounters holds on to the counters that a handler has used, so that
// counting takes no lock. The zero value is ready to use.
type verdictCounters struct {
	known atomic.Pointer[map[verdictKey]verdictCounter]
}

// verdictCounter is what counts one kind of verdict.
type verdictCounter struct {
	metric prometheus.Counter
	tally  *atomic.Uint64
}

func (c verdictCounter) inc() {
	c.metric.Inc()
	c.tally.Add(1)
}

func (c *verdictCounters) count(ctx context.Context, transport, action string, v policy.Verdict) {
	key := verdictKey{metrics.WithServer(ctx), metrics.WithView(ctx), action, transport, v.List, v.Reason, v.Bypass}
	known := c.known.Load()
	if known != nil {
		if counter, ok := (*known)[key]; ok {
			counter.inc()
			return
		}
	}
	counter := verdictCounter{key.counter(), tally.Counter(status.Key{List: v.List, Reason: v.Reason.String(), Action: action})}
	counter.inc()
	next := map[verdictKey]verdictCounter{key: counter}
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

// listGauges are what is said of each list.
var listGauges = []struct {
	*prometheus.Desc
	of func(listState) float64
}{
	{desc("list_entries", "Rules in use, per list."), func(s listState) float64 { return float64(s.entries) }},
	{desc("list_refused_lines", "Entries refused when the list was loaded, per list."), func(s listState) float64 { return float64(s.refused) }},
	{desc("list_age_seconds", "Time since the list was issued, or else last modified, or else loaded."), func(s listState) float64 { return s.age.Seconds() }},
	{desc("list_load_seconds", "Time that loading the list took."), func(s listState) float64 { return s.took.Seconds() }},
	{desc("list_serial", "Serial of the edition in use, 0 while there is none."), func(s listState) float64 { return float64(s.serial) }},
	{desc("list_signed", "1 when the edition in use carries a signature that was verified."), func(s listState) float64 { return float64(s.signed) }},
	{desc("list_expiry_timestamp_seconds", "When the edition in use expires, 0 if it does not say."), func(s listState) float64 { return unix(s.expires) }},
	{desc("list_last_attempt_timestamp_seconds", "Begin of the last attempt to refresh the list, 0 before the first."), func(s listState) float64 { return unix(s.attempt) }},
	{desc("list_last_success_timestamp_seconds", "When the list was last found to be right, 0 before the first time."), func(s listState) float64 { return unix(s.success) }},
	{desc("list_next_refresh_timestamp_seconds", "When the next attempt to refresh the list is due."), func(s listState) float64 { return unix(s.next) }},
	{desc("list_not_saved", "1 when the edition in use could not be kept on disk."), func(s listState) float64 { return float64(s.unsaved) }},
	{desc("list_unread", "1 when an edition could not be read from disk while it was in use, since the start."), func(s listState) float64 { return float64(s.unread) }},
}

var (
	failingDesc = desc("list_failing", "1 when the last attempt to refresh the list failed, by cause; 0 with the cause none otherwise.", "cause")
	roundsDesc  = desc("list_rounds_total", "Counter of attempts to refresh the list, by result.", "result")
	filterDesc  = desc("filter_queries_total", "Counter of queries that the list's Bloom filter saw, by its outcome.", "outcome")
)

var authorityDesc = prometheus.NewDesc(prometheus.BuildFQName(plugin.Namespace, directive.Name, "authority_expiry_timestamp_seconds"),
	"When the certificate of the authority ends, of several the first.", nil, nil)

var prefixesDesc = prometheus.NewDesc(prometheus.BuildFQName(plugin.Namespace, directive.Name, "prefix_files_failing"),
	"Files of clients and except that could not be used when they were last looked at.", nil, nil)

// Describe is prometheus.Collector.
func (r *registry) Describe(ch chan<- *prometheus.Desc) {
	for _, g := range listGauges {
		ch <- g.Desc
	}
	for _, g := range zoneGauges {
		ch <- g.Desc
	}
	for _, d := range []*prometheus.Desc{failingDesc, roundsDesc, filterDesc, authorityDesc, prefixesDesc, zoneTransfersDesc} {
		ch <- d
	}
}

// listState is what the metrics say of all lists of one name.
type listState struct {
	entries, refused         int
	serial                   uint32
	signed, unsaved, failing int
	unread                   int
	age, took                time.Duration
	expires                  time.Time
	attempt, success, next   time.Time
	cause                    feed.Result
	rounds                   map[feed.Result]uint64
}

// unix returns the seconds since 1970, 0 for no time.
func unix(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

// Collect is prometheus.Collector.
func (r *registry) Collect(ch chan<- prometheus.Metric) {
	for name, s := range r.states(time.Now()) {
		for _, g := range listGauges {
			ch <- prometheus.MustNewConstMetric(g.Desc, prometheus.GaugeValue, g.of(s), name)
		}
		ch <- prometheus.MustNewConstMetric(failingDesc, prometheus.GaugeValue, float64(s.failing), name, string(s.cause))
		for result, n := range s.rounds {
			ch <- prometheus.MustNewConstMetric(roundsDesc, prometheus.CounterValue, float64(n), name, string(result))
		}
	}
	ch <- prometheus.MustNewConstMetric(prefixesDesc, prometheus.GaugeValue, float64(r.prefixesFailing()))
	if end := r.authorityEnds(); !end.IsZero() {
		ch <- prometheus.MustNewConstMetric(authorityDesc, prometheus.GaugeValue, unix(end))
	}
	r.collectZones(ch)
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

// authorityEnds returns when the first of the authorities ends, zero when there
// is none.
func (r *registry) authorityEnds() (end time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.sources {
		if s.secure != nil && s.secure.authority != nil {
			end = earlier(end, s.secure.authority.Status().NotAfter)
		}
	}
	return end
}

// prefixesFailing returns how many files of prefixes were found to be no use. The
// last good edition of each serves on.
func (r *registry) prefixesFailing() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	failing := make(map[*feed.Refresher[[]netip.Prefix]]bool)
	for _, s := range r.sources {
		for _, p := range s.prefixes {
			if p.Err() != nil {
				failing[p.Refresher] = true
			}
		}
	}
	return len(failing)
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
			if seen[l.Refresher] {
				continue
			}
			seen[l.Refresher] = true
			name := s.feeds[i].List
			if _, known := states[name]; !known {
				states[name] = listState{cause: "none", signed: 1, rounds: map[feed.Result]uint64{}}
			}
			states[name] = states[name].after(l.Refresher).holding(l.Value(), now)
		}
	}
	return states
}

// after adds what the rounds of one list have come to. Of several, the one that
// is worst off is what an alarm should see.
func (s listState) after(r *feed.Refresher[feed.List]) listState {
	status := r.Status()
	if status.Err != nil {
		s.failing, s.cause = 1, feed.ResultOf(status.Err)
	}
	if errors.Is(status.Warning, feed.ErrNotSaved) {
		s.unsaved = 1
	}
	if errors.Is(status.Warning, feed.ErrUnread) {
		s.unread = 1
	}
	s.attempt, s.next = earlier(s.attempt, status.Attempt), earlier(s.next, r.Next())
	s.success, s.expires = earlier(s.success, status.Success), earlier(s.expires, status.Expires)
	for result, n := range status.Rounds {
		s.rounds[result] += n
	}
	return s
}

// earlier returns the earlier of two times that are not zero.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// holding adds the edition in use, nil if there is none.
func (s listState) holding(l *feed.List, now time.Time) listState {
	if l == nil {
		s.signed = 0
		return s
	}
	s.entries += l.Stats.Rules
	s.refused += l.Stats.Refused
	s.serial = max(s.serial, l.Serial)
	s.age = max(s.age, now.Sub(l.Issued()))
	s.took = max(s.took, l.Took)
	if l.Signature == nil {
		s.signed = 0
	}
	return s
}
