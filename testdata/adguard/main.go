// Adguard judges names as AdGuard Home does: by a list in its own format, with its
// own library. It is a module by itself, which only a test needs.
//
//	adguard LIST
//
// Each line of the standard input is a name and a type, each line of the standard
// output "NXDOMAIN" or "passes".
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/AdguardTeam/urlfilter"
	"github.com/AdguardTeam/urlfilter/filterlist"
	"github.com/miekg/dns"
)

func main() {
	if len(os.Args) != 2 {
		fail("usage: adguard LIST")
	}
	engine, err := load(os.Args[1])
	if err != nil {
		fail(err)
	}
	if err := judge(engine, os.Stdin, os.Stdout); err != nil {
		fail(err)
	}
}

func fail(why any) {
	fmt.Fprintln(os.Stderr, "adguard:", why)
	os.Exit(2)
}

// load reads a list as AdGuard Home reads a blocklist.
func load(file string) (*urlfilter.DNSEngine, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	list := filterlist.NewBytes(&filterlist.BytesConfig{RulesText: text, IgnoreCosmetic: true, ID: 1})
	storage, err := filterlist.NewRuleStorage([]filterlist.Interface{list})
	if err != nil {
		return nil, err
	}
	return urlfilter.NewDNSEngine(storage), nil
}

// judge answers each line.
func judge(engine *urlfilter.DNSEngine, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		name, kind, _ := strings.Cut(lines.Text(), " ")
		qtype, ok := dns.StringToType[kind]
		if !ok {
			return fmt.Errorf("%q is not a name and a type", lines.Text())
		}
		verdict := "passes"
		if blocks(engine, name, qtype) {
			verdict = "NXDOMAIN"
		}
		if _, err := fmt.Fprintln(out, verdict); err != nil {
			return err
		}
	}
	return lines.Err()
}

// blocks says what AdGuard Home makes of what its library finds: an exception is a
// rule as well. It asks for names in lower case, without the dot behind them.
func blocks(engine *urlfilter.DNSEngine, name string, qtype uint16) bool {
	host := strings.ToLower(strings.TrimSuffix(name, "."))
	found, ok := engine.MatchRequest(&urlfilter.DNSRequest{Hostname: host, DNSType: qtype})
	if !ok {
		return false
	}
	if found.NetworkRule != nil {
		return !found.NetworkRule.Whitelist
	}
	return len(found.HostRulesV4) > 0 || len(found.HostRulesV6) > 0
}
