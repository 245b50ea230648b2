package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"code.dny.dev/ssrf"

	"github.com/embedcdp/cdp/channel"
)

// Config says where requests go and how they are signed.
type Config struct {
	// URL is where every message goes. Empty means that Message.To is the URL.
	URL string

	// Secrets sign each request, in the form whsec_<base64 of 24 to 64 random bytes>. Required. Normally there is one;
	// with two, a receiver can change from the old to the new at its own time.
	Secrets []string

	// AllowPrivate lets requests go to any address and by plain http: for receivers inside your network, and for tests.
	// Do not set it when URLs come from people you do not trust.
	AllowPrivate bool

	// Timeout bounds one Send, reading the answer included. 0 means 20 seconds.
	Timeout time.Duration

	// Now gives the time for the signature and for dates in Retry-After. nil means time.Now.
	Now func() time.Time
}

// Channel sends webhooks. It is safe for concurrent use.
type Channel struct {
	cfg    Config
	url    *url.URL // nil: Message.To
	keys   [][]byte
	client *http.Client
}

var _ channel.Channel = (*Channel)(nil)

// New checks cfg and makes a channel of it. It does not connect.
func New(cfg Config) (*Channel, error) {
	c := &Channel{cfg: cfg}
	if cfg.Timeout < 0 {
		return nil, errors.New("webhook: Config.Timeout must not be negative; use 0 for the default")
	}
	if cfg.Timeout == 0 {
		c.cfg.Timeout = 20 * time.Second
	}
	if cfg.Now == nil {
		c.cfg.Now = time.Now
	}
	if cfg.URL != "" {
		u, err := parseURL(cfg.URL, cfg.AllowPrivate)
		if err != nil {
			return nil, fmt.Errorf("webhook: Config.URL: %w", err)
		}
		c.url = u
	}
	if len(cfg.Secrets) == 0 {
		return nil, errors.New("webhook: Config.Secrets is empty; make one: whsec_ followed by the output of openssl rand -base64 32")
	}
	for i, secret := range cfg.Secrets {
		key, err := decodeSecret(secret)
		if err != nil {
			return nil, fmt.Errorf("webhook: Config.Secrets[%d]: %w", i, err)
		}
		c.keys = append(c.keys, key)
	}
	c.client = newClient(cfg.AllowPrivate)
	return c, nil
}

func newClient(allowPrivate bool) *http.Client {
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	if !allowPrivate {
		// Control runs after the name is resolved and before the connection is made, for each address tried, so a name that
		// resolves to another address the second time gains nothing.
		dialer.Control = newGuard().Safe
	}
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                  nil, // a proxy would dial for us, past the check
			DialContext:            dialer.DialContext,
			ForceAttemptHTTP2:      true, // not the default with a DialContext of one's own
			TLSHandshakeTimeout:    10 * time.Second,
			MaxIdleConnsPerHost:    8,
			IdleConnTimeout:        30 * time.Second,
			MaxResponseHeaderBytes: maxResponse,
			DisableCompression:     true, // answers are small, and must not unpack into large ones
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func newGuard() *ssrf.Guardian { return ssrf.New(ssrf.WithAnyPort()) }

// Close closes idle connections. The channel stays usable.
func (c *Channel) Close() error {
	c.client.CloseIdleConnections()
	return nil
}

// Send posts m and reads the answer. The package documentation says what each error means.
func (c *Channel) Send(ctx context.Context, m channel.Message) (channel.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return channel.Receipt{}, fmt.Errorf("webhook: not sent: %w", err)
	}
	target, err := c.target(m)
	if err != nil {
		return channel.Receipt{}, err
	}
	if m.Key == "" {
		return channel.Receipt{}, errors.New("webhook: the message has no Key; receivers need it to act once")
	}
	body, err := payload(m)
	if err != nil {
		return channel.Receipt{}, err
	}
	// Errors name the host alone: paths and queries of webhooks often hold keys, and a person's URL is the person's data.
	host := target.Host

	limited, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(limited, http.MethodPost, target.String(), bytes.NewReader(body))
	if err != nil {
		return channel.Receipt{}, fmt.Errorf("webhook: %s: cannot make the request", host)
	}
	c.setHeaders(request.Header, headerKey(m.Key), body)
	response, err := c.client.Do(request)
	if err != nil {
		return channel.Receipt{}, c.explain(ctx, err, host)
	}
	defer response.Body.Close()
	// The status is the answer; a body that breaks off only costs the receipt's id.
	answer, _ := io.ReadAll(io.LimitReader(response.Body, maxResponse))
	return c.read(response, answer, host)
}

func (c *Channel) setHeaders(h http.Header, id string, body []byte) {
	at := c.cfg.Now()
	h.Set("Content-Type", "application/json")
	h.Set("User-Agent", "embedcdp-webhook/1")
	h.Set("Idempotency-Key", id) // net/http also reads it, as leave to repeat the request when an idle connection proves dead
	h.Set(HeaderID, id)
	h.Set(HeaderTimestamp, strconv.FormatInt(at.Unix(), 10))
	h.Set(HeaderSignature, signAll(c.keys, id, at, body))
}

// target is the URL that m goes to.
func (c *Channel) target(m channel.Message) (*url.URL, error) {
	if c.url != nil {
		return c.url, nil
	}
	if m.To == "" {
		return nil, channel.NoReceiver(errors.New("webhook: there is no URL: the message has no To, and Config.URL is empty"))
	}
	u, err := parseURL(m.To, c.cfg.AllowPrivate)
	if err != nil {
		return nil, channel.Permanent(fmt.Errorf("webhook: the message's To: %w", err))
	}
	return u, nil
}

func parseURL(s string, allowPrivate bool) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Hostname() == "" || (u.Scheme != "https" && u.Scheme != "http"):
		return nil, errors.New("it is not a URL such as https://hooks.example.com/cdp")
	case u.Scheme == "http" && !allowPrivate:
		return nil, errors.New("the scheme must be https; plain http needs Config.AllowPrivate")
	}
	return u, nil
}

// payload is the body of the request, the same on every attempt.
func payload(m channel.Message) ([]byte, error) {
	if len(m.Data) > 0 {
		if !json.Valid(m.Data) {
			return nil, fmt.Errorf("webhook: the message's Data is not JSON; look at template %q", m.Template)
		}
		return m.Data, nil
	}
	body, err := json.Marshal(envelope{
		Type:      "message.send",
		Timestamp: m.Time.UTC(),
		Data: messageJSON{
			Key: m.Key, Portal: m.Portal, Channel: m.Channel, ProfileID: m.ProfileID, Journey: m.Journey, Node: m.Node,
			Template: m.Template, To: m.To, Subject: m.Subject, Text: m.Text, HTML: m.HTML, UnsubscribeURL: m.UnsubscribeURL,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("webhook: cannot write the message as JSON: %w", err)
	}
	return body, nil
}

type envelope struct {
	Type      string      `json:"type"`
	Timestamp time.Time   `json:"timestamp"`
	Data      messageJSON `json:"data"`
}

type messageJSON struct {
	Key            string `json:"key"`
	Portal         string `json:"portal,omitempty"`
	Channel        string `json:"channel,omitempty"`
	ProfileID      string `json:"profile_id,omitempty"`
	Journey        string `json:"journey,omitempty"`
	Node           string `json:"node,omitempty"`
	Template       string `json:"template,omitempty"`
	To             string `json:"to,omitempty"`
	Subject        string `json:"subject,omitempty"`
	Text           string `json:"text,omitempty"`
	HTML           string `json:"html,omitempty"`
	UnsubscribeURL string `json:"unsubscribe_url,omitempty"`
}
