// Package memory is the broker of a single node: it keeps histories in the process,
// and they are gone with it.
package memory
