package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// point is a value of a series a number of minutes after the begin of March 2020.
type point struct {
	minute int
	value  float64
}

// gauged is a series of a metric as a Prometheus server has it.
type gauged struct {
	name, labels string // as {instance="a",list="b"}
	points       []point
}

// scrapes are what a server has seen in the first days of March 2020: two resolvers, of
// which the first starts anew on the second day, the second is watched from then on.
func scrapes() []gauged {
	const day = 24 * 60
	const filtered = `,server="dns://:53",view="",reason="filtered",transport="udp"}`
	every := func(from, to int, value func(minute int) float64) (points []point) {
		for m := from; m <= to; m++ {
			points = append(points, point{m, value(m)})
		}
		return points
	}
	constant := func(v float64) func(int) float64 { return func(int) float64 { return v } }
	return []gauged{
		{"coredns_nonudify_list_serial", `{job="dns",instance="a",list="nudify"}`, every(0, day-1, constant(2020022901))},
		{"coredns_nonudify_list_serial", `{job="dns",instance="a",list="nudify"}`, every(day+30, 2*day, constant(2020030201))},
		{"coredns_nonudify_list_serial", `{job="dns",instance="b",list="nudify"}`, every(day+100, 2*day, constant(2020030201))},
		// 1000 before the period, 60 on the first day, 7 after the restart.
		{"coredns_nonudify_verdicts_total", `{job="dns",instance="a",action="nxdomain"` + filtered, every(0, day-1, func(m int) float64 { return 1000 + float64(min(m, 60)) })},
		{"coredns_nonudify_verdicts_total", `{job="dns",instance="a",action="nxdomain"` + filtered, every(day+30, 2*day, func(m int) float64 { return float64(min(m-day-30, 7)) })},
		// made by the first query to a server that is known: all of it counts.
		{"coredns_nonudify_verdicts_total", `{job="dns",instance="a",action="nodata"` + filtered, every(500, 600, func(m int) float64 { return float64(m - 490) })},
		// of a server that nobody has watched until now: what it has counted before does not count.
		{"coredns_nonudify_verdicts_total", `{job="dns",instance="b",action="nxdomain"` + filtered, every(day+100, day+150, func(m int) float64 { return 5000 + float64(m-day-100) })},
		{"coredns_nonudify_verdicts_total", `{job="dns",instance="b",action="shadow",reason="blocked"}`, every(day+101, day+150, constant(19))},
		{"coredns_nonudify_verdicts_total", `{job="dns",instance="b",action="pass",reason="blocked"}`, every(day+101, day+150, constant(1e6))},
		{"coredns_nonudify_bypass_total", `{job="dns",instance="b",kind="canary",action="nxdomain"}`, every(day+101, day+150, func(m int) float64 { return float64(m - day - 101) })},
	}
}

// wantScraped are the figures of scrapes: 60 + 7 + 110 + 50 denied, of bypass 49.
const wantScraped = "denied 230, by reason 230, shadow <nil>, bypass 50"

func shownScraped(r *transparencyReport) string {
	number := func(n *uint64) any {
		if n == nil {
			return n
		}
		return *n
	}
	return fmt.Sprintf("denied %v, by reason %v, shadow %v, bypass %v", number(r.Total.Denied), number(r.Reasons[2].Denied), number(r.Total.Shadow), number(r.Bypass.Denied))
}

