package fold

// This file holds message templates: what a send says, rendered for one person.

import (
	"github.com/embedcdp/cdp/channel"
)

type messageTemplate struct {
	def struct{ Event string }
}

func (s *State) prepareTemplate(name string, body []byte) (func(), error) { return func() {}, nil }

func (s *State) Render(x Send) (channel.Message, error) { return channel.Message{}, nil }
