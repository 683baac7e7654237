// Package trace tells an operator what single connections do, on all nodes: how they were
// let in, what they ask for, what they are given, what they miss, and why they end.
//
// A node that is asked for a trace orders it of all nodes, itself included, by a message of
// moderation's room. Each makes lines of what connections do that fit ([Query]), and sends
// them to the room of the node that ordered, which gives them to whoever asked. An order
// holds for a short time and is given again: a node that starts later or was cut off learns
// of the trace, and one that dies leaves none behind.
//
// # Costs
//
// Without a trace nothing is called and nothing kept: see conn.Tracer. A trace is bounded in
// time, bytes and connections, and so are those at a time (internal/bounds). Nobody who makes
// lines waits for those who read them: what finds no room is lost, and counted in a line.
//
// # Secrets
//
// A line has no header, query or path of a request, no login, and nothing of a command with a
// token or of what is no command. Payloads are shown to those who ask for them: what
// applications themselves carry in them is in there.
//
// # Ownership
//
//	state                      owner                  everyone else
//	watch                      the loop's goroutine   -
//	traces that hold, asked    Tracing.mu             any goroutine
//	lines of a trace           its mutex              loops add, Run takes
//	lines for whoever asked    its mutex              Run and the broker add
package trace
