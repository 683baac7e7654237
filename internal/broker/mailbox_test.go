package broker

import "testing"

// TestWithout: what is left out of a page is a part of its gap, which never gets smaller by
// that: a mailbox may have holes on both sides.
func TestWithout(t *testing.T) {
	after, head := &Position{Epoch: "e", Offset: 4}, Position{Epoch: "e", Offset: 30}
	for what, tt := range map[string]struct{ gap, want *Gap }{
		"nothing missing":  {nil, &Gap{Epoch: "e", From: 5, To: 10, Reason: GapLarge}},
		"missing before":   {&Gap{Epoch: "e", From: 5, To: 7, Reason: GapTrimmed}, &Gap{Epoch: "e", From: 5, To: 10, Reason: GapTrimmed}},
		"missing behind":   {&Gap{Epoch: "e", From: 12, To: 20, Reason: GapTrimmed}, &Gap{Epoch: "e", From: 5, To: 20, Reason: GapTrimmed}},
		"nobody knows how": {&Gap{Epoch: "d", From: 5, Reason: GapEpoch}, &Gap{Epoch: "d", From: 5, Reason: GapEpoch}},
	} {
		if got := (&Page{Head: head, Gap: tt.gap}).Without(after, 10); *got != *tt.want {
			t.Errorf("%s: %+v, want %+v", what, got, tt.want)
		}
	}
}
