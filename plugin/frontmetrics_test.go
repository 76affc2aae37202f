package nonudify

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/nonudify/nonudify/plugin/front"
	"github.com/nonudify/nonudify/plugin/status"
)

// TestFrontCountersGrow: what is counted of a batch before all of it is takes nothing back.
func TestFrontCountersGrow(t *testing.T) {
	c := new(front.Counters)
	c.Overflowed.Store(3)
	f := &frontage{counters: map[string]*front.Counters{"dns://192.0.2.53:53": c}}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(f)
	for _, tt := range []struct {
		all, repeated, sent, dropped uint64
		want                         map[string]float64
	}{
		{100, 0, 50, 0, map[string]float64{"answered": 100, "repeated": 0, "passed": 50, "dropped": 0, "overflowed": 3}},
		{100, 60, 50, 7, map[string]float64{"answered": 100, "repeated": 60, "passed": 50, "dropped": 7, "overflowed": 3}}, // in the middle of a batch
		{164, 60, 59, 7, map[string]float64{"answered": 104, "repeated": 60, "passed": 52, "dropped": 7, "overflowed": 3}},
	} {
		c.Answered.Store(tt.all)
		c.Repeated.Store(tt.repeated)
		c.Passed.Store(tt.sent)
		c.Dropped.Store(tt.dropped)
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, family := range families {
			for _, m := range family.GetMetric() {
				for _, l := range m.GetLabel() {
					if l.GetName() != "fate" {
						continue
					}
					found++
					if got := m.GetCounter().GetValue(); got != tt.want[l.GetValue()] {
						t.Errorf("%v are %s, want %v", got, l.GetValue(), tt.want[l.GetValue()])
					}
				}
			}
		}
		if found != len(tt.want) {
			t.Errorf("%d fates", found)
		}
	}
}

// TestFrontStatus: what the kernel has dropped is dropped for whoever looks at the status.
func TestFrontStatus(t *testing.T) {
	const server = "dns://192.0.2.53:53"
	c := new(front.Counters)
	c.Answered.Store(100)
	c.Passed.Store(50)
	c.Dropped.Store(7)
	c.Overflowed.Store(3)
	f := &frontage{counters: map[string]*front.Counters{server: c}}
	if got, want := f.status(server), (status.Front{Server: server, Answered: 100, Passed: 43, Dropped: 10}); got != want {
		t.Errorf("Got %+v, want %+v", got, want)
	}
}
