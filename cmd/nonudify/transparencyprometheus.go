package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/nonudify/nonudify/plugin/policy"
)

const (
	// sampleStep is the time between the samples that are asked for. What is counted
	// between the last one before a restart of a server and the restart is not known.
	sampleStep = time.Minute
	// maxReading bounds an answer of a Prometheus server, in bytes, and maxSeries the
	// series that may be told of in a period.
	maxReading = 512 << 20
	maxSeries  = 100_000
	// answerTime is how long an answer may take.
	answerTime = 2 * time.Minute
)

// The metrics that a report is made of. What an exception let pass was not denied.
const (
	askSerials  = `coredns_nonudify_list_serial`
	askVerdicts = `coredns_nonudify_verdicts_total{action!="pass"}`
	askBypass   = `coredns_nonudify_bypass_total{action!="pass"}`
)

// ask makes the figures of what a Prometheus server has scraped from all servers that it
// watches. It knows no clients, and no counts by list.
func (r *transparencyReport) ask(e *env, address string) error {
	return r.askServer(e, newScraped(e, address))
}

func (r *transparencyReport) askServer(e *env, p *scraped) error {
	r.Source, r.Rule.Of = fromPrometheus, "queries"
	e.bar.stage("Prometheus", int64(r.Days.Period))
	for day := r.first; !day.After(r.last); day = day.AddDate(0, 0, 1) {
		before := p.samples
		for _, q := range []struct {
			expr string
			take func(labels map[string]string, values []sample) error
		}{{askSerials, p.serials(r)}, {askVerdicts, p.counters(r, false)}, {askBypass, p.counters(r, true)}} {
			if err := p.query(q.expr, day, q.take); err != nil {
				return fmt.Errorf("%s: %s: %w", p.name, day.Format(time.DateOnly), err)
			}
		}
		if p.samples > before {
			r.Days.Covered++
		}
		e.bar.add(1)
	}
	if p.samples == 0 {
		return fmt.Errorf("%s: knows nothing of any server in the period: coredns_nonudify_list_serial is not there", p.name)
	}
	r.publish(func(c *figureCell) bool { return c.queries >= uint64(r.Rule.K) })
	r.Lists = []publicRow{}
	return nil
}

// scraped is what is known of a Prometheus server and of the series that it has.
type scraped struct {
	name    string // for errors, without a password
	base    *url.URL
	client  *http.Client
	env     *env
	series  map[string]float64 // last value of each counter
	since   map[string]float64 // the first moment at which each instance was seen, in seconds since 1970
	last    map[string]float64 // of which each series has been read
	samples int                // of serials

	maxAnswer int64
	maxSeries int
}

