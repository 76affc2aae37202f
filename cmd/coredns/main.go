// Command coredns is the resolver: CoreDNS with the nonudify plugin and the
// plugins that a resolver needs.
//
// Left out are the sources of authoritative data in clouds and clusters, whose
// SDKs are most of stock CoreDNS's 80 MB; dnssec, which signs zones and brings
// one of these SDKs along; auto, which serves the zones of a directory, as file does
// one by one; and pprof, 0.4 MB that serve only a developer.
package main

import (
	"os"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"

	_ "github.com/coredns/coredns/plugin/acl"
	_ "github.com/coredns/coredns/plugin/any"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/bufsize"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/cancel"
	_ "github.com/coredns/coredns/plugin/chaos"
	_ "github.com/coredns/coredns/plugin/debug"
	_ "github.com/coredns/coredns/plugin/dns64"
	_ "github.com/coredns/coredns/plugin/dnstap"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/file"
	_ "github.com/coredns/coredns/plugin/forward"
	_ "github.com/coredns/coredns/plugin/grpc_server"
	_ "github.com/coredns/coredns/plugin/header"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/hosts"
	_ "github.com/coredns/coredns/plugin/https"
	_ "github.com/coredns/coredns/plugin/https3"
	_ "github.com/coredns/coredns/plugin/loadbalance"
	_ "github.com/coredns/coredns/plugin/local"
	_ "github.com/coredns/coredns/plugin/log"
	_ "github.com/coredns/coredns/plugin/loop"
	_ "github.com/coredns/coredns/plugin/metadata"
	_ "github.com/coredns/coredns/plugin/metrics"
	_ "github.com/coredns/coredns/plugin/minimal"
	_ "github.com/coredns/coredns/plugin/multisocket"
	_ "github.com/coredns/coredns/plugin/nsid"
	_ "github.com/coredns/coredns/plugin/proxyproto"
	_ "github.com/coredns/coredns/plugin/quic"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/reload"
	_ "github.com/coredns/coredns/plugin/rewrite"
	_ "github.com/coredns/coredns/plugin/root"
	_ "github.com/coredns/coredns/plugin/secondary"
	_ "github.com/coredns/coredns/plugin/shed"
	_ "github.com/coredns/coredns/plugin/template"
	_ "github.com/coredns/coredns/plugin/timeouts"
	_ "github.com/coredns/coredns/plugin/tls"
	_ "github.com/coredns/coredns/plugin/transfer"
	_ "github.com/coredns/coredns/plugin/tsig"
	_ "github.com/coredns/coredns/plugin/view"
	_ "github.com/coredns/coredns/plugin/whoami"

	_ "github.com/nonudify/nonudify/plugin"
)

// directives is the order in which plugins see a query: that of stock CoreDNS,
// with nonudify after acl and before cache. There the cache holds only
// unfiltered data, and every answer is judged anew, for its client and by the
// current lists.
var directives = []string{
	"root", "metadata", "cancel", "proxyproto", "quic", "grpc_server", "https", "https3", "timeouts",
	"multisocket", "reload", "nsid", "bufsize", "bind", "debug", "ready", "health", "shed",
	"prometheus", "errors", "log", "dnstap", "local", "dns64", "any", "chaos", "loadbalance", "tsig",
	"rewrite", "acl", "nonudify", "cache", "header", "tls", "minimal", "template", "transfer", "hosts",
	"file", "secondary", "loop", "forward", "whoami", "view",
}

// version is that of this project, stamped by the Makefile.
var version = "devel"

func main() {
	if err := dnsserver.SetDirectives(directives); err != nil {
		panic(err) // the list above is wrong
	}
	serviceOf(os.Getenv).watch()
	caddy.AppName = "nonudify " + version + ", CoreDNS"
	coremain.Run()
}
