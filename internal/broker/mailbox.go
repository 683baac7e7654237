// Mailboxes: what rooms of single users keep, and who makes room in them for whom.

package broker

// A mailbox is the history of a user's room ([UserOf]). What waits in it is what the user
// has not acknowledged. Its bounds are a [Retention]'s as of any room, but what goes when
// they are reached depends on who wrote it:
//
//   - Acknowledged messages go first, then those whose TTL is over, then those that nobody
//     has to acknowledge (no Confirm), each time the oldest.
//   - Of what waits a client may have, in messages and in bytes, as much as is still free
//     of the bound: so who writes alone has half of it, and the next one finds a place. Who
//     has more with the next message loses their own oldest without Confirm for it. Clients
//     are told apart by their user. What is free is what neither clients have waiting nor
//     backends with Confirm.
//   - A client's message pushes out nothing of other clients, and nothing of a backend with
//     Confirm. A backend's pushes out clients' messages with Confirm, too, the oldest first.
//   - What finds no place is refused: [ErrMailboxFull]. A message larger than the bound is
//     kept only if nothing waits that it may not push out.
//
// So a mailbox has holes, unlike other histories: see [Missing].

// FromClient tells a client's message from a backend's, which names no connection and comes
// from no address.
func (p *Publication) FromClient() bool { return p.Sender.Conn != "" || p.From.IsValid() }

// FromClient is Publication.FromClient of a message that is kept, which has no address: one
// that a client published without a connection has NoEcho.
func (m *Message) FromClient() bool { return m.Sender.Conn != "" || m.NoEcho }

// Without is the gap of a page behind a position, if its messages up to an offset are left
// out because all are too much.
func (p *Page) Without(after *Position, upTo uint64) *Gap {
	switch {
	case p.Gap == nil:
		return &Gap{Epoch: p.Head.Epoch, From: after.Offset + 1, To: upTo, Reason: GapLarge}
	case p.Gap.To == 0:
		return p.Gap
	}
	gap := *p.Gap
	gap.From, gap.To = min(gap.From, after.Offset+1), max(gap.To, upTo)
	return &gap
}

// Missing is the gap of a page behind an offset of its epoch: from the first to the last
// message between there and end that is not among those of the page. nil: none is missing.
func Missing(epoch string, after uint64, messages []*Message, end uint64) (gap *Gap) {
	next := after + 1
	miss := func(to uint64) {
		if to < next {
			return
		}
		if gap == nil {
			gap = &Gap{Epoch: epoch, From: next, Reason: GapTrimmed}
		}
		gap.To = to
	}
	for _, m := range messages {
		miss(m.Offset - 1)
		next = m.Offset + 1
	}
	miss(end)
	return gap
}
