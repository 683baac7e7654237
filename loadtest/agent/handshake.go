// The beginning of a session: versions, and proofs of the secret.

package agent

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"

	"barrage/internal/build"
)

const (
	// protocolName and the hello's form stay the same in all versions.
	protocolName    = "barrage loadtest agent"
	protocolVersion = 2

	nonceSize     = 32
	handshakeTime = 10 * time.Second
)

// role is which side proves that it knows the secret.
type role string

const (
	roleController role = "controller"
	roleAgent      role = "agent"
)

// identity is what a side says of itself.
type identity struct {
	Protocol int    `json:"protocol"`
	Program  string `json:"program"`
}

// thisProgram is the identity of this build.
func thisProgram() identity {
	b := build.Read()
	return identity{Protocol: protocolVersion, Program: b.Version + " " + b.Commit}
}

func (id identity) String() string {
	return fmt.Sprintf("barrage %s, protocol %d", id.Program, id.Protocol)
}

// hello is the first message of both sides, the controller's first.
type hello struct {
	Name string `json:"name"` // protocolName
	identity
	Nonce []byte `json:"nonce"`
}

// proof is the controller's second message.
type proof struct {
	MAC []byte `json:"mac"`
}

// welcome is the agent's second message. If Refused is set there is no session.
type welcome struct {
	Refused  string `json:"refused,omitempty"` // one of the constants below
	By       string `json:"by,omitempty"`      // refusedBusy: the controller that uses it
	MAC      []byte `json:"mac,omitempty"`
	Capacity int    `json:"capacity"`
	Cores    int    `json:"cores"`
}

const (
	refusedSecret = "secret"
	refusedBusy   = "busy"
)

// mac proves knowledge of the secret to the other side. Both nonces make it
// worthless in another session, the role as the other side's. None of the parts
// is of variable length but the last.
func mac(secret string, controller, agent []byte, r role) []byte {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(protocolName)) // a Hash never fails
	h.Write(controller)
	h.Write(agent)
	h.Write([]byte(r))
	return h.Sum(nil)
}

func newHello(id identity) hello {
	h := hello{Name: protocolName, identity: id, Nonce: make([]byte, nonceSize)}
	_, _ = rand.Read(h.Nonce) // never fails
	return h
}

// check checks the hello of the other side.
func (h *hello) check(ours identity) error {
	switch {
	case h.Name != protocolName:
		return errors.New("the other side does not speak the protocol of load-test agents")
	case h.identity != ours:
		return fmt.Errorf("%w: this is %v, the other side %v", ErrVersion, ours, h.identity)
	case len(h.Nonce) != nonceSize:
		return fmt.Errorf("a nonce of %d bytes", len(h.Nonce))
	}
	return nil
}

// greet is the controller's side of the handshake.
func greet(rw io.ReadWriter, secret string, id identity) (welcome, error) {
	ours := newHello(id)
	if err := send(rw, ours, maxHandshake); err != nil {
		return welcome{}, err
	}
	var theirs hello
	if err := receive(rw, &theirs, maxHandshake); err != nil {
		return welcome{}, fmt.Errorf("no greeting of an agent: %w", err)
	}
	if err := theirs.check(id); err != nil {
		return welcome{}, err
	}
	if err := send(rw, proof{mac(secret, ours.Nonce, theirs.Nonce, roleController)}, maxHandshake); err != nil {
		return welcome{}, err
	}
	var w welcome
	if err := receive(rw, &w, maxHandshake); err != nil {
		return welcome{}, err
	}
	switch {
	case w.Refused == refusedSecret:
		return welcome{}, fmt.Errorf("%w: it refused ours", ErrSecret)
	case !hmac.Equal(w.MAC, mac(secret, ours.Nonce, theirs.Nonce, roleAgent)):
		return welcome{}, fmt.Errorf("%w: it does not know ours", ErrSecret)
	case w.Refused == refusedBusy:
		return welcome{}, fmt.Errorf("%w with a test from %s", ErrBusy, w.By)
	case w.Refused != "":
		return welcome{}, fmt.Errorf("it refused: %s", w.Refused)
	}
	return w, nil
}

// admit is the agent's side of the handshake. enter is called when the
// controller has proved itself; if it returns the name of another controller,
// this one is refused.
func admit(rw io.ReadWriter, secret string, id identity, enter func() (busy string)) error {
	var theirs hello
	if err := receive(rw, &theirs, maxHandshake); err != nil {
		return err
	}
	if theirs.Name != protocolName {
		return theirs.check(id)
	}
	// A controller of another version is told ours before it is left.
	ours := newHello(id)
	if err := send(rw, ours, maxHandshake); err != nil {
		return err
	}
	if err := theirs.check(id); err != nil {
		return err
	}
	var p proof
	if err := receive(rw, &p, maxHandshake); err != nil {
		return err
	}
	if !hmac.Equal(p.MAC, mac(secret, theirs.Nonce, ours.Nonce, roleController)) {
		_ = send(rw, welcome{Refused: refusedSecret}, maxHandshake) // it is left anyway
		return ErrSecret
	}
	w := welcome{MAC: mac(secret, theirs.Nonce, ours.Nonce, roleAgent), Capacity: Capacity(), Cores: runtime.GOMAXPROCS(0)}
	if by := enter(); by != "" {
		w.Refused, w.By = refusedBusy, by
		_ = send(rw, w, maxHandshake) // it is left anyway
		return fmt.Errorf("%w with a test from %s", ErrBusy, by)
	}
	return send(rw, w, maxHandshake)
}
