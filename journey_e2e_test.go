package cdp_test

// A journey over the wire: mail through SMTP, a signed request to a text message service, and the inbox.

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"log"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/cdptest"
	"github.com/embedcdp/cdp/channel"
	"github.com/embedcdp/cdp/channel/email"
	"github.com/embedcdp/cdp/channel/webhook"
)

// mailbox is an SMTP server that keeps what it receives. refuse answers RCPT.
type mailbox struct {
	port   int
	refuse func(to string) error

	mu    sync.Mutex
	mails []string
}

func newMailbox(t *testing.T) *mailbox {
	t.Helper()
	m := &mailbox{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	m.port = l.Addr().(*net.TCPAddr).Port
	srv := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return mailSession{m}, nil }))
	srv.Domain, srv.ErrorLog = "relay.test", log.New(io.Discard, "", 0)
	done := make(chan struct{})
	go func() { defer close(done); srv.Serve(l) }()
	t.Cleanup(func() { srv.Close(); <-done })
	return m
}

type mailSession struct{ m *mailbox }

func (s mailSession) Reset()                               {}
func (s mailSession) Logout() error                        { return nil }
func (s mailSession) Mail(string, *smtp.MailOptions) error { return nil }
func (s mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if s.m.refuse != nil {
		return s.m.refuse(to)
	}
	return nil
}

func (s mailSession) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.m.mails = append(s.m.mails, string(b))
	return err
}

// take returns the mails received since the last call, with their decoded parts by media type.
func (m *mailbox) take(t *testing.T) (out []letter) {
	t.Helper()
	m.mu.Lock()
	mails := m.mails
	m.mails = nil
	m.mu.Unlock()
	for _, raw := range mails {
		msg, err := mail.ReadMessage(strings.NewReader(raw))
		require.NoError(t, err)
		subject, err := new(mime.WordDecoder).DecodeHeader(msg.Header.Get("Subject"))
		require.NoError(t, err)
		l := letter{header: msg.Header, subject: subject, parts: map[string]string{}}
		media, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
		require.NoError(t, err)
		if !strings.HasPrefix(media, "multipart/") {
			l.parts[media] = decodePart(t, msg.Header.Get("Content-Transfer-Encoding"), msg.Body)
		} else {
			for r := multipart.NewReader(msg.Body, params["boundary"]); ; {
				p, err := r.NextRawPart()
				if err == io.EOF {
					break
				}
				require.NoError(t, err)
				media, _, err := mime.ParseMediaType(p.Header.Get("Content-Type"))
				require.NoError(t, err)
				l.parts[media] = decodePart(t, p.Header.Get("Content-Transfer-Encoding"), p)
			}
		}
		out = append(out, l)
	}
	return out
}

type letter struct {
	header  mail.Header
	subject string
	parts   map[string]string
}

func decodePart(t *testing.T, encoding string, r io.Reader) string {
	t.Helper()
	switch strings.ToLower(encoding) {
	case "quoted-printable":
		r = quotedprintable.NewReader(r)
	case "base64":
		r = base64.NewDecoder(base64.StdEncoding, r)
	}
	b, err := io.ReadAll(r)
	require.NoError(t, err)
	return strings.TrimRight(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n")
}

const hookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// hook is a text message service that verifies what it is sent.
type hook struct {
	url string

	mu     sync.Mutex
	status []int // of the next answers; then 200
	texts  []map[string]any
	keys   []string
}

func newHook(t *testing.T) *hook {
	t.Helper()
	h := &hook{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		defer h.mu.Unlock()
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = webhook.Verify(hookSecret, r.Header, body, time.Minute, time.Now())
		}
		var m map[string]any
		if err == nil {
			err = json.Unmarshal(body, &m)
		}
		if err != nil {
			t.Errorf("a request that is not genuine: %v", err)
			w.WriteHeader(400)
			return
		}
		h.keys = append(h.keys, r.Header.Get("Idempotency-Key"))
		if len(h.status) > 0 {
			w.WriteHeader(h.status[0])
			h.status = h.status[1:]
			return
		}
		h.texts = append(h.texts, m)
		w.Write([]byte(`{"id": "sms-1"}`))
	}))
	t.Cleanup(srv.Close)
	h.url = srv.URL
	return h
}

type wires struct {
	*cdptest.Client
	mail *mailbox
	hook *hook
}

