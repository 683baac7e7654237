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
	start time.Time
	of    map[string]*keyRate // by the key's name; fixed
}

type keyRate struct {
	rate conn.Rate

	mu  sync.Mutex // guards tat
	tat time.Duration
}

func newKeyRates(r *keyring.Ring) keyRates {
	k := keyRates{start: time.Now(), of: make(map[string]*keyRate)}
	if r != nil {
		for _, key := range r.Keys() {
			k.of[key.Name] = &keyRate{rate: conn.NewRate(key.Rate, 1+int(key.Rate))} // a second's at once
		}
	}
	return k
}

// take takes one message of the rate of the key that has these rights, if one has.
func (k *keyRates) take(rights auth.Rights) error {
	key := k.of[rights.Key()]
	if key == nil {
		return nil
	}
	key.mu.Lock()
	defer key.mu.Unlock()
	if now := time.Since(k.start); !key.rate.Take(&key.tat, now, 1) {
		return refusal.TooMany(CodeRate, "the rate of this key is used up", key.rate.Wait(key.tat, now, 1))
	}
	return nil
}
