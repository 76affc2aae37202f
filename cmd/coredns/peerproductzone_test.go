//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// tableZone is the policy zone that products take from this server. It has the name that
// convert gives one, as a longer name would take room from those in it.
const tableZone = "nudify.rpz."

// The editions of the list that it is made of, by what the first name in it is.
const (
	firstName = "site0.example"
	otherName = "other0.example"
)

// zoneTaker is a product that takes the policy zone from this server.
type zoneTaker struct {
	name, program string
	config        string // what convert -config calls it
	start         func(t *testing.T, f productFiles) running
	// transfer is what in that configuration is replaced for a transfer, and by what: LIST
	// is the file, and PORT that of this server. Without it, the product reads the zone as a
	// file, which is fetched.
	transfer []string
}

var zoneTakers = []zoneTaker{
	{"ourselves", "", "", startFollower, []string{}},
	{"BIND", "named", "bind", startBIND, []string{
		"type primary;", `type secondary; primaries { 127.0.0.1 port PORT key "` + zoneKey + `"; };`,
		"options {", `key "` + zoneKey + `" { algorithm hmac-sha256; secret "` + zoneSecret + "\"; };\noptions {",
	}},
	{"Unbound", "unbound", "unbound", startUnbound, []string{ // which cannot sign
		"respip validator", "respip", "rpz-log: no", "rpz-log: no\n    primary: 127.0.0.1@PORT\n    allow-notify: 127.0.0.1",
	}},
	{"PowerDNS", "pdns_recursor", "powerdns-lua", startPowerDNS, []string{ // which hears of no change, and looks by itself
		`rpzFile("LIST", {`, `rpzPrimary({"127.0.0.1:PORT"}, "nudify.rpz", {refresh=1, tsigname="` + zoneKey + `", tsigalgo="hmac-sha256", tsigsecret="` + zoneSecret + `", `,
	}},
	{"Knot", "kresd", "knot5", startKnotResolver, nil},
}

// startFollower starts another one of us. What it does once the list is there is to keep
// that over a restart.
func startFollower(t *testing.T, f productFiles) running {
	t.Helper()
	program, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	p := newPeer(t, program)
	r := p.runs(nil, "-conf", p.write("Corefile", fmt.Sprintf(`.:%s {
    bind 127.0.0.1
    tsig {
        secret %s %s
    }
    nonudify {
        list axfr://127.0.0.1:%s/nudify.rpz?tsig=%s
        state %s
    }
    cache
    forward . %s
}
`, p.port, zoneKey, zoneSecret, f.source, zoneKey, p.dir, f.upstream)))
	p.untilDenied()
	return r
}

// zoneTable is what is asked, and of whom.
type zoneTable struct {
	*testing.T
	primary   *hiddenPrimary
	serial    uint32
	questions []inquiry
	names     []string // of the products
	products  map[string]running
	list      string // the file for those that read one
	upstream  string
}

// TestProductsZone has each product that knows policy zones take that of this server,
// signed where it can sign, and asks all of them what TestProducts does: to begin with,
// after a change that comes by IXFR, which adds and removes names, after a rollback, and
// after a restart of this server and of theirs.
func TestProductsZone(t *testing.T) {
	t.Parallel()
	z := newZoneTable(t)
	z.holds("first transfer", firstName)
	z.becomes("IXFR", otherName)
	z.becomes("rollback", firstName)
	z.primary.stop()
	z.primary.start()
	z.holds("restart of this server", firstName)
	z.becomes("IXFR after that", otherName)
	for _, name := range z.names[1:] {
		z.products[name].again()
	}
	z.holds("restart of theirs", otherName)
	z.becomes("rollback after that", firstName)
	if n := z.primary.transfers("incremental"); n < 2*3 {
		t.Errorf("%v incremental transfers since the restart: those of two changes to three products and more are missing", n)
	}
}

// newZoneTable starts this server, the products, and this server once more: it is to tell
// them of changes.
func newZoneTable(t *testing.T) *zoneTable {
	t.Helper()
	z := &zoneTable{
		T: t, primary: newHiddenPrimary(t, tableZone, freePort(t), "", "TOLD"), products: map[string]running{},
		list: filepath.Join(t.TempDir(), "nudify.rpz"), upstream: serveBoth(t, dns.HandlerFunc(answerAll)),
	}
	z.questions = slices.DeleteFunc(inquiries(), func(q inquiry) bool { return slices.Contains(losses["rpz"].through, q.title) })
	corefile := strings.Replace(z.primary.corefile, "    whoami", "    cache\n    forward . "+z.upstream, 1)
	z.primary.corefile = strings.Replace(corefile, "127.0.0.1:TOLD", "", 1)
	z.edit(firstName)
	z.primary.start()
	z.serial = z.primary.publishes(0, firstName).serial
	z.fetch()
	own := &peer{t: t, host: "127.0.0.1", port: z.primary.port}
	z.names, z.products["this server"] = []string{"this server"}, running{asks: own.asks}
	var told []string
	for _, taker := range zoneTakers {
		if taker.program != "" && located(taker.program) == "" && os.Getenv("CI") == "" {
			t.Logf("%s is not installed, and not asked; make setup does", taker.program)
			continue
		}
		r := taker.start(t, z.files(taker))
		z.names, z.products[taker.name] = append(z.names, taker.name), r
		told = append(told, "127.0.0.1:"+r.port)
	}
	z.primary.stop()
	z.primary.corefile = strings.Replace(corefile, "127.0.0.1:TOLD", strings.Join(told, " "), 1)
	z.primary.start()
	return z
}

