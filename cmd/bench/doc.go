// Command bench measures this resolver beside others on one machine, under the same
// load and with the same list, and has it work hard for a long time.
//
//	bench [FLAGS]           measures, and prints tables
//	bench soak [FLAGS]      half an hour of load while lists are swapped and the Corefile is reloaded
//	bench overload [FLAGS]  more load than the resolver can take
//
// It needs Linux and two cores, and no privileges. It sends nothing off 127.0.0.1:
// the servers forward to an upstream of its own, which answers everything at once. It
// installs nothing: servers that are not here are named and left out. The names it asks
// for are made up, below codes that no country can get.
//
// One server runs at a time, on a core of its own; the load and the upstream share
// another one. Each round starts every server anew, so that what changes on the machine
// meanwhile meets all of them. Before anything is measured, names of all kinds are asked
// for, and a server that answers one wrongly is left out; under load every answer is
// held against its question, too.
//
// What the figures mean:
//
//   - Processor time a query is what a query costs the machine, the kernel's work for
//     it included. It is the fairest figure on a machine that does other things, as time
//     in which somebody else has the core does not count.
//   - Answers a second depend on that, and on whether the load keeps up: it says what a
//     server costs that does nothing but answer.
//   - Durations at a fixed rate are counted from when a query was due. On a machine that
//     is idle otherwise most of them is the waking of the server.
//   - Start is from the start of the process to the first right answer, for the last name
//     of the list. Memory is what is resident then and after the load, when caches are
//     full and garbage lies about.
//
// Differences of less than a tenth mean little, those between brackets that overlap
// nothing.
//
// Exit code 0 is fine, 1 a finding (an answer that was wrong or missing), 2 wrong use or
// something that cannot be had.
package main
