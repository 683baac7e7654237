package main

import (
	"strings"
	"testing"
)

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