// fakePrometheus answers range queries about some series for the three metrics as a
// Prometheus server does: each sample stands for five minutes, unless the series ends.
func fakePrometheus(series []gauged) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		start, _ := strconv.ParseInt(q.Get("start"), 10, 64)
		end, _ := strconv.ParseInt(q.Get("end"), 10, 64)
		if user, password, _ := r.BasicAuth(); r.URL.Path != "/prom/api/v1/query_range" || q.Get("step") != "60" || end-start != 86400 || user != "reader" || password != "secret" {
			http.Error(w, `{"status":"error","errorType":"bad_data","error":"what?"}`, http.StatusBadRequest)
			return
		}
		name, _, _ := strings.Cut(q.Get("query"), "{")
		var found []string
		for _, s := range series {
			if s.name != name || strings.Contains(q.Get("query"), `action!="pass"`) && strings.Contains(s.labels, `action="pass"`) {
				continue
			}
			var values []string
			for _, p := range s.points {
				if at := firstOfMarch.Unix() + int64(p.minute)*60; start <= at && at <= end {
					values = append(values, fmt.Sprintf(`[%d,"%v"]`, at, p.value))
				}
			}
			if len(values) > 0 {
				labels := strings.NewReplacer("{", `{"`, `",`, `","`, "=", `":`).Replace(s.labels)
				found = append(found, fmt.Sprintf(`{"metric":%s,"values":[%s]}`, labels, strings.Join(values, ",")))
			}
		}
		fmt.Fprintf(w, `{"status":"success","data":{"resultType":"matrix","result":[%s]},"warnings":["half of it"]}`, strings.Join(found, ","))
	})
}

// TestPrometheusFake: counters are summed over all servers, and those that begin anew, or
// for the first time, are read as what they are.
func TestPrometheusFake(t *testing.T) {
	server := httptest.NewServer(fakePrometheus(scrapes()))
	t.Cleanup(server.Close)
	address := strings.Replace(server.URL, "://", "://reader:secret@", 1) + "/prom"
	r := newTransparencyReport(firstOfMarch, firstOfMarch.AddDate(0, 0, 6), 20)
	e := silent()
	var said bytes.Buffer
	e.stderr = &said
	if err := r.ask(e, address); err != nil {
		t.Fatal(err)
	}
	if got := shownScraped(r); got != wantScraped {
		t.Errorf("got  %s\nwant %s", got, wantScraped)
	}
	if len(r.Editions) != 2 || r.Editions[1].From.Format(time.RFC3339) != "2020-03-02T00:30:00Z" || r.Days.Covered != 3 || len(r.Lists) != 0 {
		t.Errorf("%+v", r)
	}
	text, err := r.in("markdown")
	if err != nil || !strings.Contains(string(text), "a weaker rule") || strings.Contains(string(text), "by list\n") {
		t.Errorf("%s %v", text, err)
	}
	if !strings.Contains(said.String(), "half of it") || strings.Contains(said.String(), "secret") {
		t.Errorf("said: %s", said.String())
	}
}

// TestPrometheusRefused: what is no answer is said to be none, and nothing is read without
// a limit.
func TestPrometheusRefused(t *testing.T) {
	const good = `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"instance":"a","list":"x"},"values":[[1583020800,"1"]]},{"metric":{"instance":"b","list":"x"},"values":[[1583020800,"1"]]}]}}`
	for name, c := range map[string]struct {
		code      int
		text      string
		maxAnswer int64
		maxSeries int
		want      string
	}{
		"error":     {422, `{"status":"error","error":"too many\u001b samples"}`, 1 << 20, 10, "422 Unprocessable Entity: too many samples"},
		"page":      {404, "<html>", 1 << 20, 10, "is that the address of a Prometheus server?"},
		"redirect":  {302, "", 1 << 20, 10, "302 Found"},
		"html":      {200, "<html>", 1 << 20, 10, "invalid character"},
		"list":      {200, "[]", 1 << 20, 10, `has "[" where { should be`},
		"vector":    {200, strings.Replace(good, "matrix", "vector", 1), 1 << 20, 10, `a "vector" of status "success", not a matrix`},
		"failed":    {200, `{"status":"error"}`, 1 << 20, 10, `status "error"`},
		"cut":       {200, good[:120], 1 << 20, 10, "EOF"},
		"number":    {200, strings.Replace(good, `"1"`, `1`, 1), 1 << 20, 10, "is not a sample"},
		"NaN":       {200, strings.Replace(good, `"1"`, `"NaN"`, 1), 1 << 20, 10, "is not a sample"},
		"triple":    {200, strings.Replace(good, `"1"`, `"1",1`, 1), 1 << 20, 10, "is not a sample"},
		"large":     {200, good, int64(len(good) - 30), 10, "larger than"},
		"series":    {200, good, 1 << 20, 1, "more than 1 series"},
		"nothing":   {200, `{"status":"success","data":{"resultType":"matrix","result":[]}}`, 1 << 20, 10, "knows nothing of any server"},
		"just fits": {200, good, int64(len(good)), 2, ""},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(c.code)
			fmt.Fprint(w, c.text)
		}))
		p := newScraped(silent(), server.URL)
		p.maxAnswer, p.maxSeries = c.maxAnswer, c.maxSeries
		err := newTransparencyReport(firstOfMarch, firstOfMarch.AddDate(0, 0, 6), 20).askServer(silent(), p)
		server.Close()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	err := newTransparencyReport(firstOfMarch, lastOfMarch, 20).ask(silent(), "http://reader:secret@127.0.0.1:1/")
	if err == nil || !strings.Contains(err.Error(), "refused") || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "query") {
		t.Errorf("nobody there: %v", err)
	}
}

