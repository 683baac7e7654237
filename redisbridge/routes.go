package redisbridge

// The part of interest that sharded pub/sub needs: which lane carries the
// internal channels of which partition.

import (
	"time"
)

// useLocked notes a new room. It tells whether there is something to write, or a
// lane to find.
func (i *interest) useLocked(r *room, now time.Duration) bool {
	i.used[r.part]++
	ln := i.routes[r.part]
	if ln == nil {
		if i.orphan[r.part] == 0 {
			i.orphan[r.part] = now
		}
		return true
	}
	return i.queueLocked(r, ln)
}

// unuseLocked notes that a room has gone. A partition without rooms gives its
// lane up; nothing is subscribed there any more.
func (i *interest) unuseLocked(p int) {
	if i.used[p]--; i.used[p] == 0 {
		i.routes[p], i.orphan[p] = nil, 0
	}
}

func (i *interest) partitionsInUse() (list []int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for p, n := range i.used {
		if n > 0 {
			list = append(list, p)
		}
	}
	return list
}

// routeTo gives a partition to a lane. True: there is something to write.
func (i *interest) routeTo(p int, ln *lane) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.routes[p] == ln || i.used[p] == 0 {
		return false
	}
	i.routes[p], i.orphan[p] = ln, 0
	for _, r := range i.list {
		if r.part == p {
			i.resetLocked(r, gotInternal)
			i.queueLocked(r, ln)
		}
	}
	return ln.link != nil
}

// unroute takes a lane's partitions from it, since its link is lost.
func (i *interest) unroute(ln *lane, now time.Duration) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.unlinkLocked(ln)
	for p := range i.routes {
		if i.routes[p] == ln {
			i.routes[p], i.orphan[p] = nil, now
		}
	}
}

// moved is called when Redis has unsubscribed a room's internal channel on a
// lane. True: nobody asked for it, and the whole partition needs another lane.
func (i *interest) moved(ln *lane, name string, now time.Duration) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	r := i.rooms.Get(name)
	if r == nil || r.got&gotInternal == 0 || i.routes[r.part] != ln {
		return false
	}
	i.routes[r.part], i.orphan[r.part] = nil, now
	for _, other := range i.list {
		if other.part == r.part {
			i.resetLocked(other, gotInternal)
		}
	}
	return true
}

func (i *interest) orphanedLocked(p int, now time.Duration) bool {
	return i.orphan[p] != 0 && now-i.orphan[p] > i.patience
}

// orphaned is the number of partitions that have had no lane for too long.
func (i *interest) orphaned(now time.Duration) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.orphansLocked(now)
}

func (i *interest) orphansLocked(now time.Duration) (n int) {
	for p := range i.orphan {
		if i.orphanedLocked(p, now) {
			n++
		}
	}
	return n
}

// releaseOrphans gives the rooms for which Ready is due because there is no
// point in waiting for their partition.
func (i *interest) releaseOrphans(now time.Duration) (release []string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.orphansLocked(now) == 0 {
		return nil // mostly; the list is long
	}
	return i.releaseLocked(func(p int) bool { return i.orphanedLocked(p, now) })
}