// files returns what a product is started with.
func (z *zoneTable) files(taker zoneTaker) productFiles {
	z.Helper()
	f := productFiles{source: z.primary.port, upstream: z.upstream}
	copied := filepath.Join(z.TempDir(), "nudify.rpz")
	if taker.transfer == nil {
		copied = z.list
	}
	if taker.config != "" {
		f.settings = string(nonudify(z.T, "convert", "-config", taker.config, copied))
	}
	names := strings.NewReplacer("LIST", copied, "PORT", z.primary.port)
	replaced := make([]string, len(taker.transfer))
	for i, text := range taker.transfer {
		replaced[i] = names.Replace(text)
	}
	f.settings = swapped(z.T, f.settings, replaced...)
	return f
}

// edit writes an edition of the list.
func (z *zoneTable) edit(name string) {
	z.Helper()
	z.primary.scenario.write(z.primary.file, []byte(strings.Replace(productList(), "||"+firstName+"^", "||"+name+"^", 1)))
}

// fetch has the zone in a file, as a timer does for those that read files.
func (z *zoneTable) fetch() {
	z.Helper()
	dir := filepath.Dir(z.list)
	key := filepath.Join(dir, "transfer.key")
	putFile(z.T, key, fmt.Appendf(nil, "key %q { algorithm hmac-sha256; secret %q; };\n", zoneKey, zoneSecret))
	zone := filepath.Join(dir, "nudify.zone")
	nonudify(z.T, "fetch", "-tsig", key, "-o", zone, "axfr://127.0.0.1:"+z.primary.port+"/nudify.rpz?tsig="+zoneKey)
	nonudify(z.T, "convert", "-to", "rpz", "-o", z.list, zone)
}

// becomes publishes another edition and waits until it holds everywhere.
func (z *zoneTable) becomes(step, name string) {
	z.Helper()
	z.edit(name)
	gone := map[string]string{firstName: otherName, otherName: firstName}[name]
	before := z.serial
	z.serial = z.primary.publishes(before, name+" !"+gone).serial
	if int32(z.serial-before) <= 0 {
		z.Errorf("%s: serial %d after %d", step, z.serial, before)
	}
	z.fetch()
	z.holds(step, name)
}

// holds asks all products about all names of an edition, as soon as they have it.
func (z *zoneTable) holds(step, name string) {
	z.Helper()
	questions := z.expected(name)
	outcomes := map[string][]string{}
	var mu sync.Mutex
	var asking sync.WaitGroup
	for _, product := range z.names {
		r := z.products[product]
		asking.Go(func() {
			err := z.arrived(r, questions)
			got := r.asks(questions)
			mu.Lock()
			defer mu.Unlock()
			if outcomes[product] = got; err != nil {
				z.Errorf("%s: %s: %v", step, product, err)
			}
		})
	}
	asking.Wait()
	results := &table{}
	for _, product := range z.names {
		p := zoneProduct
		p.name = product
		p.judge(z.T, questions, outcomes[product], results)
	}
	z.Logf("%s, serial %d:", step, z.serial)
	results.log(z.T)
}

// zoneProduct is what the format of the zone costs whoever takes it: nothing of what is
// asked here.
var zoneProduct = product{to: "rpz"}

// expected returns the questions with the verdicts of an edition.
func (z *zoneTable) expected(name string) []inquiry {
	questions := slices.Clone(z.questions)
	for i := range questions {
		q := &questions[i]
		if dns.IsSubDomain(firstName+".", q.name) || dns.IsSubDomain(otherName+".", q.name) {
			q.denied = dns.IsSubDomain(name+".", q.name)
			q.title = map[bool]string{true: "listed now", false: "not listed now"}[q.denied]
		}
	}
	return questions
}

// arrived waits until a product knows what is new and what is gone.
func (z *zoneTable) arrived(r running, questions []inquiry) error {
	var tells []inquiry
	for _, q := range questions {
		if q.qtype == dns.TypeA && (q.name == firstName+"." || q.name == otherName+".") {
			tells = append(tells, q)
		}
	}
	return poll(func() error {
		for i, got := range r.asks(tells) {
			if tells[i].denied == (got == passing) {
				return errors.New(tells[i].String() + ": " + got)
			}
		}
		return nil
	})
}
