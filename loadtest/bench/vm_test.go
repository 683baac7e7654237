package main

import (
	"bytes"
	"strings"
	"testing"
)

// TestCpio: entries begin at multiples of four, with the sizes where the kernel
// looks for them.
func TestCpio(t *testing.T) {
	var b bytes.Buffer
	cpio(&b, "dev", 0o40755, nil)
	cpio(&b, "init", 0o100755, []byte("12345"))
	cpio(&b, "TRAILER!!!", 0, nil)
	entries := strings.Split(b.String(), "070701")
	if len(entries) != 4 || b.Len()%4 != 0 {
		t.Fatalf("%d entries in %d bytes", len(entries)-1, b.Len())
	}
	init := entries[2]
	if mode, size, name := init[8:16], init[48:56], init[88:96]; mode != "000081ED" || size != "00000005" || name != "00000005" {
		t.Errorf("mode %s, size %s, length of the name %s", mode, size, name)
	}
	if got := init[104:]; got != "init\x00\x0012345\x00\x00\x00" {
		t.Errorf("got %q", got)
	}
}

func TestGuestSection(t *testing.T) {
	const mb = 1 << 20
	at := func(rss, slab float64) []memory {
		return []memory{{"server: resident (RSS)", rss * mb}, {"kernel: slab, both ends", slab * mb}}
	}
	o := outcome{
		Samples: []sample{
			{Phase: "empty", Memory: at(20, 10)}, {Phase: "connected", Memory: at(60, 0)}, {Phase: "idle", Memory: at(70, 20)},
			{Phase: "delivering", Memory: at(80, 0), GCs: 7, Pause: 0.0011, LongestPause: 0.0144, Offered: 900000, Timeouts: 2},
		},
		Report: canned(t, nil),
	}
	text := o.section(mb)
	for _, want := range []string{
		"10000 of 10000 connections, 20,000 a second, 0 closed; 50 messages, 500,000 copies expected, 500,000 delivered, 0 missing",
		"| MB | empty | connected | idle | delivering | bytes each |",
		"| server: resident (RSS) | 20.0 | 60.0 | 70.0 | 80.0 | 50 |",
		"| kernel: slab, both ends | 10.0 | 0.0 | 20.0 | 0.0 | 10 |",
		"GC: 7 collections; pauses: median 1.1 ms, longest 14.4 ms",
		"900,000 deliveries due",
		"sent 2 times again",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	if text := (&outcome{Samples: o.Samples[:1]}).section(mb); !strings.Contains(text, "no report") {
		t.Errorf("without a report it says %s", text)
	}
}
