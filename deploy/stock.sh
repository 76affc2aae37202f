#!/bin/sh
# Builds the full upstream CoreDNS with the plugin in it, the way its own
# documentation describes: a line in plugin.cfg, go generate, go build. It is
# the proof that the plugin fits a stock CoreDNS. The source is a copy of the
# module that go.mod names; the argument is where to.
set -eu
out=$1
here=$(pwd)
: "${GO:=go}"
rm -rf "$out"
mkdir -p "$out"
cp -R "$($GO list -m -f '{{.Dir}}' github.com/coredns/coredns)/." "$out"
chmod -R u+w "$out"
cd "$out"
sed -i 's#^cache:cache$#nonudify:github.com/nonudify/nonudify/plugin\n&#' plugin.cfg
grep -B1 '^cache:cache$' plugin.cfg
$GO run directives_generate.go
$GO mod edit -require github.com/nonudify/nonudify@v0.0.0 -replace "github.com/nonudify/nonudify=$here"
$GO mod tidy
CGO_ENABLED=0 $GO build -trimpath -tags grpcnotrace -ldflags "-s -w" -o "$here/bin/coredns-stock" .
cd "$here"
bin/coredns-stock -plugins | grep -x 'nonudify'
ls -l bin/coredns-stock
