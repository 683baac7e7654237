// Package fair shares out what there is not enough of: turns at the workers, and the
// bytes that answers may have in a second. Each of those who want some is a payer, and
// no payer gets more than another that still wants some (max-min fairness).
//
// A [Queue] is self-clocked fair queueing (Golestani: "A Self-Clocked Fair Queueing Scheme
// for Broadband Applications", INFOCOM 1994) on three levels. Classes of work share by
// weight, the addresses within a class equally, and the connections of an address equally.
// An item's cost is charged to all three when its turn comes, and what it turned out to
// cost beyond that afterwards, so that a payer whose answers are large waits longer
// for the next one. Of two payers that both have something waiting, one never gets more
// than the other by over two largest items; and of those that come for the first time, who
// wants little is served before who wants much, however many of them there are.
//
// The places of those who wait are shared too, by dynamic thresholds (Choudhury and
// Hahne: "Dynamic Queue Length Thresholds for Shared-Memory Packet Switches", 1998): an
// address may have as many items waiting as there are places free, and a connection as
// many as its address may still have. So who floods takes half of the places at most. But
// many who flood together, each with less than the one before, take them all; so there are
// as many places again for addresses of which nothing waits, one for each.
package fair
