// An honest worker, whom guests ask.

package hostile

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"sync"
	"time"

	v1 "barrage/edge/v1"
)

// helpMethod is what it serves.
const helpMethod = "help"

var helperAddress = netip.AddrFrom4([4]byte{127, 2, 2, 1})

// help has it answer until rest is called, which waits for its end. That it is thrown out
// is noted as a guest's refusal.
func (g *guests) help(ctx context.Context, sign func(string) (string, error)) (rest func(), err error) {
	token, err := sign("helper")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	c, err := open(ctx, &g.meter, helperAddress, g.public, "/ws?token="+token, v1.Subprotocol)
	var r *said
	if err == nil {
		r, err = c.ask(time.Now().Add(visitWithin), `"cmd":"serve","limit":256,"methods":["`+helpMethod+`"]`)
	}
	if err == nil && r.Error != nil {
		err = fmt.Errorf("%s: %s", r.Error.Code, r.Error.Message)
	}
	if err != nil {
		cancel()
		return nil, fmt.Errorf("hostile: an honest worker: %w", err)
	}
	_ = c.SetDeadline(time.Time{})
	c.text = func(p []byte) {
		var s said
		if json.Unmarshal(p, &s) == nil && s.Push == "request" {
			c.asked++
			_ = c.send(fmt.Sprintf(`{"id":%d,"cmd":"answer","request":%d,"data":true}`, c.asked, s.Request)) // an error ends read, too
		}
	}
	var done sync.WaitGroup
	done.Go(func() { // ends with ctx
		for err := c.read(); ; err = c.read() {
			if err != nil && ctx.Err() == nil {
				g.isRefused("an honest worker: %v %s", err, c.bye)
			}
			if err != nil {
				return
			}
		}
	})
	return func() {
		cancel()
		done.Wait()
	}, nil
}
