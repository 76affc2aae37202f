// Command nonudify reads lists of "nudify" names as the resolver does, says what
// comes of it, fetches, compares, merges, converts, signs and publishes them. It also shows the page that
// helps those who were led to such a site, writes a first Corefile, finds what is wrong with a resolver, asks a running one
// how it is, and makes reports. Of the network only fetch asks anything, and doctor, status and report what they are told to.
//
//	nonudify check [-conf COREFILE [-client ADDRESS]] [-list FILE]... [-format FORMAT] [-allow NAME|FILE]... [-type TYPE] [-json] NAME...
//	nonudify lint [-format FORMAT] [-addresses] [-provenance] [-never FILE]... [-max N] [-json] FILE...
//	nonudify diff [-shrink PERCENT] [-summary] [-json] OLD NEW
//	nonudify convert [-to TARGET] [-format FORMAT] [-o OUT] [-exact] [-origin NAME] [-salt HEX] [-strict] [-json] [-config PRODUCT] FILE
//	nonudify compile [-format FORMAT] [-o OUT] [-json] LIST
//	nonudify merge [-o FILE] [-drop] FILE...
//	nonudify suggest [-in FILE] [-spare FILE]... [-max N] [-json] LIST...
//	nonudify stats [-old FILE] [-top N] [-json] LIST
//	nonudify publish [-o DIR] [-url URL] [-key FILE] [-passfile FILE] [-serial N|next] [-issued TIME] [-expires TIME|DAYS] [-previous FILE] [-salt HEX|FILE] [-comments WHICH] [-blinded] [-format FORMAT] [-provenance] [-never FILE]... [-organization NAME] [-policy URL] [-json] FILE
//	nonudify fetch [-conf COREFILE] [-key PUBKEY|FILE]... [-signature URL|FILE] [-id LIST-ID] [-format FORMAT] [-max BYTES] [-shrink PERCENT] [-bootstrap ADDRESS]... [-tsig FILE] [-o FILE] [-json] URL...
//	nonudify approve [-state DIR] [-conf COREFILE] [-json] [LIST|SOURCE ENTRIES]
//	nonudify keygen [-o NAME] [-passfile FILE] [-nopass] [-force]
//	nonudify sign [-key FILE] [-passfile FILE] [-comment TEXT] [-o SIG] [-force] FILE...
//	nonudify verify [-key PUBKEY|FILE]... [-signature SIG] [-json] FILE
//	nonudify page [-conf COREFILE] [-organization NAME] [-contact URI]... [-country CC]... [-language TAG]... [-reason REASON] [-incident NOTICE]... [-helplines FILE]... [-help URL] [-own] [-listen ADDRESS]... [-o DIR] [-certificate FILE] [-key FILE]
//	nonudify init [-o DIR] [-state DIR] [-n] [-force] [-y] [-listen ADDRESS]... [-port N] [-upstream ADDRESS]... [-page ADDRESS|off] [-country CC] [-language TAG] [-organization NAME] [-contact URI] [-staff PREFIX]... [-guests PREFIX]... [-list URL] [-key PUBKEY] family|school|isp
//	nonudify doctor [-conf COREFILE] [-user NAME] [-network] [-all] [-json]
//	nonudify status [-conf COREFILE] [-at URL|unix:PATH] [-passfile FILE] [-json]
//	nonudify report [-state DIR]... [-prometheus URL] [-month YYYY-MM] [-from DATE] [-to DATE] [-k N] [-school] [-handled FILE] [-organization NAME] [-to-format FORMAT] [-o FILE]
//	nonudify help [VERB]
//	nonudify version
//	nonudify completion bash|zsh|fish
//
// Results go to the standard output, everything else to the standard error.
// The exit code is 0 when all is fine, 1 for a finding, 2 for wrong use or
// something that could not be read or written. Flags and arguments may be mixed;
// what follows "--" is no flag. When the standard error is a terminal, a bar
// shows the progress of whatever takes more than a second.
//
// # Check
//
// check tells what becomes of names: the verdict, the list and the rule that
// decided, the line of the list in which that rule stands and the comment
// behind it, and the reply that a client with EDNS gets over UDP. Names may be
// written in any letter case, with a trailing dot, with U-labels or A-labels.
//
//	$ nonudify check -list demo.txt www.badsite.example
//	www.badsite.example: blocked
//	    rule        block subtree badsite.example
//	    list        demo.txt, serial 2026112201
//	    line        demo.txt:5
//	    comment     since=2026-02-10 category=nudify
//	    reason      filtered (EDE 17)
//	    answer      A NXDOMAIN, TTL 60, SOA badsite.example.
//	    error       EDE 17 Filtered: This site is blocked by a filter that was chosen for this connection.
//
// Without -conf and -list the built-in list is asked, with the default
// settings; -list builtin names it beside others. -format is that of the files
// given with -list, where it is not to be found out. With -conf, every server block
// of the Corefile that has a nonudify directive judges. Imports, snippets and
// environment variables are resolved as the server does it, and relative paths
// are taken from the block's root or else from the working directory.
//
// A list that comes over the network is read from its copy in the state directory,
// which neither is locked nor changes, and is verified as the server does when it
// starts. Its URL stands in the place of a file, and line numbers count within the
// list. Where there is no copy, or none that can be used, nothing is known of names
// that no other list blocks and no exception lets through: their verdict is "not
// known", and the exit code 2. 'nonudify fetch -conf COREFILE' gets what is missing.
// A copy also stands in for a file that cannot be used.
//
// A blinded list holds hashes. Those of the names that were asked for, and of the
// names above them, are known, and so a rule and its line are shown as they are
// for any other list.
//
// The verdict is one of
//
//	blocked     the answer that is shown is given, or with "action shadow" the query is only counted
//	passed      a list blocks the name, and something undoes it
//	not listed  no list blocks the name
//	not known   a list is missing that might block it; the answer that is shown is that of a
//	            server that waits for it, and with "start open" there is none
//
// "also" shows what each other list says of the name. "refused" shows rules for
// it that stand in a list and are not used, because nobody may block them:
// public suffixes and protected names.
//
// Unless -client gives an address, the verdict is that on a client for whom the
// policy is, and the clients of the directive are shown beside it. Queries for
// names outside of a block's zone, or in the longer zone of another block that
// listens at the same place, do not come to the block, and it lets them pass.
// Expressions of views are not computed: a block with a view judges as if its
// view held.
//
// With -json each line is an object for one name and one server block:
//
//	name     in canonical form
//	server   the keys of the server block; only with -conf
//	view     the name of its view
//	verdict  blocked, passed, not listed or not known
//	why      of passed: allow (by the operator), exception (of the list), client (not one
//	         of those that the policy is for), zone (queries do not come to the directive)
//	instead  with zone: the server block that they go to
//	match    the rule that decided: list, action (block or pass), trigger (exact, below or
//	         subtree), rule (its name), file, line, comment
//	serial   of the list that decided
//	reason   filtered, blocked or censored
//	also     rules of other lists, like match
//	refused  rules that are not used, like match, each with refused: the reason
//	clients  whom the policy is for: only (nothing for everybody), except
//	shadow   true when the verdict is counted and not acted on
//	answer   type, rcode, addresses, ttl (seconds), soa (owner), ede (code, name, text)
//	missing  lists that are not there: list, source, reason
//	warnings what is wrong with lists that are there: expired, or not the newest one, in words
//
// Fields without a value are left out. file is "builtin" for the built-in list
// and "-allow" for a name from the command line. For the host of a list, which no
// list can block, it is the Corefile, and the comment says so. For a name of the
// directive's bypass the list is "bypass", the comment its kind, and there is no file.
//
// # Lint
//
// lint reads lists plain or packed with gzip or zstd. It writes "file:line: reason"
// for every line or entry of a list that the resolver refuses, at most -max of them for each file, and then a summary: the
// format that was found, the header, how many rules, comments and refused
// entries there are, and the memory that the list takes in a server. "duplicates"
// counts rules beyond what each name needs, which is one, or two in a policy zone
// that means a name and what is below it; "covered" counts the names that would be
// blocked without their lines, because a name above them is. Neither is a fault.
// The address triggers of a policy zone are refused unless -addresses is given, as
// they are by a server without "addresses on" for the list; a note counts them.
// In a blinded list nobody but its publisher can tell what is covered, and what is
// no name or may not be blocked, but for the protected names: these are refused.
//
// A list of which one of the first 1000 entries names its sources, in a comment of the
// form that docs/publisher.md describes, is the source of a list: what its publisher
// edits, and answers for. With -provenance every list is taken for one. Its entries
// are held to more rules, and what is wrong comes as "file:line: severity: name: text
// (code)", at most -max times, before the summary:
//
//	error    no-provenance, remark, provenance (the comment is missing, free text, or cannot be
//	         read), no-source, late-source (the first, behind 1000 entries without), link (a source on
//	         the listed site itself), private (a source that is somebody's address, or has a
//	         password), duplicate, future, order (of its days), appeal-upheld, never (a name that
//	         plugin/builtin/lookalikes.tsv or a file of -never spares, or one above or below it)
//	warning  covered (by an entry above it), few-sources (one, and high confidence), review-due (after
//	         90 days), no-review (nor a day on which the list was issued), appeal-due (open for more
//	         than 14 days), look-alike (of a protected name), mixed-script, confusable
//	hint     few-sources, no-category, no-confidence, stale (no source has held it for a year),
//	         appeal-open, person (reads like the name of somebody)
//
// An entry without a review of its own was reviewed on the day that the list was issued.
//
// The exit code is 1 when a file would be refused as a whole, when any line is,
// when the header contradicts the file: it has expired, or counts other
// entries than there are, and when there is an error or a warning.
//
// With -json it writes one array with an object for each file:
//
//	file        its name, "stdin" for the standard input
//	format      what it was read as, auto when it is no list at all
//	header      title, id, version, serial, issued, modified, expires, entries, homepage, appeals, license, salt
//	taken       whether a server would use it; error says why not
//	rules       that may be used; blocks and passes are the two kinds
//	comments    lines without an entry; 0 in a file that is not taken
//	refused     lines or entries; reasons counts them by reason
//	lines       the refused ones: line, code (top-level, public-suffix, protected, above-protected,
//	            or line), reason; more is the number of those left out
//	duplicates  and covered, as above; 0 in a file that is not taken, covered also in a blinded one
//	memory      in bytes; 0 in a file that is not taken
//	findings    contradictions, in words
//	notes       what could be better, in words
//	provenance  entries that have it; with the next three only of the source of a list
//	codes       code, severity and count of its issues
//	issues      line (not of what is about the whole list), name, code, severity, text
//	omitted     the number of issues left out
//
// # Diff
//
// diff compares two editions of a list, in whatever formats they are, as the
// resolver would read them: plain or packed with gzip or zstd, without the lines
// that it refuses. It writes a line for each name that is not the same, and then
// a summary.
//
//	$ nonudify diff old.txt new.txt
//	~ other.example block subtree -> block exact
//	+ new.example block subtree
//	- fourth.test block subtree
//	old.txt -> new.txt: they differ
//	    serial      2026112101 -> 2026112201
//	    rules       5 -> 5
//	    refused     0 -> 0
//	    names       1 added, 1 removed, 1 changed, 3 the same
//	    share       60 %
//	    resolver    would take it
//
// The names come in the order of their text read from its end, so that those
// under one domain stand together, and none has to be kept in memory. "share" is
// how many names differ, in percent of those of OLD. The last lines say whether a
// resolver that has OLD would take NEW: its rules must not fall by more than
// -shrink percent, its List-ID be the same, its serial not be an older one. Of
// lists of hashes only the numbers are compared.
//
// Where both lists have provenance, a name of which something else is known has a
// line, too, and is counted under "provenance":
//
//	= other.example confidence medium -> high, sources +press@2026-11-20, appeal none -> open:2026-11-21
//
// With -summary it writes nothing but one paragraph that fits a changelog. It has no
// names in it, because a changelog is read where a list is not:
//
//	Edition 2026112201 of 2026-11-22 lists 105 names. Since edition 2026112101 of 2026-11-21 7 names were
//	added and 2 names were removed. Of the entries that stayed, 2 have more confidence and 1 has a new appeal.
//
// The exit code is 1 when any name, its provenance, or any field of the header differs.
//
// With -json each line is an object. All but the last are for one name:
//
//	name    in canonical form
//	change  added, removed, changed, or restated: only its provenance is another
//	old     what OLD says of it: block and pass, each exact, below or subtree; not of restated
//	new     what NEW says of it
//	provenance  what else is known: key, old, new; a key "comment" is for what cannot be read
//
// The last one is for the lists:
//
//	old      file, format, header (as lint has it), rules, refused, names
//	new      the same of the other
//	added    names, as removed, changed and same; 0 of blinded lists
//	share    in percent
//	fall     by how many percent the number of rules falls; negative when it rises
//	taken    whether the resolver would take NEW; reasons says in words why not
//	blinded  true when the names could not be compared
//	restated entries that both hold and whose provenance is another, and of these: risen and fallen
//	         (confidence), category, sources, reviewed, and opened, upheld, rejected (appeals)
//	summary  the paragraph of -summary
//
// # Merge
//
// merge makes one source of several lists. What becomes of the provenance of a name that
// stands in more than one:
//
//	since              the earliest
//	seen, review       the latest
//	sources            all, or the newest 64
//	confidence         the highest
//	category           that of the list that comes first; a contradiction
//	appeal             the later state; a contradiction
//	note               both; a contradiction, unless one holds the other
//
// A contradiction is written to the standard error with the place of the second one, and
// what was taken, and so is each line that is left out because the resolver refuses it.
// A rule that a source cannot say, an exception for instance, and provenance that cannot
// be read, end the run before anything is written. No list has more than 262,144 names.
//
// Of more than 64 sources, or more than fit into 3800 bytes, those with the oldest day
// behind their "@" are left out, and those without a day last; this is said as well.
//
// The header is that of the first list, and so are the comments and the fields in front
// of its first entry that this program does not know. Refused lines and comments between
// entries are left out. A list that has some is not replaced by -o, unless -drop is given.
//
// # Suggest
//
// suggest looks for mirrors of listed names among names that you have.
//
//	$ nonudify suggest -in registered-yesterday.txt nudify.txt
//	 95 badsite.test of badsite.example: the same label under another public suffix (suffix)
//	 70 getbadsite.test of badsite.example: with "get" before it (affix)
//
// Only the domain that somebody registered counts, by the list of public suffixes. What it
// takes for a likeness is meant to find few names wrongly, so it will miss some. A label
// with fewer than four letters is not compared, one with fewer than six only counts where
// it is the same, and a typo is sought from eight on, and not in the first letter: "sundress"
// is not "undress". The score orders the names and means nothing else. It keeps the -max
// likeliest in memory, whatever the size of the file, and seeks mirrors of at most
// 131,072 names of each list. -spare leaves out at most 262,144 names in all.
//
// Names with a line in plugin/builtin/lookalikes.tsv, and what is below them, are left
// out, and their labels count under another suffix only where they are listed.
//
// The exit code is 1 when there is something to look into. With -json each line is an
// object: name, listed, reason, score, why.
//
// # Stats
//
// stats counts the entries of one list; the text says the same as the JSON. It has
//
//	file, header  as lint has them
//	names         distinct ones; blocks and passes count rules
//	suffixes      of blocks, by public suffix: key and count, as all that follow
//	provenance    entries that have it and can be read; the following count these
//	categories    by category
//	confidence    high, medium, low, none
//	age           since "since", in words; seen the same since "seen"
//	sources_each  by number of sources: 0, 1, 2, 3 or more
//	sources       by source
//	appeals       open, upheld, rejected, none
//	reviews       overdue, due within 30 days, later; an entry without a review of its own was
//	              reviewed when the list was issued
//	churn         with -old: old (its file), added, removed, changed, restated, share, summary, as in diff
//
// Of suffixes and sources, those beyond the -top most frequent are counted as "others", and
// so are those, and categories, that come when there are 262,144 of a kind already.
//
// # Convert
//
// convert writes what the resolver would use of a list, or of "builtin", as something
// else: to the standard output, or with -o to a file that takes the place of its
// predecessor when it is complete. The rules come sorted by their text read from its
// end. The same list makes the same bytes, whenever that is.
//
//	$ nonudify convert -to hosts -o hosts.txt list.txt
//	nonudify: list.txt as hosts: 2 exceptions are left out, and nothing is blocked that they let pass.
//	hosts.txt: 1204 rules written
//
// domains, hosts, wildcard, adblock, dnsmasq, unbound, rpz and hashes are the formats
// that the resolver reads. pihole has the two forms of line that Pi-hole's lists have,
// knot is a policy zone for Knot Resolver 6, dnscrypt the blocked-names file of
// dnscrypt-proxy, routeros a script for RouterOS 7, and cdb a constant database for
// dnsdist. docs/publisher.md tells what each can say.
//
// No file blocks what the list lets pass. A block that a format can only express
// along with more is narrowed to the one name, or left out. Lines that the resolver
// refuses are left out, too; where one was an exception, what it would let pass may be
// blocked, as it is by the resolver. How many there are of each is said on the standard
// error and in the header of the file. With -strict nothing is written then, and the
// exit code is 1. An exception that undoes nothing in the file is left out and counted,
// and is no loss.
//
// With -exact, domains and hosts are written for readers that take a line for the one
// name, as /etc/hosts, Pi-hole and AdGuard Home do: names with an exception below them,
// and such as are blocked alone, are in the file too. Readers that take a line for the
// names below it as well, as this resolver does, would block too much by it.
//
// -origin is the name that the policy zone will have. It and a name must fit into 255
// octets together; what does not is left out. If it is an exception, so are the blocks
// above it, as far as they would block its name.
//
// -salt is that of the hashes. A random one makes a different file each time, so a
// publisher should keep one for good: it is no secret.
//
// With -json and -o the result is one object: file, to, rules, added (records that a
// policy zone needs beside the rules of the list), idle (exceptions that undo nothing)
// and lost, with the numbers of names
//
//	left        whose block is left out
//	narrowed    that are blocked without those below them
//	exceptions  whose exception is left out, and what it would undo
//	widened     whose exception lets more pass than in the list
//	unfit       for which the format has no room
//
// and of entries
//
//	refused        that the resolver refuses
//	refusedPasses  of these: exceptions
//
// -config reads no list, and writes what the configuration of a product needs to use a
// file of convert's: FILE, or a usual place. The comments in it tell which -to it takes,
// from which version on, and what to do about a new edition.
//
//	$ nonudify convert -config bind /var/cache/bind/nudify.rpz
//
// # Compile
//
// compile writes what the resolver would use of a list, or of "builtin", in the form in
// which it has it in memory: to the standard output, or with -o to a file that takes the
// place of its predecessor when it is complete. The file can be given to a resolver as any
// other list can, and can be signed. It is about a quarter of the text's size.
//
//	$ nonudify compile -o nudify.compiled nudify.txt
//	nudify.compiled: 1204 rules written, in 8912 bytes
//
// Its header is that of the list, and Entries the number of rules. The comments behind the
// rules are not in it. All verbs read it where they read a list; the number of a line is
// that of a rule there. A blinded list cannot be compiled. The form is that of this
// version of the program: a later one may want the list compiled anew, and says so.
//
// Resolvers trust a compiled list no more than a text. They check all of it when they
// open it, and never block what is protected, whatever the file says; the entries that
// are refused are counted by lint and not by a resolver, which does not go through them.
//
// With -json and -o the result is one object: file, rules, refused (lines or entries that
// are left out, as lint has them), bytes. convert -to compiled does the same, and with
// -strict writes nothing if entries are refused, exit code 1.
//
// # Publish
//
// publish makes an edition of a list: all files that its publisher puts on a web server.
//
//	$ nonudify publish -o public -url https://lists.example/nudify -serial next -issued 2026-11-22 -expires 14d list.txt
//	public: edition 2026112201 is published
//	    list-id     nudify.lists.example
//	    issued      2026-11-22T00:00:00Z
//	    expires     2026-12-06T00:00:00Z
//	    names       104
//	    formats     13
//	    key         33574EDF0738CAB2
//	    changes     Edition 2026112201 of 2026-11-22 lists 104 names. Since edition 2026111501 of 2026-11-15 4 names were added.
//
// The files are
//
//	nudify.txt              the list, with the comments of its source (-comments)
//	nudify.hosts and so on  in each other format of convert, by its name; nudify.rsc for routeros
//	nudify.hashes           blinded. With -blinded it is the only list, and no file has a name in clear text
//	nudify.pub              the public key
//	changelog.txt           what has changed since the edition before: a paragraph, then the lines of diff
//	changelog.jsonl         the lines of diff -json; "old" is null for the first edition
//	SHA256SUMS              the sums of all of these, and of the indexes
//	index.json, index.html  for programs and for people
//
// and beside each its signature, with .minisig behind the name. The trusted comment has
// the time of issue, and nothing that depends on the clock: the same source, edition
// before, key and flags make the same bytes, wherever and whenever that is.
//
// The source must have List-ID (letters, digits, ".", "-" and "_", 64 at most) and
// Appeals in its header. Serial, Issued and Expires are taken from the flags, or else
// from the header. Without a serial, or with -serial next, it is that of the edition before if nothing at all has changed, and else the first one
// of the day of issue, 2026112201, that is newer. One that is older than the edition
// before, or the same with another content, is refused. So is a DIR with a file of
// another List-ID.
//
// The edition before is that in DIR, or in the FILE of -previous. Its serial is the newest
// one of all lists and of index.json in DIR, and it is the same only if all of them are.
// The changelog tells of provenance what -comments publishes, and nothing else.
//
// Nothing is published if lint calls anything in the source an error, if resolvers would
// refuse a line, if the header contradicts what follows, or if, with -blinded, any file has
// a name of the list in clear text. Warnings and hints of lint are no obstacle; the
// standard error counts the warnings.
//
// All files are complete and on disk before the first one takes the place of its
// predecessor, and the main one comes last: a run that is ended before that is done again
// by the next one, with the same serial. Files in DIR that are not of an edition stay.
//
// With -json it writes index.json to the standard output as well:
//
//	schema        "nudify-list-index/1". Fields may be added to it
//	title, id, serial, issued, expires, homepage, appeals, license  of the header
//	entries       distinct names
//	blinded       true when the list is published blinded only
//	organization  who decides; policy is the URL of the rules
//	url           of the directory; the names of files are relative to it
//	main          the file that says the most of the list, for this project's resolver: nudify.txt,
//	              nudify.rpz of a list with exceptions or names alone, nudify.hashes of a blinded one
//	key           of all signatures: id, public (as in a Corefile), file
//	changes       since (the serial of the edition before), summary, text and json (files)
//	files         the lists: name, to (as in convert), size (bytes), sha256, signature (file), rules,
//	              added and lost (as in convert)
//
// # Fetch
//
// fetch gets one list from its mirrors as the resolver would: the URLs and flags mean
// what they mean in the list property of a Corefile, and the same is refused.
//
//	$ nonudify fetch -key lists.pub -o nudify.txt https://lists.example/nudify.txt
//
// What is good is written byte for byte as it came, packed if it is, with its signature
// in FILE.minisig. Each is complete and on disk before it gets its name. A FILE that is
// there is the edition before: it stays when the new one has an older serial, another
// List-ID, or lost more than -shrink percent of its entries, and also when it is no
// list at all. If it is not signed with one of the keys, it is not compared with, and
// replaced. The secrets of transfer keys are read from a file with -tsig, never from
// the arguments.
//
// An edition that has expired is taken, as in the resolver, and is a finding: the exit
// code is 1, as it is for what was refused or could not be had.
//
// With -json it writes one object:
//
//	result   new, unchanged, refused, or failed when no mirror could be reached
//	cause    of the last two: a word, as in the metrics of the resolver
//	key      who signed: the number of the key, 16 hexadecimal digits
//	comment  the trusted comment, with spaces for tabs
//	saved    the files that were written
//
// and what lint has of a file. There, file is the URL of the mirror without what may be
// secret in it, error says why it was refused, and lines are the first 20.
//
// With -conf, the lists of a Corefile that come over the network are fetched into its
// state directories, in one round each, so that a server starts with them. A list that
// a running server keeps is left to it. If root fetches, it does so as the user that the
// directory belongs to. It writes a line for each list, and with -json an object:
//
//	list, source, server  as in the Corefile, without what may be secret in a URL
//	result   as above, or locked when a server keeps the list
//	cause    as above; error says it in words
//	warning  what is wrong although the list is there
//	rules, serial, key  of the edition that is there now
//	copy     the file that it is kept in
//
// # Approve
//
// approve shows the editions that were held back because they have shrunk too far, and
// has one of them taken. What it approves is one edition, by its SHA-256, and once.
// A server that is running, also one of another user, takes it within seconds.
//
//	$ nonudify approve -state /var/lib/nonudify
//	nudify: held back
//	    source      https://lists.example/nudify.txt
//	    entries     100 -> 60, 40 % fewer
//	    serial      2026112201
//	    since       2026-11-22T04:00:00Z
//	$ nonudify approve -state /var/lib/nonudify nudify 60
//
// The exit code is 1 when something is held back and no list is named. With -json it
// writes one array with an object for each edition:
//
//	list, source  as in the Corefile, without what may be secret in a URL
//	before   entries of the edition in use
//	entries  of the one that is held back
//	fall     by how many percent it falls
//	serial   of its header
//	seen     since when it is held back
//	approved whether it is approved, and not taken yet
//
// # Keygen, sign, verify
//
// These make and verify signatures in the format of minisign
// (jedisct1.github.io/minisign), and its program can do the same with the same
// files.
//
//	$ nonudify keygen -o lists
//	$ nonudify sign -key lists.key nudify.txt
//	$ nonudify verify -key lists.pub nudify.txt
//
// keygen writes the secret NAME.key, with mode 0600, and NAME.pub, and never
// replaces either unless -force is given. Neither exists before it is complete and
// on disk. The public key goes to the standard output; it is what follows "key" in a
// Corefile. The passphrase is read from the terminal with nothing shown, wherever
// the standard input comes from, or from a file with -passfile: never from the
// arguments or the environment. A key made with -nopass has none, and whoever reads
// it can sign; so give the secret store of a build machine such a key only if it
// keeps it better than it would keep a passphrase.
//
// sign writes FILE.minisig. Only prehashed signatures (Ed25519 over BLAKE2b-512)
// are made and taken; the older kind, "Ed" where these have "ED", is refused. The
// file is read once and in constant memory but for its names, which are checked
// as the resolver does. A file of sums, as sha256sum writes it, is signed when all the
// files of it are beside it and have them.
//
// verify takes a signature by any of the keys given, so that a new key can be
// pinned beside the old one before it is used. It reads nothing of a list whose signature
// does not hold. The exit code is 1 then, and when sign would not sign the list: the
// resolver would refuse it, its header lacks List-ID, Serial, Issued, Expires or
// Entries, it has expired, was issued in the future, or miscounts. With -json verify
// writes one object:
//
//	file       its name
//	signature  the file with the signature
//	valid      whether it holds; what follows, findings aside, says nothing otherwise
//	key        who signed: the number of the key, 16 hexadecimal digits
//	comment    the trusted comment, which is signed, with spaces for tabs
//	format     of the list
//	header     as lint has it
//	rules      that would be used
//	refused    lines or entries
//	files      of a file of sums, whose format, header, rules and refused say nothing:
//	           those of its files that are beside it and have their sums
//	findings   what is wrong, in words
//
// # Page
//
// page serves the help page without DNS, for the web servers of whoever has more than
// a resolver. It says where on the standard error, and nothing else: no request is
// logged.
//
//	$ nonudify page -organization 'Example ISP' -contact mailto:help@isp.example -help https://help.isp.example/
//	nonudify: help page at http://127.0.0.1:8080/
//
// A request for the host of -help gets the page with status 200, every other one the
// page of a blocked site: 403, or 451 when the law decides. With -own all get the
// former. On SIGINT and SIGTERM, requests under way have five seconds to finish, and
// the exit code is 0. With port 0 in -listen, the system chooses the port.
//
// With -o it writes files, and their names to the standard output. All are on disk
// before the first takes the place of its predecessor.
//
//	$ nonudify page -help https://help.isp.example/ -o /var/www/nonudify
//	/var/www/nonudify/Caddyfile
//	/var/www/nonudify/apache.conf
//	/var/www/nonudify/blocked/ar.html
//	...
//	/var/www/nonudify/nginx.conf
//	nonudify: the phone numbers are good until 2027-05-22: have the files written again before that day
//
// blocked/TAG.html is the page of a blocked site in a language, blocked/index.html the
// one for those who ask for none that there is, and blocked/nothing is empty, for
// pictures, scripts and programs. help/TAG.html and help/index.html are the page for
// the operator's own address. nginx.conf, apache.conf and Caddyfile have the status,
// the header fields and the choice of the language; docs/help-page.md tells how they
// are used.
//
// # Init
//
// init writes a Corefile with comments, for a resolver that works at once, and beside it allow.txt
// and block.txt for names of the operator's own; and it makes the state directory.
//
//	$ nonudify init family
//	nonudify: this machine has the address 192.168.1.5: give it the same for good, in your router or its own settings
//	nonudify: it asks 192.168.1.1 about everything else, as /etc/resolv.conf does
//	nonudify: country AT, language de, after the time zone Europe/Vienna, the locale de_AT
//	...
//	/etc/nonudify/Corefile is written
//
// It listens on loopback and, for a family and a school, at the private addresses of IPv4 that the machine
// has; for a provider at all that it has. Another address is taken only with -listen. Where the world can
// reach it, the Corefile for a family or a school has an acl, by which only the own networks may ask.
// The resolvers behind it are those of resolv.conf; where that names a program on this machine, those
// that systemd-resolved, NetworkManager, dnsmasq or OpenWrt ask. If none is known, nothing is written.
//
// A terminal is asked about what no flag says, five questions at most, each with an answer that is
// proposed. With -y, with -n, or without a terminal nothing is asked.
//
// A Corefile that is there is never lost. What would change is written as diff -u does, and the exit
// code is 1; with -force the new one takes its place, and the old one is kept as Corefile.TIME. Nothing is
// written before the new one was read as the server reads it. -n shows what would be written.
//
// Each Corefile has two names to try it with, in the zone that is for tests: filter-check.test has the
// address of the machine, so that a device that finds it uses this resolver, and filter-blocked.test is
// denied.
//
// # Doctor
//
// doctor finds what is wrong with the resolver of a Corefile, on the machine that it should run on, and
// says of each thing what to do.
//
//	$ nonudify doctor
//	wrong  port: 127.0.0.1:53 is taken by dnsmasq (process 712), which answers in the place of this resolver. Have it give up DNS ...
//	hint   bypass: Firefox may turn on DNS over HTTPS by itself, past this resolver. In a school or a family, 'bypass canary' ...
//	1 wrong, 1 hint, 14 fine
//
// A hint is about what may be meant so, and no finding. With -all what is fine is written, too. It looks at
//
//	clock       against the day on which the program was made, the dates of lists and, with -network, the servers of lists
//	corefile    its mistakes, with file and line
//	files       how many files the server may have open
//	state       whether the state directory is there, is the service's, and can be written
//	disk        whether there is room for the next edition; what the server itself could not read
//	list        what is missing, expired, not to be used, held back, or cannot be fetched by the server
//	clients     files of clients and except
//	bind        addresses that the machine does not have
//	permission  whether a server may listen there
//	port        who else has it
//	resolver    whether it runs and answers
//	filter      whether it denies a name of each list
//	bypass      whether it denies the names by which browsers and phones find their way round it
//	discovery   what devices are told of encrypted listeners, and their certificates
//	upstream    whether the resolvers behind answer, are not this one, do not ask it in turn, and make up no addresses
//	page        whether the help page answers, and its certificate
//	metrics     where the prometheus plugin tells them on this machine
//	status      whether the resolver that runs tells what it knows, and what it warns of, if the Corefile has "status"
//	signature   who has signed the lists in use, which the status tells
//	front       whether the UDP front is there, which the status tells
//	source      with -network: whether the servers of lists answer
//	device      how to find devices that ask somebody else
//
// It asks the addresses that the Corefile names and no others, unless -network is given, and makes itself sure that it is this resolver
// that answers before it asks for a name of a list; that without recursion, so that the name goes to nobody else. The
// names of lists are not shown. With -json each line is an object: level (wrong, hint or fine), check (a word
// of those above), text, remedy.
//
// # Status
//
// status asks a running server whose Corefile has the property "status" what it has,
// and tells what is wrong: the warnings first, one a line, then the lists, what each
// server block does, and how often listed names were asked for.
//
//	$ nonudify status -at 127.0.0.1:8053
//	warning: List nudify: the last try to refresh it failed (https://lists.example/nudify.txt: 503 Service Unavailable). The last good edition goes on serving, and nothing is lost.
//	nonudify v1.0.0, CoreDNS-1.15.0, up 72h0m0s
//
//	LIST     ENTRIES  SERIAL      ISSUED            EXPIRES           SIGNED BY         LAST LOOK
//	builtin  100      2026112201  2026-11-22 00:00  -                 nobody            2026-11-22 09:00
//	nudify   5000     2026112001  2026-11-20 00:00  2026-12-04 00:00  0123456789ABCDEF  failed: status
//
//	.:53: nxdomain, filtered
//	asked for names on nudify, nxdomain: 7 since the start, 2 in the last 48 hours
//
// Without -at it asks where a Corefile says: the one that -conf names, or else
// /etc/nonudify/Corefile. Where the status has a password, -passfile names a file with
// one line, USER:PASSWORD; who can read that file can ask, too. No proxy is used, and
// what the server redirects to is not followed.
//
// The exit code is 0 when there is no warning, 1 when there is one, and 2 when no
// server answers. With -json the report is written as the server sends it, in the form
// that docs/status.md describes.
//
// # Report
//
// report writes a transparency report of a period that is over, a week at least: what was
// denied, in numbers that tell of nobody. docs/transparency.md tells how to make and to
// read one.
//
//	$ nonudify report -state /var/lib/nonudify -month 2026-10 -o report.md
//
// The numbers come from the daily totals in state directories, which a server keeps with
// "totals on", or from a Prometheus server that scrapes the resolvers. From totals, a
// number is shown if on some day of the period at least -k clients were behind it. From
// Prometheus, which knows neither clients nor counts by list, it is shown if it is -k or
// more. What is not shown is in no sum, and has no influence on any octet of the report.
//
// Of Prometheus, samples of each minute are asked for, a day at a time, and the increases
// of all counters of all servers are summed up. A counter that falls has begun anew. One
// that is new has begun at 0 if its server was known before; if not, its first value does
// not count. What comes between the last sample and a restart is not known.
//
// With -to-format json the report is one object:
//
//	format        nonudify-report/v1
//	organization  as given
//	from, to      the first and the last day (UTC)
//	source        totals or prometheus
//	rule          k; of: clients or queries; rounding: to the nearest multiple of it
//	days          period; covered: of which anything is known; incomplete: of which some totals were damaged
//	total         denied and shadow (would have been denied), each null when it is not shown, of all lists
//	reasons       the same by name: filtered, blocked, censored
//	lists         the same by name of the list, and block for the operator's own names; none from Prometheus
//	bypass        the same of names that lead round the filter, which are in none of the others
//	editions      list, id (not from Prometheus), serial, from: when it was first in force
//	handled       with -handled: received and answered in the period, open at its end, median_days to the answer
//	              (null when there was none), outcomes of those answered: unblocked, kept, passed_on (null when
//	              fewer than k were answered)
package main
