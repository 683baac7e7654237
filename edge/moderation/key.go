// Keys that were revoked: no reload would end the connections that have one.

package moderation

import (
	"cmp"
	"context"
	"net/http"
	"strings"

	"barrage/edge/auth"
	"barrage/edge/auth/keyring"
	"barrage/edge/publish"
	"barrage/internal/refusal"
)

// maxRevoked is how many are at most. Names that no node's configuration has any more are
// among them.
const maxRevoked = 4 * keyring.MaxKeys

// Revoke ends all connections that have a key, on all nodes, and lets nobody in with it
// until it is restored.
func (m *Moderation) Revoke(ctx context.Context, name, reason string) error {
	if err := m.replica.Sync(ctx); err != nil {
		return publish.Refuse(err)
	}
	revoked := m.RevokedKeys()
	if !revoked[name] && len(revoked) >= maxRevoked {
		return refusal.New(http.StatusConflict, "too_many_keys", "too many keys are revoked already: restore those that no configuration has any more")
	}
	return m.give(ctx, &order{Key: name, Reason: cmp.Or(reason, "this key was revoked")})
}

// Restore lets those in again who have a key.
func (m *Moderation) Restore(ctx context.Context, name string) error {
	if err := m.replica.Sync(ctx); err != nil {
		return publish.Refuse(err)
	}
	if !m.RevokedKeys()[name] {
		return refusal.New(http.StatusNotFound, "not_revoked", "no key of this name is revoked")
	}
	return m.give(ctx, &order{Key: name, Lift: true})
}

// RevokedKeys are the names of those that are revoked.
func (m *Moderation) RevokedKeys() map[string]bool {
	names := make(map[string]bool)
	for _, e := range m.replica.Entries() {
		if name, ok := strings.CutPrefix(e.Name, keyEntry); ok {
			names[name] = true
		}
	}
	return names
}

// Revoked is a refusal if the rights are those of a key that was revoked.
func (m *Moderation) Revoked(rights auth.Rights) error {
	key := rights.Key()
	if key == "" {
		return nil
	}
	if _, ok := m.replica.Get(keyEntry + key); ok {
		return refusal.New(http.StatusForbidden, auth.CodeRevoked, "this key was revoked")
	}
	return nil
}
