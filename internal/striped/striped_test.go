package striped

import (
	"strconv"
	"testing"
)

func TestSet(t *testing.T) {
	s := New[int]()
	hashes := make(map[uint64]bool)
	for i := range 1000 {
		key := strconv.Itoa(i)
		stripe, hash := s.Hash(key)
		*stripe++
		hashes[hash] = true
		if again := s.Of(key); again != stripe {
			t.Fatalf("key %s is in two stripes", key)
		}
	}
	n, used, sum := 0, 0, 0
	for stripe := range s.All() {
		n++
		sum += *stripe
		if *stripe > 0 {
			used++
		}
	}
	if n != N || sum != 1000 || used < N/2 || len(hashes) < 990 {
		t.Errorf("%d stripes with %d of 1000 keys in %d of them, %d different hashes", n, sum, used, len(hashes))
	}
}
