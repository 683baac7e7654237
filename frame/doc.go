// Package frame is WebSocket (RFC 6455) as bytes in and bytes out: the opening
// handshake, an incremental parser of frames, and messages encoded once for
// many receivers, compressed too (RFC 7692). It does no I/O, starts no goroutine
// and knows no time; an event loop reads bytes from a descriptor, hands them in,
// and sends what comes out.
//
//	bytes ──> ParseRequest ──> CheckUpgrade, CheckOrigin ──> AppendUpgrade ──> bytes
//	               │ n: where the first frame begins
//	bytes ──> Assembler.Feed ──> Handler.Message, Handler.Control
//	               │ *Error
//	               └──> AppendClose ──> bytes
//	ClientRequest ──> AppendClientRequest ──> bytes
//	bytes ──> ParseResponse ──> CheckAccept: n is where the first frame begins
//	message ──> Encode, EncodeDeflated, EncodeSmallWindow ──> *Frame, shared by reference count ──> bytes, many times
//
// The client's side is there for load generators and tests: the handshake as
// the line before the last shows it, an [Assembler] whose Client is set,
// [AppendMasked] and [AppendMaskedDeflated]. A refused or broken handshake is a
// [HandshakeError], which tells the status line.
//
// # Compression
//
// permessage-deflate is negotiated by [Request.OffersDeflate] and
// [AppendUpgrade], always without context takeover for both sides. Every message is
// then compressed by itself: [EncodeDeflated] does it once for all connections that
// negotiated, [EncodeSmallWindow] once for all of them that asked for a smaller window
// of ours than the whole, and a connection keeps neither window nor tables. An [Assembler] whose
// Deflate is set takes compressed messages; it inflates one when its last byte
// is there, so damage is found then, not earlier. A damaged or truncated
// message fails with CloseInvalidPayload, whose reason tells if it refers to an earlier
// message, RSV1 where it has no meaning with CloseProtocol.
//
// # Guarantees
//
// How the input is split makes no difference: bytes fed one at a time, frames
// glued together, and frames glued behind the request head give the same
// messages, control frames and errors as the whole fed at once.
//
// Nothing is allocated because a peer announced it. Sizes are refused from the
// header alone, and a message's buffer grows only as its bytes arrive, to at
// most twice what has arrived (and no less than 512 bytes). Inflating a message
// takes an inflater of 45 KiB and a buffer of 128 KiB at most, both pooled and
// lent for the call; only when its size is known, and within the limit, is more
// taken for a larger one, and no more than that size.
//
// The hot paths allocate nothing once the pools are warm: Encode and Release of
// frames up to 128 KiB, EncodeDeflated and EncodeSmallWindow of payloads up to 127 KiB, AppendFrame
// into a large enough slice, Feed of frames that arrive whole, whose payload
// the handler gets in place, and Feed of compressed messages that inflate to
// 128 KiB or less.
//
// An idle connection keeps nothing here: when [Assembler.Idle] says so, the
// Assembler may serve another connection or be dropped.
//
// # Ownership
//
// An [Assembler] and the bytes fed to it belong to the one goroutine that calls
// Feed; the payload a [Handler] gets is valid until it returns. A [Frame] may
// be shared between goroutines: its bytes never change, each holder has one
// reference, and the last Release gives the buffer back to a pool. A [Request]
// or [Response] has its own copy of the head and outlives the read buffer.
//
// # Limits
//
// permessage-deflate is the only extension. A client that asks for a window of 256 bytes
// (server_max_window_bits=8) is served uncompressed.
//
// The parser speaks for one side of one connection: answering pings, echoing a
// close frame and closing in time are the caller's work.
package frame
