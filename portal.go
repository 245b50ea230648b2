package cdp

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/embedcdp/cdp/internal/engine"
	"github.com/embedcdp/cdp/internal/fold"
	"github.com/embedcdp/cdp/store"
)

// Settings of a portal.
type Settings struct {
	Name        string `json:"name,omitempty"`         // for people to read
	TimeZone    string `json:"time_zone,omitempty"`    // IANA name, such as "Asia/Ho_Chi_Minh". Default: UTC
	WeekStart   string `json:"week_start,omitempty"`   // "monday" or "sunday". Default: monday
	LearnEvents bool   `json:"learn_events,omitempty"` // define unknown event types as they come. Default: reject them

	Caps  []Cap    `json:"caps,omitempty"`   // frequency caps over all journeys
	OptIn []string `json:"opt_in,omitempty"` // channels on which nobody is sent anything before they granted consent

	// UnsubscribeURL is a link of yours with {token} in it, put into messages; answer it with Consents().UnsubscribeToken.
	UnsubscribeURL string `json:"unsubscribe_url,omitempty"`
}

// Cap is a frequency cap: at most Max messages to a person in any window of this length, on one channel or on all.
type Cap struct {
	Channel string `json:"channel,omitempty"` // "" counts all channels together
	Max     int    `json:"max"`
	Per     string `json:"per"` // "24h", "7d"
}

// Portal are the verbs of the portal itself. Get them from [Client.Portal].
type Portal struct{ c *Client }

// Portal returns the verbs of the portal's settings.
func (c *Client) Portal() Portal { return Portal{c} }

// Save replaces the settings. A new time zone or week start is taken into account by every segment at once. The channels that
// OptIn and Caps name are those of Config.Channels and "inbox"; a client that has no channels takes every name.
func (p Portal) Save(ctx context.Context, settings Settings) error {
	if err := p.c.begin(ctx, "portal.save"); err != nil {
		return err
	}
	if err := p.c.cfg.accepts(settings); err != nil {
		return &DefinitionError{fold.DefPortal, "", err}
	}
	return p.c.save(ctx, "portal.save", fold.DefPortal, "", settings)
}

// accepts says what is wrong with settings that the fold would take: it must go on taking what older logs hold.
func (c Config) accepts(s Settings) error {
	for i, ch := range s.OptIn {
		if ch == "" {
			return fmt.Errorf("opt_in: name %d is empty; name each channel on which nobody is sent anything without consent, as %q", i+1, "email")
		}
		if err := c.knows(ch); err != nil {
			return fmt.Errorf("opt_in: %s", bareText(err))
		}
	}
	for i, limit := range s.Caps {
		if err := c.knows(limit.Channel); err != nil {
			return fmt.Errorf("cap %d: %s", i+1, bareText(err))
		}
	}
	link := s.UnsubscribeURL
	switch example := "https://shop.example/unsubscribe?t=" + tokenPlace; {
	case link == "":
	case strings.Contains(link, "{"+tokenPlace+"}"):
		return fmt.Errorf("unsubscribe_url %q: write %s in single braces, as in %q", link, tokenPlace, example)
	case !strings.Contains(link, tokenPlace):
		return fmt.Errorf("unsubscribe_url %q lacks %s, so nobody could tell who unsubscribes: write it where the token goes, as in %q", link, tokenPlace, example)
	}
	return nil
}

// tokenPlace is where Settings.UnsubscribeURL takes the token.
const tokenPlace = "{token}"

// Settings returns the settings.
func (p Portal) Settings(ctx context.Context) (Settings, error) {
	s, err := get[Settings](ctx, p.c, "portal.settings", fold.DefPortal, "")
	if errors.Is(err, ErrNotFound) {
		return Settings{}, nil
	}
	return s, err
}

// Portals returns the names of the portals in a store, in order.
func Portals(ctx context.Context, st store.Store) ([]string, error) {
	if st == nil {
		return nil, errNoStore
	}
	return engine.Portals(ctx, st)
}
