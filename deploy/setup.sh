#!/bin/sh
# Installs what the tests need and the machine lacks: a C compiler for the race
# detector, dig, kdig and curl to ask the server as a stranger would, minisign to make
# and verify signatures as one would, BIND and Knot DNS to transfer zones from, dnsmasq,
# Unbound and systemd-resolved to forward to it, PowerDNS Recursor, Knot Resolver,
# dnsdist and the library of AdGuard Home to use what lists are converted to, Chromium,
# axe-core and the Nu HTML checker to look at the help page, Grafana's types to check the dashboard, web servers to serve it,
# ip and nft to make networks with firewalls, Prometheus and fstrm to watch the server and to make reports of it,
# shellcheck, sqlite3 and plistutil to read what the guides show,
# systemd-nspawn to install the package in, rpm, man and busybox to look at the packages, zsh and fish,
# QEMU to be the processor of a router.
# As root or with sudo it installs them on Debian and Ubuntu; elsewhere it says what
# is missing.
set -eu
PATH=$PATH:/usr/sbin:/usr/local/sbin # where servers are, and not in every user's PATH
missing=""
need() { command -v "$1" >/dev/null 2>&1 || missing="$missing $2"; }
need gcc "gcc libc6-dev"
need dig bind9-dnsutils
need kdig knot-dnsutils
need named bind9
need knotd knot
need unbound unbound
need dnsmasq dnsmasq-base
need pdns_recursor pdns-recursor
need kresd knot-resolver
ls /usr/lib/*/lua/5.1/_cqueues.so >/dev/null 2>&1 || missing="$missing lua-cqueues" # for it to watch files
need dnsdist dnsdist
need curl curl
[ "$(uname)" != Linux ] || need ip iproute2
[ "$(uname)" != Linux ] || need nft nftables
need minisign minisign
command -v google-chrome >/dev/null 2>&1 || need chromium chromium
need nginx nginx
need apache2 apache2
need caddy caddy
need java default-jre-headless
need npm npm
need promtool prometheus
need fstrm_capture fstrm-bin
need shellcheck shellcheck
need sqlite3 sqlite3
need plistutil libplist-utils
packaging() { need systemd-nspawn systemd-container; need adduser adduser; need rpm rpm; need man man-db; need busybox busybox; need zsh zsh; need fish fish; }
[ "$(uname)" != Linux ] || packaging
emulated() { need qemu-aarch64-static qemu-user-static; need qemu-arm-static qemu-user-static; need qemu-mipsel-static qemu-user-static; }
[ "$(uname)" != Linux ] || emulated

# axe-core, the checker and Grafana's types come from npm, just as the lock file has them.
page_tools() {
  lock=package-lock.json dir=build/browser
  if cmp -s testdata/browser/$lock $dir/$lock && [ -e $dir/node_modules/.$lock ]; then return; fi
  mkdir -p $dir
  cp testdata/browser/package.json testdata/browser/$lock $dir/
  npm ci --prefix $dir --ignore-scripts --no-audit --no-fund ||
    echo "Missing for the tests: axe-core, the HTML checker and Grafana's types, which npm could not install." >&2
}

# The library of AdGuard Home is a module that the programs themselves do not need.
adguard() {
  ${GO:-go} mod download -C testdata/adguard ||
    echo "Missing for the tests: the library of AdGuard Home, which go could not download." >&2
}
adguard

# systemd-resolved is unpacked only: where it is installed, it takes over.
unpack_resolved() {
  [ "$(uname)" = Linux ] || return 0
  for root in "" build/resolved; do
    for path in /usr/lib/systemd /lib/systemd; do
      if [ -x $root$path/systemd-resolved ]; then return 0; fi
    done
  done
  mkdir -p build/resolved &&
    (cd build/resolved && apt-get download -q systemd-resolved libsystemd-shared && for p in *.deb; do dpkg-deb -x "$p" . && rm "$p" || exit 1; done)
}
resolved=""
unpack_resolved >/dev/null 2>&1 || resolved=" systemd-resolved"
if [ -z "$missing$resolved" ]; then
  page_tools
  exit 0
fi

if [ "$(id -u)" = 0 ]; then as=""; elif sudo -n true 2>/dev/null; then as="sudo"; else as="no"; fi
if [ "$as" = no ] || ! command -v apt-get >/dev/null 2>&1; then
  echo "Missing for the tests:$missing$resolved. Please install them; tests that need one are skipped and say so." >&2
  command -v gcc >/dev/null 2>&1 || { echo "Without a C compiler the race detector cannot run; 'make check' does without it." >&2; exit 1; }
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive

# The tests start servers of their own: those of the packages must stay off, now
# and when the machine starts again.
policy=/usr/sbin/policy-rc.d
off() {
  [ "$ours" = no ] || $as rm -f $policy
  for server in bind9:named knot:knot unbound:unbound unbound:unbound-resolvconf pdns-recursor:pdns-recursor \
    knot-resolver:kresd.target knot-resolver:kres-cache-gc dnsdist:dnsdist nginx:nginx apache2:apache2 caddy:caddy \
    prometheus:prometheus; do
    case "$missing " in *" ${server%:*} "*) $as systemctl disable "${server#*:}" >/dev/null 2>&1 || true ;; esac
  done
}
ours=no
if [ ! -e $policy ]; then
  ours=yes
  printf '#!/bin/sh\nexit 101\n' | $as tee $policy >/dev/null
  $as chmod 755 $policy
fi
trap off EXIT

$as apt-get update -q
there=""
for package in $missing; do
  if apt-cache show "$package" >/dev/null 2>&1; then there="$there $package"; else
    echo "Not packaged here: $package. Please install it; tests that need it are skipped and say so." >&2
  fi
done
# shellcheck disable=SC2086 # a list of packages
$as apt-get install -y -q --no-install-recommends $there
unpack_resolved || echo "systemd-resolved could not be unpacked; the test that needs it is skipped and says so." >&2
if command -v npm >/dev/null 2>&1; then page_tools; fi
