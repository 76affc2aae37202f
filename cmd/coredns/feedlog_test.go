package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/source/sourcetest"
)

// TestLogOfGoodRounds: rounds that bring nothing new are not worth a line.
func TestLogOfGoodRounds(t *testing.T) {
	t.Parallel()
	p := newPublisher(t)
	p.publish(edition(1))
	s := serve(t, newUpstream(t), p.list("refresh 1s", p.plain()))
	s.until("always.example", denies)
	untilRounds(t, p.name, "unchanged", 5)
	about := logged.with(p.name)
	if len(about) != 2 || !strings.Contains(about[0], "fetching it") || !strings.Contains(about[1], "22 rules") {
		t.Errorf("The log says %q", about)
	}
	if n := p.Count(p.path() + ".minisig"); n != 1 {
		t.Errorf("The signature of a list that stayed the same was fetched %d times", n)
	}
}

// TestLogOfFailures: over 20 rounds that fail for the same cause there is one
// line, whatever else the errors say: the URLs of HTTP errors with ephemeral
// ports are in TestFaults. Because an HTTP list that fails is asked for less and
// less often, this one is a zone, whose primary can ask for rounds.
func TestLogOfFailures(t *testing.T) {
	t.Parallel()
	list := fresh("zone")
	var failed atomic.Int64
	primary := sourcetest.ResolverFunc(t, func(w dns.ResponseWriter, q *dns.Msg) {
		rcodes := []int{dns.RcodeServerFailure, dns.RcodeRefused, dns.RcodeNotAuth}
		w.WriteMsg(new(dns.Msg).SetRcode(q, rcodes[failed.Add(1)%3]))
	})
	s := serve(t, newUpstream(t), fmt.Sprintf("list axfr://%s/%s.test name %s refresh 1s\n start open", primary, list, list))
	udp, _ := addrs(s.Instance)
	c := dns.Client{Timeout: 10 * time.Second}
	until(t, func() error {
		notify := new(dns.Msg).SetNotify(list + ".test.")
		if reply, _, err := c.Exchange(notify, udp); err != nil || reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeRefused {
			return fmt.Errorf("NOTIFY: %v, %v", reply, err)
		}
		if n := lately(t)[listSeries(list, "rounds_total", "result=transfer")]; n < 20 {
			return fmt.Errorf("%v rounds have failed", n)
		}
		return nil
	})
	if lines := logged.with("[ERROR]", list); len(lines) != 1 || !strings.Contains(lines[0], "none yet") {
		t.Errorf("%d lines in the log about it: %q", len(lines), lines)
	}
}

// TestLogOfChanges: a failure, another one, and the end of it are a line each. An
// expired edition goes on serving with a warning.
func TestLogOfChanges(t *testing.T) {
	t.Parallel()
	p := newPublisher(t)
	expired := "# Expires: 2020-01-01\n" + edition(1)
	p.publish(expired)
	s := serve(t, newUpstream(t), p.list("refresh 1s", p.plain()))
	s.until("always.example", denies)
	untilRounds(t, p.name, "unchanged", 2)
	untilFailing(t, p.name, "none")
	untilMetric(t, p.name, "expiry_timestamp_seconds", float64(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).Unix()))
	p.reply(sourcetest.Reply{Status: http.StatusNotFound})
	untilFailing(t, p.name, "status")
	p.reply(typed("text/html", page))
	untilFailing(t, p.name, "content")
	p.publish(expired)
	untilFailing(t, p.name, "none")
	s.want("always.example", denies)
	p.publish(edition(2))
	s.until("edition2.example", denies)
	var got []string
	for _, line := range logged.with(p.name) {
		for _, word := range []string{"has expired", "fetching it", ": 404", "text/html", "fresh again", "serial 1", "serial 2"} {
			if strings.Contains(line, word) {
				got = append(got, word)
			}
		}
	}
	if want := "[fetching it serial 1 has expired : 404 text/html fresh again serial 2]"; fmt.Sprint(got) != want {
		t.Errorf("The log says %v, want %s: %q", got, want, logged.with(p.name))
	}
}