// TestPrometheus has a real Prometheus server tell the same.
func TestPrometheus(t *testing.T) {
	for _, program := range []string{"prometheus", "promtool"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
	dir := t.TempDir()
	text := write(t, "scrapes", openMetrics(scrapes()))
	data := filepath.Join(dir, "data")
	if out, err := exec.CommandContext(t.Context(), "promtool", "tsdb", "create-blocks-from", "--max-block-duration=48h", "openmetrics", text, data).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte("{}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := newTransparencyReport(firstOfMarch, firstOfMarch.AddDate(0, 0, 6), 20)
	if err := r.ask(silent(), startPrometheus(t, dir, data)); err != nil {
		t.Fatal(err)
	}
	if got := shownScraped(r); got != wantScraped {
		t.Errorf("got  %s\nwant %s", got, wantScraped)
	}
	if len(r.Editions) != 2 {
		t.Errorf("%d editions", len(r.Editions))
	}
}

// openMetrics writes series in the form that promtool takes.
func openMetrics(series []gauged) string {
	var b strings.Builder
	for i, s := range series {
		family, counter := strings.CutSuffix(s.name, "_total")
		if i == 0 || series[i-1].name != s.name {
			fmt.Fprintf(&b, "# TYPE %s %s\n", family, map[bool]string{true: "counter", false: "gauge"}[counter])
		}
		for _, p := range s.points {
			fmt.Fprintf(&b, "%s%s %v %d\n", s.name, s.labels, p.value, firstOfMarch.Unix()+int64(p.minute)*60)
		}
	}
	return b.String() + "# EOF\n"
}

// startPrometheus serves a database and returns the address. The test ends it.
func startPrometheus(t *testing.T, dir, data string) string {
	t.Helper()
	for range 5 { // another process may take the port first
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := l.Addr().String()
		l.Close()
		var out bytes.Buffer
		cmd := exec.Command("prometheus", "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+data,
			"--storage.tsdb.retention.time=100y", "--web.listen-address="+address)
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { cmd.Wait(); close(ended) }()
		t.Cleanup(func() { cmd.Process.Signal(syscall.SIGTERM); <-ended })
		if err = ready("http://"+address+"/-/ready", ended); err == nil {
			return "http://" + address
		}
		t.Log(err)
		select {
		case <-ended:
			t.Log(out.String())
		default:
			t.Fatal("Prometheus does not start")
		}
	}
	t.Fatal("Prometheus does not start")
	return ""
}

// ready waits until a server answers with 200, or has ended.
func ready(url string, ended <-chan struct{}) error {
	deadline := time.After(60 * time.Second)
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		resp, err := http.Get(url)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ended:
			return errors.New("it has ended")
		case <-deadline:
			return errors.New("it is not ready")
		case <-again.C:
		}
	}
}
