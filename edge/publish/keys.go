// What those who have one key may publish together.

package publish

import (
	"sync"
	"time"

	"barrage/edge/auth"
	"barrage/edge/auth/keyring"
	"barrage/edge/conn"
	"barrage/internal/refusal"
)

// CodeRate is the code of refusals of those who publish too often.
const CodeRate = "rate_limited"

// keyRates are the rates of keys, each for all who have it. Any goroutine.
type keyRates struct {
	ring  *keyring.Ring // nil: there are none
	start time.Time

	mu   sync.Mutex // guards tats
	tats map[string]time.Duration
}

// take takes one message of the rate of the key that has these rights, if one has.
func (k *keyRates) take(rights auth.Rights) error {
	name := rights.Key()
	if name == "" || k.ring == nil {
		return nil
	}
	key := k.ring.Named(name)
	if key == nil {
		return nil // a server's keys do not change
	}
	rate := conn.NewRate(key.Rate, 1+int(key.Rate)) // a second's at once
	k.mu.Lock()
	defer k.mu.Unlock()
	tat, now := k.tats[name], time.Since(k.start)
	if !rate.Take(&tat, now, 1) {
		return refusal.TooMany(CodeRate, "the rate of this key is used up", rate.Wait(tat, now, 1))
	}
	k.tats[name] = tat
	return nil
}
