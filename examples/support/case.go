// A case: who takes it, its record, and its end.

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"slices"
	"strings"

	"barrage/examples/internal/run"
)

// talk is a case that is open.
type talk struct {
	name  string
	agent string
	heard bool // the customer has said something
}

// said is a message as the record of a case has it. Messages to the customer and to the agent
// are of two rooms, whose events have no order among themselves; the time tells.
type said struct {
	At   int64           `json:"at"`
	From string          `json:"from"`
	Data json.RawMessage `json:"data"`
}

// request answers what agents ask for: to take a case, which one of them can, and to close it.
func (d *desk) request(w http.ResponseWriter, q *http.Request) {
	var ask struct {
		Method, User string
		Data         struct{ Customer, Name string }
	}
	if err := d.s.Signed(q, &ask); err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	customer := ask.Data.Customer
	if !strings.HasPrefix(ask.User, "agent-") {
		refuse(w, "forbidden", "This is for agents.")
	} else if ask.Method == "desk.take" && d.take(customer, ask.User) {
		d.tell(customer, "assigned", map[string]string{"agent": ask.User, "name": ask.Data.Name})
		d.queue()
		run.Reply(w, map[string]any{"data": customer})
	} else if ask.Method == "desk.close" && d.end(customer, ask.User) {
		d.tell(customer, "closed", map[string]string{"text": "This case is closed. Thank you!"})
		d.post("/v1/rooms/case:"+customer+"/close", map[string]string{"reason": "closed by " + ask.User})
		run.Reply(w, map[string]any{"data": customer})
	} else {
		refuse(w, "not_yours", "Somebody else has this case.")
	}
}

func refuse(w http.ResponseWriter, code, message string) {
	run.Reply(w, map[string]any{"error": map[string]string{"code": code, "message": message}})
}

func (d *desk) take(customer, agent string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.Index(d.waiting, customer)
	if i < 0 {
		return false
	}
	d.waiting = slices.Delete(d.waiting, i, i+1)
	d.cases[customer].agent = agent
	return true
}

func (d *desk) end(customer, agent string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.cases[customer]
	if c == nil || c.agent != agent {
		return false
	}
	delete(d.cases, customer)
	return true
}

// events is what the server tells: each message, and the transcript of a case that is closed.
func (d *desk) events(w http.ResponseWriter, q *http.Request) {
	var batch struct{ Events []event }
	if err := d.s.Signed(q, &batch); err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	for _, e := range batch.Events {
		switch {
		case e.Type == "room_closed":
			d.archive(&e)
		case e.Message.Kind == "chat" && strings.HasPrefix(e.Room, "user:"):
			d.record(&e)
		}
	}
}

type event struct {
	Type, Room string
	Reason     string
	Message    message
	Transcript []message
}

type message struct {
	Time   int64
	Kind   string
	Sender struct{ User, Name string }
	Data   json.RawMessage
}

// record puts a message to a customer, or of one, into the record of the case; and who is
// heard for the first time is told so.
func (d *desk) record(e *event) {
	customer, from := strings.TrimPrefix(e.Room, "user:"), e.Message.Sender
	if strings.HasPrefix(from.User, "customer-") {
		customer = from.User
	}
	d.mu.Lock()
	c := d.cases[customer]
	first := c != nil && from.User == customer && !c.heard
	if first {
		c.heard = true
	}
	d.mu.Unlock()
	if c == nil {
		return
	}
	d.post("/v1/rooms/case:"+customer+"/messages", said{e.Message.Time, from.Name, e.Message.Data})
	if first {
		var data struct{ Text string }
		_ = json.Unmarshal(e.Message.Data, &data) // a picture has none
		d.tell(customer, "receipt", map[string]string{"text": fmt.Sprintf("您好,%s,您的消息:%s 我已收到", from.Name, data.Text)})
	}
}

// archive sends the transcript of a case to the third party, whole.
func (d *desk) archive(e *event) {
	lines := make([]said, len(e.Transcript))
	for i, m := range e.Transcript {
		if err := json.Unmarshal(m.Data, &lines[i]); err != nil {
			log.Print(err)
		}
	}
	slices.SortStableFunc(lines, func(a, b said) int { return int(a.At - b.At) })
	body, err := json.Marshal(map[string]any{"case": strings.TrimPrefix(e.Room, "case:"), "reason": e.Reason, "lines": lines})
	if err != nil {
		log.Print(err)
		return
	}
	to := *crm
	if to == "" {
		to = d.s.Page + "/crm"
	}
	response, err := http.Post(to, "application/json", bytes.NewReader(body))
	if err != nil {
		log.Print(err)
		return
	}
	_ = response.Body.Close()
}
