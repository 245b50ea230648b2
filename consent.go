package cdp

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/embedcdp/cdp/internal/fold"
	"github.com/embedcdp/cdp/internal/record"
	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/value"
)

// Consents are the verbs of consent. Get them from [Client.Consents]. Every change is an event on the person's timeline;
// the latest one about a channel, or about all, counts.
//
// Names of channels are those of Config.Channels, and "inbox"; another one is an *[InvalidError]. A client that has no channels
// takes every name: it notes consent for another process that sends. Consent from elsewhere can also come as events
// consent_granted and unsubscribed, by Track, Import or a dataflow; those that name an unknown channel are rejected, kept
// with the reason, and accepted by Events().Replay once the channel is there.
type Consents struct{ c *Client }

// Consents returns the verbs of consent.
func (c *Client) Consents() Consents { return Consents{c} }

// Grant notes that a customer agreed to messages on a channel, or on all when channel is "".
func (k Consents) Grant(ctx context.Context, userID, channel string) error {
	return k.note(ctx, "consents.grant", fold.ConsentGranted, userID, channel)
}

// Unsubscribe notes that a customer wants no messages on a channel, or on any when channel is "". What is already in the
// outbox is not sent any more.
func (k Consents) Unsubscribe(ctx context.Context, userID, channel string) error {
	return k.note(ctx, "consents.unsubscribe", fold.Unsubscribed, userID, channel)
}

func (k Consents) note(ctx context.Context, verb, name, userID, channel string) error {
	if err := k.c.begin(ctx, verb); err != nil {
		return err
	}
	if err := k.c.cfg.knows(channel); err != nil {
		return err
	}
	return k.track(ctx, name, userID, channel)
}

func (k Consents) track(ctx context.Context, name, userID, channel string) error {
	ev := Event{Name: name, UserID: userID, Attributes: Attrs{}}
	if channel != "" {
		ev.Attributes["channel"] = channel
	}
	_, err := k.c.submit(ctx, 1, func(e *record.Encoder, _ int) (string, error) {
		id := rand.Text()
		return id, encodeEvent(e, &ev, id, 0, "")
	})
	return err
}

// Allowed says whether a customer may be sent messages on a channel now, by consent alone.
func (k Consents) Allowed(ctx context.Context, userID, channel string) (allowed bool, err error) {
	found := false
	err = k.c.read(ctx, "consents.allowed", func(s *fold.State) {
		row, ok := s.Find(fold.UserID, userID)
		if found = ok; ok {
			allowed = s.MayReceive(row, channel)
		}
	})
	if err == nil {
		err = k.c.cfg.knows(channel)
	}
	if err == nil && !found {
		err = notFound("customer", userID)
	}
	return allowed && err == nil, err
}

// knows refuses the name of a channel that is not configured, where channels are configured at all. "" is every channel. The
// fold cannot do this: channels are Go values of one process, and the log is the same in all.
func (c Config) knows(channel string) error {
	known := c.channelNames()
	if channel == "" || len(c.Channels) == 0 || slices.Contains(known, channel) {
		return nil
	}
	return &InvalidError{What: fmt.Sprintf("channel %.64q", channel), Reason: fmt.Sprintf("is not in Config.Channels%s: correct the name, or register the channel; there are %s",
		schema.DidYouMean(channel, known), strings.Join(known, ", "))}
}

// channelNames are the channels that there are, in order.
func (c Config) channelNames() []string {
	names := append(slices.Collect(maps.Keys(c.Channels)), InboxChannel)
	slices.Sort(names)
	return names
}

// refuses says what is wrong with a consent event that names an unknown channel, "" when nothing is, or it is no such event.
func (c Config) refuses(event string, channel any) string {
	if event != fold.ConsentGranted && event != fold.Unsubscribed {
		return ""
	}
	v, err := value.FromGo(channel)
	if err != nil || v.Kind != value.String {
		return "" // the fold says what is wrong with it
	}
	if err := c.knows(v.Str); err != nil {
		return bareText(err)
	}
	return ""
}

// ErrToken is returned for an unsubscribe token that was not made with this secret.
var ErrToken = errors.New("cdp: the unsubscribe token is not valid")

// UnsubscribeToken carries out the token of an unsubscribe link (Settings.UnsubscribeURL, Config.Secret): call it from the
// handler of that link, on POST (RFC 8058). A link for a channel that is no longer configured still works.
func (k Consents) UnsubscribeToken(ctx context.Context, token string) error {
	if err := k.c.begin(ctx, "consents.unsubscribe_token"); err != nil {
		return err
	}
	userID, channel, ok := openToken(k.c.cfg.Secret, token)
	if !ok {
		return ErrToken
	}
	return k.track(ctx, fold.Unsubscribed, userID, channel)
}

// makeToken signs whom an unsubscribe link is for: base64url(user 0 channel), a dot, and an HMAC-SHA256 cut to 16 bytes.
func makeToken(secret []byte, userID, channel string) string {
	body := base64.RawURLEncoding.EncodeToString([]byte(userID + "\x00" + channel))
	return body + "." + base64.RawURLEncoding.EncodeToString(tokenSum(secret, body))
}

func tokenSum(secret []byte, body string) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte("unsubscribe." + body))
	return h.Sum(nil)[:16]
}

func openToken(secret []byte, token string) (userID, channel string, ok bool) {
	body, sum, _ := strings.Cut(token, ".")
	got, err := base64.RawURLEncoding.DecodeString(sum)
	if err != nil || len(secret) == 0 || !hmac.Equal(got, tokenSum(secret, body)) {
		return "", "", false
	}
	plain, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil {
		return "", "", false
	}
	i := strings.LastIndexByte(string(plain), 0) // a user id may hold a zero byte, a channel's name does not
	if i < 0 {
		return "", "", false
	}
	return string(plain[:i]), string(plain[i+1:]), true
}