func newScraped(e *env, address string) *scraped {
	base, _ := url.Parse(address) // it was looked at before
	return &scraped{
		maxAnswer: maxReading, maxSeries: maxSeries, name: base.Redacted(), base: base, env: e, series: map[string]float64{}, since: map[string]float64{}, last: map[string]float64{},
		client: &http.Client{Timeout: answerTime, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
}

// sample is the value of a series at a moment, in seconds since 1970.
type sample struct{ at, value float64 }

// UnmarshalJSON reads [1795305600, "12"].
func (s *sample) UnmarshalJSON(text []byte) (err error) {
	var pair []any
	if err := json.Unmarshal(text, &pair); err != nil {
		return err
	}
	if len(pair) == 2 {
		at, isNumber := pair[0].(float64)
		value, isText := pair[1].(string)
		if s.value, err = strconv.ParseFloat(value, 64); err == nil && isNumber && isText && !math.IsNaN(s.value) && !math.IsInf(s.value, 0) {
			s.at = at
			return nil
		}
	}
	return fmt.Errorf("%.40q is not a sample", text)
}

// query asks for the samples of a day, up to the first of the next one, and hands on each
// series.
func (p *scraped) query(expr string, day time.Time, take func(map[string]string, []sample) error) error {
	u := p.base.JoinPath("api/v1/query_range")
	u.RawQuery = url.Values{
		"query": {expr}, "start": {strconv.FormatInt(day.Unix(), 10)}, "end": {strconv.FormatInt(day.AddDate(0, 0, 1).Unix(), 10)},
		"step": {strconv.Itoa(int(sampleStep / time.Second))},
	}.Encode()
	resp, err := p.client.Get(u.String())
	if err != nil {
		var inner *url.Error
		if errors.As(err, &inner) { // whose URL is long, and is known
			err = inner.Err
		}
		return err
	}
	defer resp.Body.Close()
	body := &io.LimitedReader{R: resp.Body, N: p.maxAnswer}
	if resp.StatusCode != http.StatusOK {
		return refusedBy(resp.Status, body)
	}
	if err := p.readAnswer(json.NewDecoder(body), take); err != nil {
		if body.N <= 0 {
			err = fmt.Errorf("its answer is larger than %d bytes", p.maxAnswer)
		}
		return err
	}
	return nil
}

// refusedBy returns why a server has not answered.
func refusedBy(status string, body io.Reader) error {
	var answer struct{ Error string }
	text, err := io.ReadAll(io.LimitReader(body, 4096))
	if err == nil && json.Unmarshal(text, &answer) == nil && answer.Error != "" {
		return fmt.Errorf("%s: %s", printable(status), printable(answer.Error))
	}
	return fmt.Errorf("%s: is that the address of a Prometheus server?", printable(status))
}

// readAnswer reads an answer series by series: of many servers it is large.
func (p *scraped) readAnswer(in *json.Decoder, take func(map[string]string, []sample) error) error {
	status, kind := "", ""
	err := members(in, func(key string) error {
		switch key {
		case "status":
			return in.Decode(&status)
		case "warnings":
			var warnings []string
			err := in.Decode(&warnings)
			for _, w := range warnings[:min(len(warnings), 5)] {
				p.env.note("%s: %s", p.name, printable(w))
			}
			return err
		case "data":
			return members(in, func(key string) error {
				switch key {
				case "resultType":
					return in.Decode(&kind)
				case "result":
					return eachSeries(in, take)
				}
				return skip(in)
			})
		}
		return skip(in)
	})
	if err == nil && (status != "success" || kind != "matrix") {
		err = fmt.Errorf("the answer is a %q of status %q, not a matrix", printable(kind), printable(status))
	}
	return err
}

// members reads an object, of which each member is read by value.
func members(in *json.Decoder, value func(key string) error) error {
	if err := expect(in, '{'); err != nil {
		return err
	}
	for in.More() {
		key, err := in.Token()
		if err != nil {
			return err
		}
		if err := value(key.(string)); err != nil { // no other key is JSON
			return err
		}
	}
	return expect(in, '}')
}

func expect(in *json.Decoder, delim json.Delim) error {
	token, err := in.Token()
	if err == nil && token != delim {
		err = fmt.Errorf("the answer has %.40q where %v should be", fmt.Sprint(token), delim)
	}
	return err
}

func skip(in *json.Decoder) error { return in.Decode(new(json.RawMessage)) }

func eachSeries(in *json.Decoder, take func(map[string]string, []sample) error) error {
	if err := expect(in, '['); err != nil {
		return err
	}
	for in.More() {
		var s struct {
			Metric map[string]string
			Values []sample
		}
		if err := in.Decode(&s); err != nil {
			return err
		}
		if err := take(s.Metric, s.Values); err != nil {
			return err
		}
	}
	return expect(in, ']')
}

// instanceOf names the server that a series is of.
func instanceOf(labels map[string]string) string { return labels["job"] + "\x00" + labels["instance"] }

// serials takes the serials of lists: which editions were in force, and since when each
// server is known.
func (p *scraped) serials(r *transparencyReport) func(map[string]string, []sample) error {
	return func(labels map[string]string, values []sample) error {
		i := instanceOf(labels)
		for _, s := range values {
			if first, known := p.since[i]; !known || s.at < first {
				p.since[i] = s.at
			}
			if s.at >= float64(r.last.AddDate(0, 0, 1).Unix()) {
				continue // it belongs to the day after
			}
			p.samples++
			if s.value > 0 && s.value <= math.MaxUint32 {
				r.addEdition(labels["list"], "", uint32(s.value), time.Unix(int64(s.at), 0))
			}
		}
		return p.bounded(len(p.since))
	}
}

func (p *scraped) bounded(n int) error {
	if n > p.maxSeries {
		return fmt.Errorf("it has more than %d series", p.maxSeries)
	}
	return nil
}

// counters takes the counters of verdicts, or of what leads round the filter.
func (p *scraped) counters(r *transparencyReport, bypass bool) func(map[string]string, []sample) error {
	return func(labels map[string]string, values []sample) error {
		k := figureKey{reason: labels["reason"], shadow: labels["action"] == shadowed}
		if bypass {
			k = figureKey{list: policy.BypassList, shadow: k.shadow}
		}
		if n := p.increase(fmt.Sprint(labels), p.since[instanceOf(labels)], values); n > 0 { // printed with sorted keys
			r.add(k, uint64(math.Round(n)), 0)
		}
		return p.bounded(len(p.series))
	}
}

// increase returns by how much a counter has gone up since it was last looked at. One
// that goes down has begun again at 0, with its server. One that was not there before
// has begun at 0, too, if its server was there before: it is made by the first query.
// Else nobody knows when it began, and its first value does not count.
func (p *scraped) increase(series string, server float64, values []sample) (sum float64) {
	for _, s := range values {
		before, known := p.series[series]
		switch {
		case known && s.at <= p.last[series]: // the first of a day is the last of the one before
			continue
		case known && s.value >= before:
			sum += s.value - before
		case known, server > 0 && server < s.at:
			sum += s.value
		}
		p.series[series], p.last[series] = s.value, s.at
	}
	return sum
}
