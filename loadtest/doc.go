// Package loadtest tells how many viewers a WebSocket server carries, and what
// gives first. It is both a measuring instrument and a judge: it opens
// connections, publishes stamped messages at times fixed in advance, and counts
// for every viewer what came, what did not, how often, in which order and how
// late.
//
//	plan     what is done: settings, presets, scenarios, who is in which room, when each message is due
//	stamp    the mark in each message
//	tally    what was expected and what came, exactly; latency histograms
//	swarm    very many client connections, on netpoll and frame
//	publish  publishing over HTTP and Redis
//	agent    processes that hold a swarm each, here or on other machines
//	probe    the server and the machine, from outside
//	assert   conditions on the results
//	report   how results are shown
//
// Three things stand beside it: bench, the program that measures Barrage with the load
// test in scenarios (make bench-versus and its like), hostile, attacks on a server and what
// they do to honest viewers (make hostile), and peers, a module of its own
// with the servers that Barrage is compared with.
//
// This package is the controller: it starts the agents, has them connect, hold
// still, and listen while messages are published, and puts together a Report.
//
// # What makes the figures hold
//
// The load is open-loop: when a message is due depends on nothing that happens,
// and its latency counts from then on. A server (or a client) that stalls cannot
// stop the clock (coordinated omission). Nothing is sampled: every copy of every
// message is accounted for. The client's own cost is measured, and the report
// says when it was the client that gave first.
package loadtest