func newWires(t *testing.T) *wires {
	t.Helper()
	w := &wires{mail: newMailbox(t), hook: newHook(t)}
	mailer, err := email.New(email.Config{Host: "127.0.0.1", Port: w.mail.port, TLS: email.NoTLS, From: "Shop <news@shop.test>"})
	require.NoError(t, err)
	texter, err := webhook.New(webhook.Config{URL: w.hook.url, Secrets: []string{hookSecret}, AllowPrivate: true})
	require.NoError(t, err)
	t.Cleanup(func() { texter.Close() })
	w.Client = cdptest.New(t, cdptest.Options{Config: cdp.Config{Secret: []byte("0123456789abcdef0123456789abcdef"), MaxAttempts: 3,
		Channels: map[string]channel.Channel{"email": mailer, "sms": texter}}})
	ctx := t.Context()
	require.NoError(t, w.Portal().Save(ctx, cdp.Settings{UnsubscribeURL: "https://shop.test/stop?token={token}"}))
	require.NoError(t, w.Objects().Define(ctx, cdp.ObjectType{Name: "product", Attributes: cdp.Schema{"name": cdp.String}}))
	_, err = w.Objects().Put(ctx, cdp.ObjectRecord{Type: "product", ID: "p1", Attributes: cdp.Attrs{"name": `Lamp "Ö" <b>&`}})
	require.NoError(t, err)
	w.Define(cdp.EventType{Name: "add_to_cart", Attributes: cdp.Schema{"product": cdp.Ref("product"), "qty": cdp.Number}},
		cdp.EventType{Name: "purchase"})
	w.DefineProfile(cdp.Schema{"email": cdp.String, "phone": cdp.String, "first_name": cdp.String})
	w.SaveTemplate(
		cdp.Template{Name: "mail", Event: "add_to_cart", Subject: `{{ event.qty }} × {{ event.product.name }}`,
			Text: "Hi {{ customer.first_name | \"there\" }}\nNo more: {{ unsubscribe_url }}",
			HTML: `<p>Hi {{ customer.first_name | "there" }}, <i title="{{ event.product.name }}">{{ event.product.name }}</i> <a href="{{ unsubscribe_url }}">stop</a></p>`},
		cdp.Template{Name: "text", Event: "add_to_cart", Text: "{{ customer.first_name }}, still thinking about {{ event.product.name }}?"},
		cdp.Template{Name: "note", Subject: "Your cart", Text: "waits", HTML: "<b>{{ customer.first_name }}</b>", Data: `{"n": {{ events.add_to_cart.size() }}, "who": {{ customer.first_name }}}`, URL: "https://shop.test/cart"})
	w.SaveJourney(cdp.Journey{Name: "cart", Entry: cdp.Entry{Event: "add_to_cart"},
		Goals: []cdp.Goal{{Name: "bought", Event: "purchase"}},
		Exits: []cdp.Exit{{Event: "unsubscribed", Where: `!has(e.channel) || e.channel == "email"`, Reason: "unsubscribed"}},
		Nodes: []cdp.Node{
			cdp.Wait("first", "2h", "mail", cdp.Branch{Event: "purchase", Next: "end"}),
			cdp.Send("mail", "email", "mail", "day"), cdp.Delay("day", "1d", "text"),
			cdp.Send("text", "sms", "text", "days"), cdp.Delay("days", "2d", "note"),
			cdp.Send("note", cdp.InboxChannel, "note", "end"), cdp.End("end", "")}})
	return w
}

func (w *wires) history(t *testing.T, only ...string) (out []string) {
	t.Helper()
	h, err := w.Messages().History(t.Context(), only...)
	require.NoError(t, err)
	for _, m := range h {
		out = append(out, strings.TrimSpace(m.Event+" "+m.Node+" "+m.UserID))
	}
	return out
}

