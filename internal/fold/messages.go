package fold

// This file holds message templates: what a send says, rendered for one person.

import (
	"errors"
	"fmt"
	"strings"

	"github.com/embedcdp/cdp/channel"
	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/roweval"
	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/template"
	"github.com/embedcdp/cdp/internal/value"
)

type messageTemplate struct {
	def      *template.Template
	compiled *template.Compiled
}

func (s *State) prepareTemplate(name string, body []byte) (func(), error) {
	t, err := s.compileTemplate(name, body)
	if err != nil {
		return nil, err
	}
	for _, j := range s.journeys.sorted() {
		if d := j.current().Def(); t.def.Event != "" && t.def.Event != d.Entry.Event && j.uses(DefKey{DefTemplate, name}) {
			return nil, fmt.Errorf("it reads `event` as %q, but the journey %q that uses it starts with %q", t.def.Event, j.name, d.Entry.Event)
		}
	}
	return func() { s.journeys.templates[name] = t }, nil
}

func (s *State) compileTemplate(name string, body []byte) (*messageTemplate, error) {
	def, err := template.Decode(body)
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "template: "))
	}
	if def.Name != name {
		return nil, fmt.Errorf("the definition is named %q, not %q", def.Name, name)
	}
	if err := schema.CheckName("a template", strings.ReplaceAll(name, "-", "_")); err != nil {
		return nil, err
	}
	if def.Event != "" && s.typeNamed[def.Event] == nil {
		return nil, fmt.Errorf("unknown event %q%s", def.Event, schema.DidYouMean(def.Event, s.publicTypes()))
	}
	compiled, err := template.Compile(def, template.Hooks{Location: s.Settings.location,
		Compile: func(src string) (template.Eval, error) {
			expr, err := celenv.Compile(s.Catalogue, celenv.Scope{Person: true, Event: def.Event, Want: celenv.Any}, src)
			if err != nil {
				return nil, err
			}
			prog, err := roweval.New(expr)
			if err != nil {
				return nil, err
			}
			return func(data any) (value.Value, error) {
				r := prog.Eval(data.(roweval.Input))
				return r.Value, r.Err
			}, nil
		}})
	if err != nil {
		return nil, errors.New(strings.ReplaceAll(err.Error(), fmt.Sprintf("template %q: ", name), ""))
	}
	return &messageTemplate{def, compiled}, nil
}

// recompileTemplates follows a change of the portal's time zone.
func (s *State) recompileTemplates() {
	for name, t := range s.journeys.templates {
		if again, err := s.compileTemplate(name, s.defs[DefKey{DefTemplate, name}].Body()); err == nil {
			*t = *again
		}
	}
}

// Render renders a message for its person as they are now. unsubscribe makes the link for a user id and a channel; it may
// be nil.
func (s *State) Render(x Send, unsubscribe func(userID, channel string) string) (channel.Message, error) {
	row := s.ids.Canonical(x.Row)
	m := channel.Message{Key: x.Key, Channel: x.Channel, Journey: x.Journey, Node: x.Node, Template: x.Template,
		ProfileID: s.UserIDOf(row), To: s.address(row, x.Channel), Time: utcTime(x.At)}
	if m.ProfileID == "" {
		m.ProfileID = s.AnonymousIDOf(row)
	} else if unsubscribe != nil {
		m.UnsubscribeURL = unsubscribe(m.ProfileID, x.Channel)
	}
	t := s.journeys.templates[x.Template]
	if t == nil {
		return m, fmt.Errorf("template %q is gone", x.Template)
	}
	in := s.InputOf(row)
	if x.trigger.t != nil {
		in.Event = x.trigger
	}
	c, err := t.compiled.Render(template.Input{Data: in, UnsubscribeURL: m.UnsubscribeURL})
	if err != nil {
		return m, err
	}
	m.Subject, m.Text, m.HTML, m.URL, m.Data = c.Subject, c.Text, c.HTML, c.URL, c.Data
	if m.Subject == "" {
		m.Subject = c.Title
	}
	return m, nil
}

// Preview renders a template that need not be saved for one person, with the newest event of the template's type.
func (s *State) Preview(name string, body []byte, row uint32, unsubscribe func(userID, channel string) string) (channel.Message, error) {
	t, err := s.compileTemplate(name, body)
	if err != nil {
		return channel.Message{}, err
	}
	in := s.InputOf(row)
	if typ := s.typeNamed[t.def.Event]; typ != nil {
		if mine := s.eventsOf(typ, row); len(mine) > 0 {
			in.Event = mine[len(mine)-1]
		}
	}
	link := ""
	if user := s.UserIDOf(row); user != "" && unsubscribe != nil {
		link = unsubscribe(user, t.def.Channel)
	}
	c, err := t.compiled.Render(template.Input{Data: in, UnsubscribeURL: link})
	m := channel.Message{Subject: c.Subject, Text: c.Text, HTML: c.HTML, URL: c.URL, Data: c.Data}
	if m.Subject == "" {
		m.Subject = c.Title
	}
	return m, err
}

// address is where a person is reached: for email and phone channels the profile's attribute, else the identifier. Other
// channels know their own ways.
func (s *State) address(row uint32, ch string) string {
	kind := ""
	switch ch {
	case "email":
		kind = Email
	case "sms", "whatsapp", "viber", "zalo":
		kind = Phone
	default:
		return ""
	}
	if v := s.Attribute(row, kind); v.Kind == value.String {
		return v.Str
	}
	if ids := s.Identifiers(row)[kind]; len(ids) > 0 {
		return ids[len(ids)-1]
	}
	return ""
}
