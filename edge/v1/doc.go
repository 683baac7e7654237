// Package v1 is barrage.v1, the JSON protocol of docs/protocol.md: many rooms on one
// connection, commands and replies, pushes with positions, acknowledged publishing,
// tokens, presence, direct messages and requests to backends and
// to workers, which are connections of it, too.
//
// A command is a file of this package and a line of the table in commands.go. What it
// needs from the broker or a backend is done on another goroutine, which posts the
// answer to the loop; there it counts only if the connection is still the same one. What
// goes on then is named onX.
//
// A room with a history is joined held (join.go): what is published meanwhile waits in
// the room's log until the history has been read.
//
// A client cannot make the server keep much: commands have prices and a rate, large
// answers are refused while earlier ones are unread, and a client that is too slow for
// a room is owed one gap, not each message.
package v1
