package source

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

func TestPublic(t *testing.T) {
	for a, want := range map[string]bool{
		"1.1.1.1": true, "9.255.255.255": true, "11.0.0.0": true, "100.63.255.255": true, "100.128.0.0": true, "172.15.255.255": true,
		"172.32.0.0": true, "192.167.255.255": true, "198.17.255.255": true, "198.20.0.0": true, "223.255.255.255": true,
		"0.0.0.0": false, "0.1.2.3": false, "10.0.0.0": false, "10.255.255.255": false, "100.64.0.0": false, "100.127.255.255": false,
		"127.0.0.1": false, "127.255.255.255": false, "169.254.169.254": false, "172.16.0.0": false, "172.31.255.255": false,
		"192.0.0.1": false, "192.0.2.1": false, "192.168.0.0": false, "192.168.255.255": false, "198.18.0.0": false, "198.19.255.255": false,
		"198.51.100.1": false, "203.0.113.1": false, "224.0.0.1": false, "239.255.255.255": false, "240.0.0.1": false, "255.255.255.255": false,
		"2606:4700::1": true, "2001:200::1": true, "2a00::1": true, "3ffe::1": true, "64:ff9b::808:808": true,
		"::": false, "::1": false, "::7f00:1": false, "::ffff:127.0.0.1": false, "::ffff:8.8.8.8": false, "64:ff9b::7f00:1": false,
		"64:ff9b::a00:1": false, "64:ff9b::": false, "64:ff9b:1::808:808": false, "100::1": false, "2001::1": false, "2001:2::1": false,
		"2001:db8::1": false, "2002:7f00:1::": false, "2002:808:808::": false, "3fff::1": false, "4000::1": false, "5f00::1": false,
		"fc00::1": false, "fdff::1": false, "fe80::1": false, "fe80::1%eth0": false, "fec0::1": false, "ff02::1": false,
	} {
		if got := isPublic(netip.MustParseAddr(a)); got != want {
			t.Errorf("isPublic(%s) = %v", a, got)
		}
	}
	if isPublic(netip.Addr{}) {
		t.Error("No address is public")
	}
}

func TestJudge(t *testing.T) {
	c := NewClient(ClientConfig{Hosts: []string{"10.0.0.1", "FD00:0::1", "127.1", "Bücher.example"}})
	for host, want := range map[string]bool{
		"lists.example": true, "1.example": true, "xn--bcher-kva.example": true, "0x7g": true, "0xlists.example": true, "1.1.1.1": true,
		"10.0.0.1": true, "10.0.0.1.": true, "fd00::1": true, "127.1": true, "10.0.0.2": false, "fd00::2": false, "10.2": false,
		"1": false, "0": false, "0x": false, "0x7f000001": false, "017700000001": false, "1.2.3.4.5": false, "lists.0XA": false, ".": false,
	} {
		u := &url.URL{Scheme: "https", Host: host}
		if strings.Contains(host, ":") {
			u.Host = "[" + host + "]"
		}
		if err := c.judge(u); (err == nil) != want {
			t.Errorf("judge(%q) = %v", host, err)
		}
	}
	c = NewClient(ClientConfig{Hosts: []string{"10.0.0.1:8080", "[fd00::1]:443"}})
	for text, want := range map[string]bool{
		"http://10.0.0.1:8080/": true, "http://10.0.0.1/": false, "https://10.0.0.1:8081/": true, "http://10.0.0.1:8081/": false, "https://[fd00::1]/": true, "http://[fd00::1]/": false,
	} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.judge(u); (err == nil) != want {
			t.Errorf("judge(%s) = %v", text, err)
		}
	}
	c = NewClient(ClientConfig{Hosts: []string{"Bücher.example"}})
	for _, host := range []string{"bücher.example", "BÜCHER.example.", "xn--bcher-kva.example"} {
		if !c.hosts[canonicalHost(host)] {
			t.Errorf("%s is not named", host)
		}
	}
}
