// Package hostile attacks a server, and watches what becomes of honest viewers
// meanwhile. Each attack is an entry of Attacks, in a file of its kind: what many
// connections do, within the rights that the protocol gives them, and what must hold of
// the server's figures afterwards.
//
//	trial      one attack on one server: quiet, under attack, afterwards, verdict
//	  crowd    honest viewers, raw and barrage.v1 (loadtest/swarm): latency, losses
//	  guest    honest clients that come and go: joins with history, direct messages,
//	           keys, requests; what they are refused, and what is lost of theirs
//	helper     an honest worker, whom they ask
//	  keepsake what was said before the attack, and must be there afterwards
//	  field    the attackers: their connections, what they sent, got and were told
//
// Attackers run in a process of their own (Serve), at a lower priority, as they would
// be on other machines: what is shared is the server alone. Everybody has an address of
// their own in 127.0.0.0/8.
//
// To add an attack: an entry in a file of its kind, and its name in Attacks.
package hostile
