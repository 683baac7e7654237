package moderation

import (
	"net/netip"
	"testing"
	"time"
)

// TestAddresses: asking costs nothing, and bans that are over do not stay for ever.
func TestAddresses(t *testing.T) {
	var a addresses
	at := func(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}) }
	net := func(n int) netip.Prefix { return netip.PrefixFrom(at(n), 32) }
	free := at(9 << 16)
	if n := testing.AllocsPerRun(100, func() { a.until(free) }); n > 0 || !a.until(free).IsZero() {
		t.Errorf("without bans: %v allocations", n)
	}
	for n := range 20_000 {
		until := time.Now().Add(-time.Second)
		if n%200 == 0 {
			until = time.Now().Add(time.Hour)
		}
		a.set(net(n), until)
	}
	if n := testing.AllocsPerRun(100, func() { a.until(free) }); n > 0 || !a.until(free).IsZero() {
		t.Errorf("with bans: %v allocations", n)
	}
	if a.until(at(19_000)).IsZero() || !a.until(at(19_001)).IsZero() {
		t.Error("bans that hold are not told from those that are over")
	}
	if n := a.table.Load().Size(); n > 500 {
		t.Errorf("%d networks for 100 bans", n)
	}
	a.set(net(19_000), time.Time{})
	if !a.until(at(19_000)).IsZero() {
		t.Error("not lifted")
	}
	if !a.until(netip.Addr{}).IsZero() {
		t.Error("nowhere is banned")
	}
}
