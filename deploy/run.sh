#!/bin/sh
# Serves corefile.example with the given resolver, on the port in PORT, and its help
# page on the one in PAGE.
set -eu
resolver=$1
port=${PORT:-1053}
page=${PAGE:-8080}
hosts="127.0.0.1 ::1"
pages="127.0.0.1:$page [::1]:$page"
if [ "$(uname)" = Linux ] && ! grep -qs '^0\{31\}1 ' /proc/net/if_inet6; then
  echo "This machine has no IPv6 loopback address: serving on 127.0.0.1 only." >&2
  hosts="127.0.0.1"
  pages="127.0.0.1:$page"
fi
if ! grep -qs '^nameserver' /etc/resolv.conf; then
  echo "/etc/resolv.conf names no resolver to ask about names that are not blocked." >&2
  exit 1
fi
if [ "$port" = 53 ] && grep -qsE '^nameserver +(127\.0\.0\.1|::1)$' /etc/resolv.conf; then
  echo "/etc/resolv.conf names this machine: what is not blocked would be asked of this server again and again." >&2
  echo "Give the forward plugin in a Corefile of your own another resolver." >&2
  exit 1
fi
mkdir -p build
sed "s/^\.:1053 /.:$port /; s/^\( *bind\) .*/\1 $hosts/; s/^\( *page\) .*/\1 $pages/" corefile.example >build/Corefile
echo "Serving DNS on $hosts, port $port. Ctrl-C ends it. In another terminal:"
echo "    dig @127.0.0.1 -p $port blocked.example"
echo "The page that helps whoever was led to such a site: http://127.0.0.1:$page/"
exec "$resolver" -conf build/Corefile
