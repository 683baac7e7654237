package fair

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"barrage/internal/bounds"
)

// TestMinute: ten a minute and address, and a bound of addresses.
func TestMinute(t *testing.T) {
	const most = 10
	told := NewMinute(most)
	at := func(n uint32) netip.Addr { return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, n))) }
	for minute := range time.Duration(3) {
		begin := minute * 61 * time.Second
		for n := range 25 {
			a := uint32(n % 2)
			if got, want := told.Take(at(a), begin+time.Duration(n)*time.Second), n < 2*most; got != want {
				t.Errorf("minute %d, address %d, for the %d. time: %v", minute, a, n/2+1, got)
			}
		}
		if !told.Take(at(2), begin+59*time.Second) {
			t.Errorf("minute %d: another address is refused", minute)
		}
	}
	if told.Left(at(0), 140*time.Second) == 0 || told.Left(at(2), 140*time.Second) != 0 || told.Left(at(9), 140*time.Second) != 0 || told.Left(at(0), time.Hour) != 0 {
		t.Error("those who were refused may do it again, or others may not")
	}
	told.Take(at(0), time.Hour)
	for n := uint32(1); n < bounds.CountedAddresses; n++ {
		if !told.Take(at(n), time.Hour) {
			t.Fatalf("address %d is refused", n)
		}
	}
	if told.Take(at(bounds.CountedAddresses), time.Hour) {
		t.Error("one address too many is told")
	}
	if !told.Take(at(7), time.Hour) {
		t.Error("one that is known is not told any more")
	}
	if told.Take(at(bounds.CountedAddresses), time.Hour+time.Minute); len(told.n) != 1 {
		t.Errorf("%d addresses are known in the next minute", len(told.n))
	}
}
