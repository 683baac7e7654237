#!/bin/bash
# Prints a result.json of run.sh as a table.
# usage: table.sh FILE
set -euo pipefail

jq -r '
  def round1: . * 10 | round / 10;
  def pad($n): tostring | (" " * ([$n - length, 0] | max)) + .;
  def name: . + " " * (34 - length);
  def count: tostring | if length > 3 then (.[:-3] | count) + "," + .[-3:] else . end;
  def mb: . / 1048576 | round1 | tostring | if test("[.]") then . else . + ".0" end;
  .connections as $n | .samples as $s |
  ([["empty", "connected", "idle", "collected", "delivering"][] | select($s[.])]) as $phases |
  def row($title; f):
    ($title | name) + ([$phases[] | $s[.] | f | mb | pad(12)] | join("")) +
    (if $s.idle then (($s.idle | f) - ($s.empty | f)) / $n | round | pad(14) else "" end);
  (if .loadtest then .loadtest |
    "Load client: \(.connections.open | count) of \(.connections.wanted | count) connections; \(.messages.published) messages, " +
    "\(.messages.expected | count) copies expected, \(.messages.delivered | count) delivered, \(.messages.missing | count) missing"
  else "The load client has written no report." end),
  "",
  ("MB" | name) + ([$phases[] | pad(12)] | join("")) + ("bytes each" | pad(14)),
  row("server: resident (RSS)"; .VmRSS),
  row("  of it anonymous"; .RssAnon),
  row("server: Go heap in use"; .go_memstats_heap_inuse_bytes),
  row("  freed, not yet given back"; .go_memstats_heap_idle_bytes - .go_memstats_heap_released_bytes),
  row("server: Go stacks"; .go_memstats_stack_inuse_bytes),
  row("kernel: slab, both ends"; .Slab),
  row("kernel: TCP buffers, both ends"; .tcp_buffers),
  "",
  "Bytes each: idle less empty, divided by \($n | count) connections. Both ends: the client is in the same",
  "guest, so its kernel holds two sockets for each connection.",
  ($s[$phases[-1]] |
    "GC: \(.go_gc_duration_seconds__count) collections; pauses: median \(."go_gc_duration_seconds_0.5" * 1000 | round1) ms, " +
    "longest \(.go_gc_duration_seconds_1 * 1000 | round1) ms (of an emulated processor)",
    "The server counted \(.barrage_messages_offered_total | count) deliveries due and " +
    "\(.barrage_messages_delivered_total | count) made when it was last looked at."),
  ($s.end // $s[$phases[-1]] |
    "The guest'"'"'s kernel dropped \(.backlog_drops | count) packets of loopback, sent \(.TCPTimeouts | count) times again after a timeout, " +
    "and gave up \(.TCPAbortOnTimeout | count) connections.")
' "$1"
