package redisbridge

import (
	"context"
	"strconv"
	"testing"

	"barrage/edge/presence"
)

// BenchmarkPresenceRenew is what each room costs every RenewInterval while
// nothing changes in it.
func BenchmarkPresenceRenew(b *testing.B) {
	for _, nodes := range []int{1, 3} {
		b.Run("users=10/nodes="+strconv.Itoa(nodes), func(b *testing.B) {
			s := startRedis(b)
			const rooms = 1024
			var stores []*Presence
			renew := make([]presence.Update, rooms)
			for range nodes {
				p := newHere(b, s.URL(), PresenceConfig{})
				stores = append(stores, p)
				updates := make([]presence.Update, rooms)
				for i := range updates {
					updates[i] = presence.Update{Room: "r" + strconv.Itoa(i), Version: 1, Full: true, Users: 10, Connections: 10, Ask: true}
					for u := range 10 {
						updates[i].Set = append(updates[i].Set, presence.Entry{User: hereUser("user" + strconv.Itoa(u))})
					}
					renew[i] = presence.Update{Room: updates[i].Room, Version: 1, Previous: 1, Users: 10, Connections: 10, Ask: true}
				}
				if _, err := p.Sync(context.Background(), updates, 500); err != nil {
					b.Fatal(err)
				}
			}
			for b.Loop() {
				f, err := stores[0].Sync(context.Background(), renew, 500)
				if err != nil || f[rooms-1].Users != 10 {
					b.Fatal(f[rooms-1], err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/rooms, "us/room")
			b.ReportMetric(0, "ns/op")
		})
	}
}
