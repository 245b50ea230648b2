package cdp

import (
	"context"

	"github.com/embedcdp/cdp/internal/fold"
)

// Template is a message with placeholders. A placeholder is a CEL expression in double braces over the profile (customer,
// events, …) and, with Event, over the event that started the journey; after a single | comes what is used where the value
// is absent:
//
//	Hi {{ customer.first_name | "there" }}, {{ event.product.name }} is waiting.
//
// A placeholder that is absent and has no default makes the message a failed one (message_failed says which): nobody gets
// "Hi ,". HTML is escaped by context, Data stays valid JSON, and Subject is one line. {{ unsubscribe_url }} is the link to
// take back consent.
type Template struct {
	Name    string `json:"name"`
	Event   string `json:"event,omitempty"` // the type of `event`; "" when only the profile is used
	Subject string `json:"subject,omitempty"`
	Text    string `json:"text,omitempty"`
	HTML    string `json:"html,omitempty"`
	Data    string `json:"data,omitempty"` // JSON for machines; a placeholder is a value or part of a string
	URL     string `json:"url,omitempty"`  // where a click leads
}

// Content is a rendered template.
type Content struct {
	Subject, Text, HTML, URL string
	Data                     []byte // JSON
}

// Templates are the verbs of templates. Get them from [Client.Templates].
type Templates struct{ c *Client }

// Templates returns the verbs of templates.
func (c *Client) Templates() Templates { return Templates{c} }

// Save checks a template and keeps it as a new version, which every message rendered from now on uses.
func (t Templates) Save(ctx context.Context, def Template) error {
	return t.c.save(ctx, "templates.save", fold.DefTemplate, def.Name, def)
}

// Get returns a template's current version.
func (t Templates) Get(ctx context.Context, name string) (Template, error) {
	return get[Template](ctx, t.c, "templates.get", fold.DefTemplate, name)
}

// List returns all templates by name.
func (t Templates) List(ctx context.Context) ([]Template, error) {
	return list[Template](ctx, t.c, "templates.list", fold.DefTemplate)
}

// Versions returns every version of a template, oldest first.
func (t Templates) Versions(ctx context.Context, name string) ([]Version[Template], error) {
	return versions[Template](ctx, t.c, "templates.versions", fold.DefTemplate, name)
}

// Remove deletes a template. It is refused while a journey uses it.
func (t Templates) Remove(ctx context.Context, name string) error {
	return t.c.remove(ctx, "templates.remove", fold.DefTemplate, name)
}

// Preview renders a template, saved or not, for one customer, with their newest event of the template's type.
func (t Templates) Preview(ctx context.Context, def Template, userID string) (Content, error) {
	body, err := encode(fold.DefTemplate, def.Name, def)
	if err != nil {
		return Content{}, err
	}
	var out Content
	var failed error
	if err := t.c.read(ctx, "templates.preview", func(s *fold.State) {
		row, ok := s.Find(fold.UserID, userID)
		if !ok {
			failed = notFound("customer", userID)
			return
		}
		m, err := s.Preview(def.Name, body, row, t.c.sender.Unsubscribe(s))
		if err != nil {
			failed = bare("template", def.Name, err)
		}
		out = Content{m.Subject, m.Text, m.HTML, m.URL, m.Data}
	}); err != nil {
		return out, err
	}
	return out, failed
}
