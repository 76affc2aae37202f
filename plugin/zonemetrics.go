package nonudify

import (
	"github.com/coredns/coredns/plugin"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/nonudify/nonudify/plugin/directive"
	"github.com/nonudify/nonudify/plugin/primary"
)

func zoneDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(plugin.Namespace, directive.Name, name), help, append([]string{"zone"}, labels...), nil)
}

// zoneGauges are what is said of each policy zone.
var zoneGauges = []struct {
	*prometheus.Desc
	of func(primary.Status) float64
}{
	{zoneDesc("zone_serial", "Serial of the policy zone, 0 while it is not served."), func(s primary.Status) float64 { return float64(s.Serial) }},
	{zoneDesc("zone_records", "Records of the policy zone."), func(s primary.Status) float64 { return float64(s.Records) }},
	{zoneDesc("zone_left_out_rules", "Rules that the policy zone cannot say."), func(s primary.Status) float64 { return float64(s.LeftOut) }},
	{zoneDesc("zone_history_editions", "Older editions of the policy zone from which a secondary gets only what has changed."), func(s primary.Status) float64 { return float64(s.Deltas) }},
	{zoneDesc("zone_not_saved", "1 when serial and history of the policy zone could not be kept on disk."), func(s primary.Status) float64 { return oneIf(s.Unsaved) }},
}

var zoneTransfersDesc = zoneDesc("zone_transfers_total", "Counter of requests to transfer the policy zone, by how they ended.", "result")

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// collectZones adds what is known of the policy zones, each once.
func (r *registry) collectZones(ch chan<- prometheus.Metric) {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := map[string]bool{}
	for _, s := range r.sources {
		for _, z := range s.zones {
			if seen[z.Origin] {
				continue
			}
			seen[z.Origin] = true
			status := z.Status()
			for _, g := range zoneGauges {
				ch <- prometheus.MustNewConstMetric(g.Desc, prometheus.GaugeValue, g.of(status), z.Origin)
			}
			for t, count := range status.Transfers {
				ch <- prometheus.MustNewConstMetric(zoneTransfersDesc, prometheus.CounterValue, float64(count), z.Origin, primary.Transfer(t).String())
			}
		}
	}
}
