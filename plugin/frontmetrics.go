package nonudify

import (
	"maps"
	"net/netip"
	"strings"
	"sync/atomic"

	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/metrics"
	"github.com/coredns/coredns/plugin/metrics/vars"
	"github.com/coredns/coredns/plugin/pkg/rcode"
	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/nonudify/nonudify/plugin/answer"
	"github.com/nonudify/nonudify/plugin/directive"
)

func init() { prometheus.MustRegister(&fronts) }

func frontDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(plugin.Namespace, directive.Name, name), help, append([]string{"server"}, labels...), nil)
}

var (
	frontQueriesDesc = frontDesc("front_queries_total", "Counter of datagrams that came to the UDP front, by what became of them.", "fate")
	frontSpilledDesc = frontDesc("front_spilled_total", "Counter of goroutines that the UDP front has started because all of its workers were busy.")
	frontUnsentDesc  = frontDesc("front_unsent_total", "Counter of replies of the UDP front that the kernel did not take.")
	frontSteeredDesc = frontDesc("front_steered", "1 when the UDP front gets all datagrams, 0 when it gets a share of them.")
)

// Describe is prometheus.Collector.
func (f *frontage) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{frontQueriesDesc, frontSpilledDesc, frontUnsentDesc, frontSteeredDesc} {
		ch <- d
	}
}

// Collect is prometheus.Collector.
func (f *frontage) Collect(ch chan<- prometheus.Metric) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, d := range f.open {
		d.Tally()
	}
	for server, c := range f.counters {
		count := func(d *prometheus.Desc, v uint64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), append([]string{server}, labels...)...)
		}
		dropped, repeated := c.Dropped.Load(), c.Repeated.Load()
		told := f.toldOf(server)
		count(frontQueriesDesc, grow(&told.answered, c.Answered.Load(), repeated), "answered")
		count(frontQueriesDesc, repeated, "repeated")
		count(frontQueriesDesc, grow(&told.passed, c.Passed.Load(), dropped), "passed")
		count(frontQueriesDesc, dropped, "dropped")
		count(frontQueriesDesc, c.Overflowed.Load(), "overflowed")
		count(frontSpilledDesc, c.Spilled.Load())
		count(frontUnsentDesc, c.Unsent.Load())
	}
	for server, d := range f.open {
		steered := 0.0
		if d.Steered() && !d.astray.Load() {
			steered = 1
		}
		ch <- prometheus.MustNewConstMetric(frontSteeredDesc, prometheus.GaugeValue, steered, server)
	}
}

// told is what was last told of a server: differences of counters.
type told struct{ answered, passed uint64 }

func (f *frontage) toldOf(server string) *told {
	if f.told == nil {
		f.told = map[string]*told{}
	}
	t := f.told[server]
	if t == nil {
		t = new(told)
		f.told[server] = t
	}
	return t
}

// grow returns what all is without a part of it, or else what it was before: a part is
// counted at once, all with the rest of its batch, and a counter that goes back is one that
// has begun anew to those who read it.
func grow(before *uint64, all, part uint64) uint64 {
	*before = max(*before, max(all, part)-part)
	return *before
}

// observer counts queries that the front answers as the prometheus plugin of the
// server block would. A nil observer counts nothing.
type observer struct {
	server  string
	metrics *metrics.Metrics
	next    string // plugin behind that, which it counts as the one that has written the reply
	known   atomic.Pointer[map[observation]*observed]
}

// observation is one set of label values.
type observation struct {
	zone  string
	qtype uint16 // 0 for those that are counted as "other"
	ipv6  bool
	do    bool
	rcode byte
}

// observed are the metrics of an observation.
type observed struct {
	requests, rcodes, do                  prometheus.Counter
	duration, responseSize, requestLength prometheus.Observer
}

// observe counts a query and its reply. Its duration is that of the front: nothing,
// beside the shortest time that the plugin tells apart.
func (o *observer) observe(q *answer.Query, client netip.Addr, reply []byte) {
	if o == nil {
		return
	}
	key := observation{zone: o.zone(q.Name()), qtype: typeLabel(q.Type), ipv6: client.Is6(), do: q.DO(), rcode: reply[3] & 0xf}
	m := o.of(key)
	m.requests.Inc()
	m.rcodes.Inc()
	if key.do {
		m.do.Inc()
	}
	m.duration.Observe(0)
	m.responseSize.Observe(float64(len(reply)))
	m.requestLength.Observe(float64(q.Len()))
}

// of returns the metrics of an observation, without a lock but for the first time.
func (o *observer) of(key observation) *observed {
	known := o.known.Load()
	if known != nil {
		if m, ok := (*known)[key]; ok {
			return m
		}
	}
	m := o.resolve(key)
	next := map[observation]*observed{key: m}
	if known != nil {
		maps.Copy(next, *known)
	}
	o.known.CompareAndSwap(known, &next) // whoever loses comes by again
	return m
}

func (o *observer) resolve(key observation) *observed {
	family, qtype := "1", "other"
	if key.ipv6 {
		family = "2"
	}
	if key.qtype != 0 {
		qtype = dns.Type(key.qtype).String()
	}
	m := &observed{
		requests:      vars.RequestCount.WithLabelValues(o.server, key.zone, "", "udp", family, qtype),
		rcodes:        vars.ResponseRcode.WithLabelValues(o.server, key.zone, "", rcode.ToString(int(key.rcode)), o.next),
		duration:      vars.RequestDuration.WithLabelValues(o.server, key.zone, ""),
		responseSize:  vars.ResponseSize.WithLabelValues(o.server, key.zone, "", "udp"),
		requestLength: vars.RequestSize.WithLabelValues(o.server, key.zone, "", "udp"),
	}
	if key.do {
		m.do = vars.RequestDo.WithLabelValues(o.server, key.zone, "")
	}
	return m
}

// zone returns the zone that a query is counted for: the longest of those that the
// plugin knows, or the root.
func (o *observer) zone(qname string) string {
	found := "."
	for _, zone := range o.metrics.ZoneNames() {
		cut := len(qname) - len(zone)
		if len(zone) > len(found) && cut >= 0 && strings.EqualFold(qname[cut:], zone) && (cut == 0 || qname[cut-1] == '.') {
			found = zone
		}
	}
	return found
}

// typeLabel returns the type of a question as the prometheus plugin tells it apart.
func typeLabel(qtype uint16) uint16 {
	switch qtype {
	case dns.TypeAAAA, dns.TypeA, dns.TypeCNAME, dns.TypeDNSKEY, dns.TypeDS, dns.TypeMX, dns.TypeNSEC3, dns.TypeNSEC, dns.TypeNS, dns.TypePTR,
		dns.TypeRRSIG, dns.TypeSOA, dns.TypeSRV, dns.TypeTXT, dns.TypeHTTPS, dns.TypeSVCB, dns.TypeIXFR, dns.TypeAXFR, dns.TypeANY:
		return qtype
	}
	return 0
}
