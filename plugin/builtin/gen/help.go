package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/nonudify/nonudify/plugin/dnsname"
)

// errSuffix refuses a host that is a public suffix: with it, everybody who
// registers below it would be protected.
var errSuffix = errors.New("is a public suffix")

// service is a name that is protected together with everything below it.
type service struct {
	name            dnsname.Name
	category, basis string
}

// makeHelp returns the text of the protected names made from the hosts that we
// link to.
func makeHelp(text string) ([]byte, error) {
	rows, err := parseTable(hostsFile, text, "host", "category", "basis", "why")
	if err != nil {
		return nil, err
	}
	services := make([]service, 0, len(rows))
	for _, r := range rows {
		h, err := parseService(r)
		if err != nil {
			return nil, err
		}
		services = append(services, h)
	}
	return formatHelp(outermost(services)), nil
}

func parseService(r row) (service, error) {
	host, err := canonical(r.fields[0])
	if err != nil {
		return service{}, r.wrong(err)
	}
	if !isToken(r.fields[1]) || !isToken(r.fields[2]) {
		return service{}, r.wrong(errToken)
	}
	if isSuffix(host) {
		return service{}, r.wrong(errSuffix)
	}
	return service{site(host), r.fields[1], r.fields[2]}, nil
}

// site returns the host without a leading "www", so that the site's bare name
// and its other hosts are protected as well; the host itself where what is left
// is a public suffix, as with www.gov.uk.
func site(host dnsname.Name) dnsname.Name {
	rest, ok := strings.CutPrefix(string(host), "www.")
	if name := dnsname.Name(rest); ok && !isSuffix(name) {
		return name
	}
	return host
}

func isSuffix(name dnsname.Name) bool {
	suffix, _ := publicsuffix.PublicSuffix(string(name))
	return suffix == string(name)
}

// outermost returns the services sorted by name, without those that another one
// protects already; of the same name the first stays.
func outermost(services []service) []service {
	have := make(map[dnsname.Name]bool, len(services))
	for _, h := range services {
		have[h.name] = true
	}
	out := slices.DeleteFunc(slices.Clone(services), func(h service) bool {
		for above := range h.name.Suffixes() {
			if above != h.name && have[above] {
				return true
			}
		}
		return false
	})
	slices.SortStableFunc(out, func(a, b service) int { return strings.Compare(string(a.name), string(b.name)) })
	return slices.CompactFunc(out, func(a, b service) bool { return a.name == b.name })
}

func formatHelp(services []service) []byte {
	var b bytes.Buffer
	b.WriteString("# Title: Names of those who help, protected with everything below them\n")
	fmt.Fprintf(&b, "# Entries: %d\n# License: CC0-1.0\n", len(services))
	for _, h := range services {
		fmt.Fprintf(&b, "%s # category=%s basis=%s\n", h.name, h.category, h.basis)
	}
	return b.Bytes()
}
