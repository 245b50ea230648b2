package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/embedcdp/cdp/channel"
	"github.com/embedcdp/cdp/channel/webhook"
)

// mailroom is a channel of our own: it writes each email into a file and sends nothing. A product uses channel/email,
// which speaks SMTP; the rest of the story would stay the same.
type mailroom struct {
	dir string

	mu      sync.Mutex        // guards letters; Send is called from several goroutines
	letters []channel.Message // not collected yet
	sent    int
}

func (m *mailroom) Send(_ context.Context, msg channel.Message) (channel.Receipt, error) {
	switch {
	case msg.To == "":
		return channel.Receipt{}, channel.NoReceiver(errors.New("there is no email address"))
	case strings.HasSuffix(msg.To, "@mial.example"):
		return channel.Receipt{}, channel.Permanent(errors.New("550 no such domain"))
	}
	// The key is the same on every attempt: a second one writes the same file.
	var b bytes.Buffer
	fmt.Fprintf(&b, "Date: %s\nTo: %s\nSubject: %s\nList-Unsubscribe: <%s>\n\n%s", msg.Time.Format(time.RFC1123Z), msg.To, msg.Subject, msg.UnsubscribeURL, msg.Text)
	name := filepath.Join(m.dir, msg.ProfileID+"-"+msg.Time.Format("20060102-150405")+".eml")
	if err := os.WriteFile(name, b.Bytes(), 0o600); err != nil {
		return channel.Receipt{}, err // tried again later
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.letters = append(m.letters, msg)
	m.sent++
	return channel.Receipt{}, nil
}

func (m *mailroom) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sent
}

// collect returns the letters since the last call, in a fixed order.
func (m *mailroom) collect() []channel.Message {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := m.letters
	m.letters = nil
	slices.SortFunc(out, func(a, b channel.Message) int { return strings.Compare(a.Key, b.Key) })
	return out
}

// smsGateway is the service that would send text messages: an HTTP server in this process. It refuses requests that the
// shop's secret did not sign.
type smsGateway struct {
	*httptest.Server
	secret string
	now    func() time.Time

	mu    sync.Mutex // guards taken
	taken int
}

func newSMSGateway(now func() time.Time) *smsGateway {
	g := &smsGateway{now: now, secret: "whsec_" + base64.StdEncoding.EncodeToString([]byte("a secret for the example only"))}
	g.Server = httptest.NewServer(http.HandlerFunc(g.take))
	return g
}

func (g *smsGateway) take(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
	if err == nil {
		err = webhook.Verify(g.secret, r.Header, body, 0, g.now())
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.taken++
}

func (g *smsGateway) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.taken
}

// channel is the other side: the platform's webhook channel, pointed at the gateway.
func (g *smsGateway) channel() (*webhook.Channel, error) {
	return webhook.New(webhook.Config{
		URL: g.URL, Secrets: []string{g.secret}, Now: g.now,
		AllowPrivate: true, // the gateway is on this machine; without it only public addresses by https are allowed
	})
}