func TestJourneyOverTheWire(t *testing.T) {
	w := newWires(t)
	ctx := t.Context()
	w.Knows(cdp.Identity{UserID: "ann", Attributes: cdp.Attrs{"email": "ann@example.test", "phone": "+8490", "first_name": "<Ann>"}})
	w.Happens(cdp.Event{Name: "add_to_cart", UserID: "ann", Attributes: cdp.Attrs{"product": "p1", "qty": 2.0}})
	w.Advance(2*time.Hour - time.Second)
	require.Empty(t, w.mail.take(t))
	w.Advance(time.Second)
	letters := w.mail.take(t)
	require.Len(t, letters, 1)
	l := letters[0]
	require.Equal(t, `2 × Lamp "Ö" <b>&`, l.subject)
	require.Equal(t, "<ann@example.test>", l.header.Get("To"))
	require.Equal(t, "List-Unsubscribe=One-Click", l.header.Get("List-Unsubscribe-Post"))
	link := strings.Trim(l.header.Get("List-Unsubscribe"), "<>")
	require.Equal(t, "Hi <Ann>\nNo more: "+link, l.parts["text/plain"])
	require.Equal(t, `<p>Hi &lt;Ann&gt;, <i title="Lamp &#34;Ö&#34; &lt;b&gt;&amp;">Lamp &#34;Ö&#34; &lt;b&gt;&amp;</i> <a href="`+link+`">stop</a></p>`, l.parts["text/html"])

	w.hook.status = []int{503, 503} // then it works: one message under one key
	w.Advance(24 * time.Hour)
	w.Advance(time.Hour)
	require.Len(t, w.hook.keys, 3)
	require.Equal(t, w.hook.keys[0], w.hook.keys[1])
	require.Equal(t, w.hook.keys[0], w.hook.keys[2])
	require.Len(t, w.hook.texts, 1)
	data := w.hook.texts[0]["data"].(map[string]any)
	require.Equal(t, `<Ann>, still thinking about Lamp "Ö" <b>&?`, data["text"])
	require.Equal(t, "+8490", data["to"])
	require.Equal(t, "ann", data["profile_id"])

	w.Advance(48 * time.Hour)
	inbox, err := w.Inbox().List(ctx, "ann")
	require.NoError(t, err)
	require.Len(t, inbox, 1)
	require.Equal(t, "Your cart", inbox[0].Title)
	require.Equal(t, "waits", inbox[0].Body)
	require.Equal(t, "<b>&lt;Ann&gt;</b>", inbox[0].HTML)
	require.JSONEq(t, `{"n": 1, "who": "<Ann>"}`, inbox[0].Data)
	require.Equal(t, "https://shop.test/cart", inbox[0].URL)
	require.False(t, inbox[0].Read)
	require.ErrorIs(t, w.Inbox().MarkRead(ctx, "bob", inbox[0].Key), cdp.ErrNotFound)
	for range 2 {
		require.NoError(t, w.Inbox().MarkRead(ctx, "ann", inbox[0].Key))
	}
	inbox, err = w.Inbox().List(ctx, "ann")
	require.NoError(t, err)
	require.True(t, inbox[0].Read)
	reads, err := w.Profiles().Timeline(ctx, "ann", &cdp.TimelineOptions{Only: []string{"inbox_read"}})
	require.NoError(t, err)
	require.Len(t, reads, 1)
	w.ExpectAt("cart", "ann", "")
	require.Equal(t, []string{"message_queued mail ann", "message_sent mail ann", "message_queued text ann", "message_retried text ann",
		"message_retried text ann", "message_sent text ann", "message_queued note ann", "message_sent note ann"}, w.history(t))
}

// A purchase is the goal wherever somebody stands.
func TestGoalAtEachStage(t *testing.T) {
	for _, x := range []struct {
		node  string
		after time.Duration
		sent  int // messages of all channels before the goal
	}{{"first", time.Hour, 0}, {"day", 3 * time.Hour, 1}, {"days", 30 * time.Hour, 2}} {
		t.Run(x.node, func(t *testing.T) {
			w := newWires(t)
			w.Knows(cdp.Identity{UserID: "ann", Attributes: cdp.Attrs{"email": "ann@example.test", "phone": "+8490", "first_name": "Ann"}})
			w.Happens(cdp.Event{Name: "add_to_cart", UserID: "ann", Attributes: cdp.Attrs{"product": "p1", "qty": 1}})
			w.Advance(x.after)
			w.ExpectAt("cart", "ann", x.node)
			w.Happens(cdp.Event{Name: "purchase", UserID: "ann"})
			w.ExpectAt("cart", "ann", "")
			w.Advance(30 * 24 * time.Hour)
			require.Len(t, w.history(t, "message_sent"), x.sent)
			goals, err := w.Profiles().Timeline(t.Context(), "ann", &cdp.TimelineOptions{Only: []string{"goal_reached"}})
			require.NoError(t, err)
			require.Len(t, goals, 1)
			require.Equal(t, x.node, goals[0].Attributes["node"])
		})
	}
}

