// Package list reads and writes the formats in which lists are published.
//
// A Scanner turns a file into rules. Every line is one rule or several, is
// skipped as a comment, or is refused with its number and reason; one bad line
// never loses the rest, and no line blocks more than it says. What a line means
// at the level of names is decided here once, for all users of a list:
//
//	format     line                                    rule
//	domains    x                                       block subtree x
//	hosts      0.0.0.0 x y                             block subtree x, block subtree y
//	wildcard   *.x    .x    x                          block subtree x
//	adblock    ||x^   ||x^|   ||x|   x                 block subtree x
//	           ||*.x^                                  block below x
//	           |x^    |x|                              block exact x
//	           @@||x^ and so on                        pass, with the same trigger
//	dnsmasq    local=/x/y/   server=/x/                block subtree x, block subtree y
//	           address=/x/   address=/x/#   =/x/::     block subtree x
//	           local=/x/#    server=/x/#               pass subtree x
//	           local=/*.x/                             block below x
//	unbound    local-zone: "x" always_nxdomain         block subtree x
//	           local-zone: "x" transparent             pass subtree x
//	           local-data: "x A 0.0.0.0"               block exact x
//	rpz        x CNAME .                               block exact x
//	           *.x CNAME .                             block below x
//	           x CNAME rpz-passthru.                   pass exact x
//	hashes     5c0177c336babfdfcefe048cc66b814f        block subtree of the name with that hash
//
// The format compiled is no text, and is not read here: see set.Open. ParseHeader reads
// the comments that are in it.
//
// An address that leads nowhere (unspecified or loopback) blocks; any other
// would redirect, and such a line is refused. Names are read by dnsname.Parse:
// upper case, a trailing dot, U-labels and A-labels are fine, addresses and
// labels of more than 63 bytes are not. Whether a name may be blocked at all is
// not judged here: single labels and public suffixes are handed out like others.
//
// # Comments
//
// A line that begins with "#", "!", ";" or "//" is a comment in the formats of
// names, "!" and "#" in adblock, "#" in dnsmasq and unbound, ";" in rpz. Behind
// an entry a comment begins with "#" after a blank, in hosts with any "#"
// (hosts(5)), in rpz with ";". The lines of a hosts file about the machine
// itself (localhost, ip6-allnodes and so on) count as comments.
//
// # Adblock
//
// Patterns that are not a whole name are refused, not stretched: "||x" and
// "||x." would also match longer names, "x^" the ends of names, "||x/path",
// "||x:8080^" and "|https://x^" parts of a site, "/…/" is a regular expression,
// a single word a keyword. So are rules about parts of a page ("##", "#@#",
// "$$" and so on) and lines between "!#if" and "!#endif". A bare name and a
// hosts line mean what they mean in their own formats, as in AdGuard's and
// uBlock Origin's lists.
//
// A rule is used if it means no less without its modifiers:
//
//	modifier                           rule      why
//	important                          used      only ranks rules; here the longer name wins anyway
//	match-case  _                      used      no effect on names
//	all                                used      every kind of request is the whole name; refused with @@
//	dnsrewrite=NXDOMAIN  REFUSED       used      a denial (also with ";;"); refused with @@
//	dnsrewrite=NOERROR;;               used      a denial without data; refused with @@
//	dnsrewrite=0.0.0.0  ::             used      an address that leads nowhere; refused with @@
//	dnsrewrite, any other              refused   answers with data, or undoes rewrites only
//	document  doc  popup  script  …    refused   some kinds of request only
//	third-party  3p  ~third-party  1p  refused   depends on the page around
//	domain=  from=  to=  denyallow=    refused   depends on the page, or has holes
//	client=  ctag=  app=               refused   some clients only
//	dnstype=                           refused   some record types only
//	badfilter                          refused   takes back a rule that may have been read already
//	csp=  redirect=  removeparam=  …   refused   changes the answer of the site
//	any other                          refused   not known
//
// # Unbound
//
// The zone types always_nxdomain, always_null, always_nodata, always_refuse,
// always_deny, static, refuse, deny and inform_deny block; transparent,
// typetransparent, always_transparent and inform pass. A redirect zone blocks
// if the next entry is local-data of the same name with an address that leads
// nowhere, and is refused otherwise. block_a denies one record type only and is
// refused like all other types, and so are lines in a view: clause.
//
// # Policy zones
//
// Package rpz says what a record means. $ORIGIN, $TTL, "@", inherited owners,
// TTL and class in either order, quoted strings and records of up to 32 lines
// in parentheses are read; $INCLUDE and $GENERATE are refused. The zone's own
// name is the owner of the SOA record, else the first $ORIGIN. In a file with
// neither, relative owners are relative to it, and absolute ones are refused.
// After a line that may have held an owner or an origin and could not be read,
// records that would need it are refused until the next one.
//
// # Hashes
//
// A blinded list holds for each name the first 16 bytes of
// SHA-256("nudify-list/v1\0" ‖ salt ‖ name), see rule.HashName, as 32 hex digits
// in either letter case. The salt of 16 bytes stands in the header, before the
// first hash:
//
//	# Salt: 000102030405060708090a0b0c0d0e0f
//
// A file without one is refused as a whole, as is one in which another salt
// follows: half of its hashes would never match, and nobody would know. A plain
// name in a blinded list is refused. Publishers sort the hashes, so that their
// order says nothing of the names; any order is read.
//
// # Auto
//
// Each line among the first 64 KiB votes for the format that it can only belong
// to; comments and lines of two words vote for none. A line with nothing but a
// name votes for domains, and those votes count for wildcard as soon as one line
// begins with "*." or ".". Most votes win; a tie, or no vote at all, goes to the
// first of domains, wildcard, hosts, adblock, dnsmasq, unbound, rpz, hashes.
// Lines that do not fit the winner are refused one by one.
//
// # Writing
//
// Write is the inverse of a Scanner, for every format and for files that one
// product alone reads. What a line means to a Scanner is in the table above; of
// the others a line means what its product says:
//
//	target      blocks                   exceptions          the longest name counts
//	domains     subtree                  -
//	hosts       subtree                  -
//	wildcard    subtree                  -
//	adblock     exact, below, subtree    all                 no: exceptions win, but see below
//	dnsmasq     below, subtree           below, subtree      yes
//	unbound     exact, subtree           subtree             yes
//	rpz         exact, below, subtree    all                 yes, with records added
//	hashes      subtree                  -
//	pihole      exact, subtree           -
//	knot        exact, subtree           -                   a policy zone without exceptions
//	dnscrypt    exact, subtree           -
//	routeros    exact, subtree           -
//	cdb         subtree                  subtree             yes
//
// No file blocks what its list lets pass. A block that a target cannot express is
// narrowed to the name alone, if the target can say that, or left out: so is one
// for a subtree in which an exception lies, where there are no exceptions, or not one
// so long. An exception that cannot be expressed is widened to its subtree. Each is
// counted, and the header says how many. A block that an exception of the same name
// undoes is not written, nor is an exception that undoes nothing: a product that reads
// several lists could take it for one from what the others block.
//
// Lines that were refused are counted by the Scanner. WriteConfig hands on how many,
// so that the header says so as well.
//
// In adblock a block below an exception is made important, and an exception below
// that too; a block below that one is left out. In a policy zone names that exist
// only because longer ones do stop the wildcards above them (RFC 4592 §2.2.2), so
// that what the rules above say is said again for each, and counted. The zone's own
// records are relative, and its serial is that of the list.
//
// The header is written so that it is read again as what it is; what cannot be printed
// is left out. In adblock "Expires" is how often to look for a new edition, as the
// programs that read it understand it, and "Valid until" the end of the list's life.
//
// With Exact, whoever reads domains or hosts takes a line for the one name, as
// /etc/hosts does and not this package. Comments behind entries are not written:
// the rules come sorted, and to have the comments in that order all would have to
// be held.
//
// # List-ID
//
// CheckID says what the List-ID of a header, or of the record _list.meta of a policy
// zone, may be. The line of another is refused, and the rest of the list is used.
//
// # Limits
//
// A rule line is at most MaxLine bytes; a longer one is refused, a longer comment
// is still a comment. A Scanner holds 64 KiB of the file and the rules of one
// line. The number of lines is not limited.
package list
