#!/bin/sh
# Installs what the tests need and the machine lacks: a C compiler for the race
# detector, dig and kdig to ask the server as a stranger would, minisign to make and
# verify signatures as one would, BIND and Knot DNS to transfer zones from. As root
# or with sudo it installs them on Debian and Ubuntu; elsewhere it says what is
# missing.
set -eu
PATH=$PATH:/usr/sbin:/usr/local/sbin # where servers are, and not in every user's PATH
missing=""
need() { command -v "$1" >/dev/null 2>&1 || missing="$missing $2"; }
need gcc "gcc libc6-dev"
need dig bind9-dnsutils
need kdig knot-dnsutils
need named bind9
need knotd knot
need minisign minisign
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then as=""; elif sudo -n true 2>/dev/null; then as="sudo"; else as="no"; fi
if [ "$as" = no ] || ! command -v apt-get >/dev/null 2>&1; then
  echo "Missing for the tests:$missing. Please install them; tests that need one are skipped and say so." >&2
  command -v gcc >/dev/null 2>&1 || { echo "Without a C compiler the race detector cannot run; 'make check' does without it." >&2; exit 1; }
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive

# The tests start servers of their own: those of the packages must stay off, now
# and when the machine starts again.
policy=/usr/sbin/policy-rc.d
off() {
  [ "$ours" = no ] || $as rm -f $policy
  case "$missing " in *" bind9 "*) $as systemctl disable named >/dev/null 2>&1 || true ;; esac
  case "$missing " in *" knot "*) $as systemctl disable knot >/dev/null 2>&1 || true ;; esac
}
ours=no
if [ ! -e $policy ]; then
  ours=yes
  printf '#!/bin/sh\nexit 101\n' | $as tee $policy >/dev/null
  $as chmod 755 $policy
fi
trap off EXIT

$as apt-get update -q
# shellcheck disable=SC2086 # a list of packages
$as apt-get install -y -q --no-install-recommends $missing