// The link in a mail takes back consent for mail, and the journey ends; a token that was tampered with does nothing.
func TestUnsubscribeRoundTrip(t *testing.T) {
	w := newWires(t)
	ctx := t.Context()
	user := "ann\x00email" // an id may hold what the token uses as a separator
	w.Knows(cdp.Identity{UserID: "ann"}, cdp.Identity{UserID: user, Attributes: cdp.Attrs{"email": "ann@example.test", "first_name": "Ann"}})
	w.Happens(cdp.Event{Name: "add_to_cart", UserID: user, Attributes: cdp.Attrs{"product": "p1", "qty": 1}})
	w.Advance(3 * time.Hour)
	letters := w.mail.take(t)
	require.Len(t, letters, 1)
	u, err := url.Parse(strings.Trim(letters[0].header.Get("List-Unsubscribe"), "<>"))
	require.NoError(t, err)
	require.Equal(t, "shop.test", u.Host)
	token := u.Query().Get("token")

	for i := range len(token) {
		b := []byte(token)
		b[i] ^= 1
		require.ErrorIs(t, w.Consents().UnsubscribeToken(ctx, string(b)), cdp.ErrToken, "byte %d", i)
	}
	for _, bad := range []string{"", ".", token + "A", token[:len(token)-1], strings.ReplaceAll(token, ".", "")} {
		require.ErrorIs(t, w.Consents().UnsubscribeToken(ctx, bad), cdp.ErrToken)
	}
	allowed, err := w.Consents().Allowed(ctx, user, "email")
	require.NoError(t, err)
	require.True(t, allowed)

	require.NoError(t, w.Consents().UnsubscribeToken(ctx, token))
	for who, want := range map[string]bool{user: false, "ann": true} {
		allowed, err = w.Consents().Allowed(ctx, who, "email")
		require.NoError(t, err)
		require.Equal(t, want, allowed)
	}
	allowed, err = w.Consents().Allowed(ctx, user, "sms")
	require.NoError(t, err)
	require.True(t, allowed, "the link was in a mail")
	w.ExpectAt("cart", user, "")
	w.Happens(cdp.Event{Name: "add_to_cart", UserID: user, Attributes: cdp.Attrs{"product": "p1", "qty": 1}})
	w.Advance(3 * time.Hour)
	require.Empty(t, w.mail.take(t))
	require.Equal(t, []string{"message_suppressed mail " + user}, w.history(t, "message_suppressed"))
}

// What can never be delivered is said once: content without a value, a mailbox that is not there, no address at all.
func TestUndeliverable(t *testing.T) {
	w := newWires(t)
	w.mail.refuse = func(to string) error {
		if to == "gone@example.test" {
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
		}
		return nil
	}
	w.Knows(cdp.Identity{UserID: "gone", Attributes: cdp.Attrs{"email": "gone@example.test"}},
		cdp.Identity{UserID: "nowhere"},
		cdp.Identity{UserID: "cam", Attributes: cdp.Attrs{"email": "cam@example.test", "phone": "+84"}})
	for _, u := range []string{"gone", "nowhere", "cam"} {
		w.Happens(cdp.Event{Name: "add_to_cart", UserID: u, Attributes: cdp.Attrs{"product": "p1", "qty": 1}})
	}
	w.Happens(cdp.Event{Name: "add_to_cart", UserID: "dan", Identifiers: map[string]string{"email": "dan@example.test"}, Attributes: cdp.Attrs{"qty": 1}})
	w.Advance(3 * time.Hour)
	letters := w.mail.take(t)
	require.Len(t, letters, 1)
	require.Equal(t, "<cam@example.test>", letters[0].header.Get("To"))
	require.Contains(t, letters[0].parts["text/plain"], "Hi there")
	require.ElementsMatch(t, []string{"message_bounced mail gone", "message_bounced mail nowhere", "message_sent mail cam", "message_failed mail dan"},
		w.history(t, "message_bounced", "message_sent", "message_failed"))
	w.Advance(24 * time.Hour) // the text needs a first name
	failed, err := w.Messages().History(t.Context(), "message_failed")
	require.NoError(t, err)
	require.Contains(t, failed[0].Reason, "event.product.name")
	for _, f := range failed[1:] {
		require.Contains(t, f.Reason, "customer.first_name")
	}
	require.Len(t, failed, 5)
	require.Empty(t, w.hook.keys)
	n, err := w.Messages().Pending(t.Context())
	require.NoError(t, err)
	require.Zero(t, n)
}
