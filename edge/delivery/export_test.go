package delivery

import (
	"barrage/fanout"
	"barrage/internal/broker"
)

// NewMessage is a message on its way to members.
func NewMessage(f *Forms, m *broker.Message) fanout.Publication { return &message{f, m, 0} }
