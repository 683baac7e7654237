// Package examples has nothing but its table: README.md says which example shows what, and
// the test holds it to that. Each example is a program in a folder of its own.
package examples
