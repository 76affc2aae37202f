package rpz

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/rule"
)

// ErrAddress marks an rpz-ip owner that is not the prefix of an address, to be
// tested with errors.Is.
var ErrAddress = errors.New("not the prefix of an address")

// responseIP is the last label of an owner that means addresses in answers.
const responseIP = "rpz-ip"

// ParseAddress returns the rule that one record of the policy zone stands for if
// its trigger is an address in an answer (draft-vixie-dnsop-dns-rpz-00 §4.3).
// owner, origin and target are as for Parse, and so are the actions.
//
//	24.0.2.0.192.rpz-ip       CNAME .              block address 192.0.2.0/24
//	48.zz.1.db8.2001.rpz-ip   CNAME *.             block address 2001:db8:1::/48
//	32.9.2.0.192.rpz-ip       CNAME rpz-passthru.  pass address 192.0.2.9/32
//
// The length comes first, then the address from its end: octets in decimal, or
// words in hex, where one "zz" stands for any run of words that are zero. The
// errors are ErrSkip, ErrTrigger for any other trigger, ErrAction, ErrOutOfZone
// and ErrAddress.
func ParseAddress(origin, owner string, rrtype uint16, target string) (rule.Rule, error) {
	trigger, err := triggerOf(origin, owner, rrtype)
	if err != nil {
		return rule.Rule{}, err
	}
	cut := strings.LastIndexByte(trigger, '.')
	if !strings.EqualFold(trigger[cut+1:], responseIP) {
		return rule.Rule{}, ErrTrigger
	}
	prefix, err := parsePrefix(trigger[:max(0, cut)])
	if err != nil {
		return rule.Rule{}, err
	}
	act := action(trigger, target)
	if rrtype != dns.TypeCNAME || act == rule.None {
		return rule.Rule{}, ErrAction
	}
	return rule.Rule{Prefix: prefix, Trigger: rule.Address, Action: act}, nil
}

// IsAddress reports whether an owner, relative to the zone, is one of rules about
// addresses, or what all of them are below.
func IsAddress(owner string) bool {
	return strings.EqualFold(owner[strings.LastIndexByte(owner, '.')+1:], responseIP)
}

// The labels of an address in full, its length included.
const (
	labelsOf4 = 1 + 4
	labelsOf6 = 1 + 8
)

// parsePrefix reads an owner without its last label.
func parsePrefix(text string) (netip.Prefix, error) {
	if strings.Count(text, ".") >= labelsOf6 {
		return netip.Prefix{}, wrong("too many labels")
	}
	labels := strings.Split(text, ".")
	slices.Reverse(labels)
	n := len(labels) - 1
	var addr netip.Addr
	var ok bool
	switch {
	case slices.ContainsFunc(labels[:n], isZeros) || n+1 == labelsOf6:
		addr, ok = parse6(labels[:n])
	case n+1 == labelsOf4:
		addr, ok = parse4(labels[:n])
	}
	bits, err := strconv.ParseUint(labels[n], 10, 8)
	switch {
	case !ok:
		return netip.Prefix{}, wrong("want its length, then four octets or eight words from the last to the first")
	case err != nil || labels[n][0] == '0' || int(bits) > addr.BitLen():
		return netip.Prefix{}, wrong(fmt.Sprintf("want a length from 1 to %d, without a leading zero", addr.BitLen()))
	case addr.Is4In6():
		return netip.Prefix{}, wrong("IPv4 inside of IPv6 is written as IPv4")
	}
	p := netip.PrefixFrom(addr, int(bits))
	if p != p.Masked() {
		return netip.Prefix{}, wrong("bits are set behind its length")
	}
	return p, nil
}

// wrong says what is wrong with an owner.
func wrong(why string) error { return fmt.Errorf("%w: %s", ErrAddress, why) }

// isZeros reports whether a label stands for a run of zeros.
func isZeros(label string) bool { return strings.EqualFold(label, "zz") }

// parse4 reads octets. A leading zero is refused: some read it as octal.
func parse4(octets []string) (netip.Addr, bool) {
	var a [4]byte
	for i, text := range octets {
		n, err := strconv.ParseUint(text, 10, 8)
		if err != nil || text[0] == '0' && len(text) > 1 {
			return netip.Addr{}, false
		}
		a[i] = byte(n)
	}
	return netip.AddrFrom4(a), true
}

// parse6 reads words, one of which may stand for a run of zeros.
func parse6(words []string) (netip.Addr, bool) {
	zeros := slices.IndexFunc(words, isZeros)
	if zeros >= 0 { // in its place, as many as are missing
		run := slices.Repeat([]string{"0"}, labelsOf6-len(words))
		words = slices.Concat(words[:zeros], run, words[zeros+1:])
	}
	if len(words) != labelsOf6-1 {
		return netip.Addr{}, false
	}
	var a [16]byte
	for i, text := range words {
		n, err := strconv.ParseUint(text, 16, 16)
		if err != nil || len(text) > 4 {
			return netip.Addr{}, false
		}
		binary.BigEndian.PutUint16(a[2*i:], uint16(n))
	}
	return netip.AddrFrom16(a), true
}

// addressOwner returns the owner of a rule about a prefix. Of IPv6, the first of the
// longest runs of two zero words or more is "zz", as text has it (RFC 5952 §4.2):
// there are readers that want no other spelling.
func addressOwner(p netip.Prefix) string {
	var labels []string
	if a := p.Addr(); a.Is4() {
		for _, octet := range a.As4() {
			labels = append(labels, strconv.Itoa(int(octet)))
		}
	} else {
		labels = labels6(a.As16())
	}
	slices.Reverse(labels)
	return fmt.Sprintf("%d.%s.%s", p.Bits(), strings.Join(labels, "."), responseIP)
}

// labels6 returns the words of an address in their order.
func labels6(a [16]byte) (labels []string) {
	first, run := 0, 0
	for i := 0; i < len(a); i += 2 {
		n := 0
		for i+2*n < len(a) && a[i+2*n] == 0 && a[i+2*n+1] == 0 {
			n++
		}
		if n > run {
			first, run = i, n
		}
	}
	for i := 0; i < len(a); i += 2 {
		if run > 1 && i == first {
			labels = append(labels, "zz")
			i += 2*run - 2
			continue
		}
		labels = append(labels, strconv.FormatUint(uint64(binary.BigEndian.Uint16(a[i:])), 16))
	}
	return labels
}
