package email_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/channel"
	"github.com/embedcdp/cdp/channel/email"
)

func startServer(t *testing.T, s *server) *server {
	t.Cleanup(s.start(nil, false))
	return s
}

func TestDelivery(t *testing.T) {
	srv := startServer(t, &server{})
	ch := open(t, srv.Port, func(c *email.Config) { c.ReplyTo = "Hilfe <help@shop.example>" })

	m := message()
	m.Subject = "Grüße aus Hà Nội – 50 % für dich, liebe Ann, und noch viel mehr in diesem langen Betreff"
	m.Text = "Chào Ann,\n.a line that starts with a dot\n=3D is not an escape\ntrailing space \n" + strings.Repeat("dài ", 60) + "\n"
	m.HTML = `<p style="color:red">Chào &lt;Ann&gt; — 你好</p>`
	m.UnsubscribeURL = "https://shop.example/u?t=abc%2Bdef&p=1"
	receipt, err := ch.Send(t.Context(), m)
	require.NoError(t, err)
	require.Equal(t, channel.Sent, result(err))
	require.Equal(t, "OK: queued", receipt.ID)

	mails := srv.received()
	require.Len(t, mails, 1)
	require.Equal(t, "news@shop.example", mails[0].From)
	require.Equal(t, "ann@example.com", mails[0].To)

	got, err := mail.ReadMessage(strings.NewReader(mails[0].Data))
	require.NoError(t, err)
	subject, err := new(mime.WordDecoder).DecodeHeader(got.Header.Get("Subject"))
	require.NoError(t, err)
	assert.Equal(t, m.Subject, subject)
	assert.Equal(t, `"Shop" <news@shop.example>`, got.Header.Get("From"))
	assert.Equal(t, `"Hilfe" <help@shop.example>`, got.Header.Get("Reply-To"))
	assert.Equal(t, "<ann@example.com>", got.Header.Get("To"))
	assert.Equal(t, "Tue, 03 Nov 2026 09:30:00 +0000", got.Header.Get("Date"))
	assert.Equal(t, "<https://shop.example/u?t=abc%2Bdef&p=1>", got.Header.Get("List-Unsubscribe"))
	assert.Equal(t, "List-Unsubscribe=One-Click", got.Header.Get("List-Unsubscribe-Post"))
	assert.Regexp(t, `^<[0-9a-f]{32}@shop\.example>$`, got.Header.Get("Message-ID"))

	media, params, err := mime.ParseMediaType(got.Header.Get("Content-Type"))
	require.NoError(t, err)
	require.Equal(t, "multipart/alternative", media)
	parts := multipart.NewReader(got.Body, params["boundary"])
	for _, want := range []struct{ media, body string }{{"text/plain", m.Text}, {"text/html", m.HTML}} {
		part, err := parts.NextRawPart()
		require.NoError(t, err)
		media, params, err := mime.ParseMediaType(part.Header.Get("Content-Type"))
		require.NoError(t, err)
		assert.Equal(t, want.media, media)
		assert.Equal(t, "utf-8", strings.ToLower(params["charset"]))
		assert.Equal(t, "quoted-printable", part.Header.Get("Content-Transfer-Encoding"))
		body, err := io.ReadAll(quotedprintable.NewReader(part))
		require.NoError(t, err)
		assert.Equal(t, want.body, strings.ReplaceAll(string(body), "\r\n", "\n"))
	}
	_, err = parts.NextRawPart()
	require.ErrorIs(t, err, io.EOF)
	for line := range strings.SplitSeq(mails[0].Data, "\r\n") {
		require.LessOrEqual(t, len(line), 78, "line %q", line)
	}
}

func TestOnePart(t *testing.T) {
	srv := startServer(t, &server{})
	ch := open(t, srv.Port, nil)
	text, html := message(), message()
	html.Text, html.HTML = "", "<p>Hi</p>"
	for i, want := range []string{"text/plain; charset=UTF-8", "text/html; charset=UTF-8"} {
		_, err := ch.Send(t.Context(), []channel.Message{text, html}[i])
		require.NoError(t, err)
		got, err := mail.ReadMessage(strings.NewReader(srv.received()[i].Data))
		require.NoError(t, err)
		assert.Equal(t, want, got.Header.Get("Content-Type"))
		assert.Empty(t, got.Header.Get("List-Unsubscribe"))
	}
}

// Every attempt sends the same bytes; another key sends another Message-ID.
func TestAttemptsAreEqual(t *testing.T) {
	srv := startServer(t, &server{})
	ch := open(t, srv.Port, nil)
	m := message()
	m.HTML, m.UnsubscribeURL = "<p>Hi</p>", "https://shop.example/u"
	for attempt := 1; attempt <= 3; attempt++ {
		m.Attempt = attempt
		if attempt == 3 {
			m.Key += "2"
		}
		_, err := ch.Send(t.Context(), m)
		require.NoError(t, err)
	}
	mails := srv.received()
	require.Equal(t, mails[0].Data, mails[1].Data)
	id := func(i int) string {
		got, err := mail.ReadMessage(strings.NewReader(mails[i].Data))
		require.NoError(t, err)
		return got.Header.Get("Message-ID")
	}
	require.NotEqual(t, id(1), id(2))
}

func TestNoHeaderInjection(t *testing.T) {
	srv := startServer(t, &server{})
	ch := open(t, srv.Port, func(c *email.Config) { c.From = "Shop <news@shop.example>" })
	subjects := []struct{ given, want string }{
		{"Hi\r\nBcc: eve@evil.example\r\n\r\nbody", "Hi Bcc: eve@evil.example body"},
		{"Hi\nBcc: eve@evil.example", "Hi Bcc: eve@evil.example"},
		{"Hi\rBcc: eve@evil.example", "Hi Bcc: eve@evil.example"},
		{"Hi\x00\x0b\u0085Bcc: x", "Hi Bcc: x"},
		{strings.Repeat(" ", 300) + "Bcc: x", "Bcc: x"},
		{"a" + strings.Repeat(" ", 200) + "b\xff\xfe", "a b\uFFFD"},
		{"a" + strings.Repeat(" ", 200) + "b", "a b"},
		{"", ""},
		{"Grüße\r\nBcc: eve@evil.example", "Grüße Bcc: eve@evil.example"},
		{strings.Repeat("x", 800), strings.Repeat("x", 800)},
	}
	for i, subject := range subjects {
		m := message()
		m.Subject, m.Key = subject.given, subject.given+"\r\nBcc: eve@evil.example\r\n"
		_, err := ch.Send(t.Context(), m)
		require.NoError(t, err)
		data := srv.received()[i].Data
		got, err := mail.ReadMessage(strings.NewReader(data))
		require.NoError(t, err)
		names := []string{}
		for name := range got.Header {
			names = append(names, name)
		}
		assert.ElementsMatch(t, []string{"Date", "Message-Id", "Mime-Version", "Subject", "From", "To",
			"Content-Type", "Content-Transfer-Encoding"}, names, "subject %q", subject.given)
		decoded, err := new(mime.WordDecoder).DecodeHeader(got.Header.Get("Subject"))
		require.NoError(t, err)
		assert.Equal(t, subject.want, decoded)
		header, body, _ := strings.Cut(data, "\r\n\r\n")
		for line := range strings.SplitSeq(header, "\r\n") {
			assert.NotEmpty(t, strings.TrimSpace(line), "a folded line of spaces, subject %q", subject.given)
		}
		assert.Equal(t, "Hello Ann", strings.TrimSpace(body))
	}

	for _, link := range []string{"https://shop.example/u\r\nBcc: eve@evil.example", "https://shop.example/?a=>,<mailto:eve@evil.example",
		"javascript:alert(1)", "/u", "https://shop.example/?q=ü", "https://shop.example/" + strings.Repeat("x", 900)} {
		m := message()
		m.UnsubscribeURL = link
		_, err := ch.Send(t.Context(), m)
		assert.Equal(t, channel.Retry, result(err), "link %q", link)
	}
	m := message()
	m.Subject = strings.Repeat("x", 901)
	_, err := ch.Send(t.Context(), m)
	assert.ErrorContains(t, err, `template "welcome"`)
	require.Len(t, srv.received(), len(subjects))
}

func TestPlainHTTPUnsubscribeIsNotOneClick(t *testing.T) {
	srv := startServer(t, &server{})
	m := message()
	m.UnsubscribeURL = "http://localhost:8080/u/1"
	_, err := open(t, srv.Port, nil).Send(t.Context(), m)
	require.NoError(t, err)
	got, err := mail.ReadMessage(strings.NewReader(srv.received()[0].Data))
	require.NoError(t, err)
	require.Equal(t, "<http://localhost:8080/u/1>", got.Header.Get("List-Unsubscribe"))
	require.Empty(t, got.Header.Get("List-Unsubscribe-Post"))
}

func TestAddresses(t *testing.T) {
	srv := startServer(t, &server{})
	ch := open(t, srv.Port, nil)
	for _, c := range []struct {
		to   string
		want channel.Result
	}{
		{"ann@example.com", channel.Sent},
		{" Ann Lee <ann+a.b@sub.example.com> ", channel.Sent},
		{"o'neil@localhost", channel.Sent},
		{"nguyễn@ví-dụ.vn", channel.Sent}, // the test server has SMTPUTF8
		{"", channel.Missing},
		{" \t", channel.Missing},
		{"ann", channel.Hard},
		{"@example.com", channel.Hard},
		{"ann@", channel.Hard},
		{"ann@exa mple.com", channel.Hard},
		{"ann@example.com, bob@example.com", channel.Hard},
		{"ann@example.com\r\nRCPT TO:<bob@example.com>", channel.Hard},
		{"\"ann\r\n\"@example.com", channel.Hard},
		{`"a b"@example.com`, channel.Hard},
		{`"a@b>"@example.com`, channel.Hard},
		{"ann@[127.0.0.1]", channel.Hard},
		{"ann@exam\u2028ple.com", channel.Hard},
		{strings.Repeat("a", 65) + "@example.com", channel.Hard},
		{"ann@" + strings.Repeat("a.", 126) + "com", channel.Hard},
	} {
		m := message()
		m.To = c.to
		_, err := ch.Send(t.Context(), m)
		assert.Equal(t, c.want, result(err), "%q: %v", c.to, err)
	}
	require.Len(t, srv.received(), 4)
}

func TestMessageWithoutContentOrKey(t *testing.T) {
	ch := open(t, 1, nil)
	m := message()
	m.Text = ""
	_, err := ch.Send(t.Context(), m)
	assert.Equal(t, channel.Retry, result(err))
	assert.ErrorContains(t, err, `look at template "welcome"`)
	m = message()
	m.Key = ""
	_, err = ch.Send(t.Context(), m)
	assert.ErrorContains(t, err, "no Key")
}

func TestTLS(t *testing.T) {
	cert, roots := certificate(t)
	for _, policy := range []email.TLS{email.StartTLS, email.ImplicitTLS} {
		t.Run(fmt.Sprint(policy), func(t *testing.T) {
			srv := &server{Users: map[string]string{"shop": "secret"}}
			t.Cleanup(srv.start(cert, policy == email.ImplicitTLS))
			trusted := func(c *email.Config) {
				c.TLS, c.TLSConfig = policy, &tls.Config{RootCAs: roots}
				c.Username, c.Password = "shop", "secret"
			}
			_, err := open(t, srv.Port, trusted).Send(t.Context(), message())
			require.NoError(t, err)
			require.Len(t, srv.received(), 1)
			require.True(t, srv.received()[0].TLS)
			require.Equal(t, "shop", srv.received()[0].User)

			_, err = open(t, srv.Port, func(c *email.Config) { c.TLS = policy }).Send(t.Context(), message())
			require.Equal(t, channel.Retry, result(err))
			require.ErrorContains(t, err, "certificate")
			require.Len(t, srv.received(), 1)
		})
	}
	t.Run("not offered", func(t *testing.T) {
		srv := startServer(t, &server{})
		_, err := open(t, srv.Port, func(c *email.Config) { c.TLS = email.StartTLS }).Send(t.Context(), message())
		require.Equal(t, channel.Retry, result(err))
		require.ErrorContains(t, err, "does not support STARTTLS")
		require.Empty(t, srv.received())
	})
}

func TestLogin(t *testing.T) {
	srv := startServer(t, &server{Users: map[string]string{"shop": "secret"}})
	login := func(password string) error {
		_, err := open(t, srv.Port, func(c *email.Config) { c.Username, c.Password = "shop", password }).Send(t.Context(), message())
		return err
	}
	require.NoError(t, login("secret"))
	require.Equal(t, "shop", srv.received()[0].User)

	err := login("wr0ng")
	require.Equal(t, channel.Retry, result(err))
	require.ErrorContains(t, err, "check Config.Username and Config.Password")
	require.NotContains(t, err.Error(), "wr0ng")

	plain := startServer(t, &server{}) // offers no login at all
	_, err = open(t, plain.Port, func(c *email.Config) { c.Username = "shop" }).Send(t.Context(), message())
	require.Equal(t, channel.Retry, result(err))
	require.Empty(t, plain.received())
}

// Codes of RFC 5321, 4954 and 7504, enhanced codes of RFC 3463; the expected meaning is that of the package's table.
func TestAnswers(t *testing.T) {
	none := smtp.NoEnhancedCode
	for _, c := range []struct {
		at       string
		code     int
		enhanced smtp.EnhancedCode
		want     channel.Result
	}{
		{"RCPT", 550, smtp.EnhancedCode{5, 1, 1}, channel.Hard}, // no such user
		{"RCPT", 550, none, channel.Hard},
		{"RCPT", 550, smtp.EnhancedCode{5, 5, 0}, channel.Hard},
		{"RCPT", 550, smtp.EnhancedCode{5, 0, 0}, channel.Hard},
		{"RCPT", 550, smtp.EnhancedCode{5, 4, 1}, channel.Hard}, // Exchange Online: recipient address rejected
		{"RCPT", 551, none, channel.Hard},
		{"RCPT", 553, none, channel.Hard},
		{"RCPT", 556, smtp.EnhancedCode{5, 1, 10}, channel.Hard}, // domain takes no mail
		{"RCPT", 501, smtp.EnhancedCode{5, 1, 3}, channel.Hard},  // bad address syntax
		{"RCPT", 554, smtp.EnhancedCode{5, 2, 1}, channel.Hard},  // mailbox disabled
		{"RCPT", 550, smtp.EnhancedCode{5, 1, 8}, channel.Retry}, // sender's domain
		{"RCPT", 550, smtp.EnhancedCode{5, 7, 1}, channel.Retry}, // blocked by policy
		{"RCPT", 554, smtp.EnhancedCode{5, 7, 1}, channel.Retry}, // relay access denied
		{"RCPT", 554, none, channel.Retry},
		{"RCPT", 552, smtp.EnhancedCode{5, 2, 2}, channel.Retry}, // mailbox full
		{"RCPT", 552, none, channel.Retry},
		{"RCPT", 530, smtp.EnhancedCode{5, 7, 0}, channel.Retry}, // authentication required
		{"RCPT", 535, none, channel.Retry},
		{"RCPT", 503, smtp.EnhancedCode{5, 5, 1}, channel.Retry}, // bad sequence of commands
		{"RCPT", 450, smtp.EnhancedCode{4, 2, 0}, channel.Retry}, // greylisted
		{"RCPT", 451, none, channel.Retry},
		{"RCPT", 452, smtp.EnhancedCode{4, 2, 2}, channel.Retry},
		{"RCPT", 421, smtp.EnhancedCode{4, 7, 0}, channel.Retry},
		{"DATA", 550, smtp.EnhancedCode{5, 1, 1}, channel.Hard},
		{"DATA", 554, smtp.EnhancedCode{5, 2, 1}, channel.Hard},
		{"DATA", 550, none, channel.Retry}, // verdict on the content
		{"DATA", 554, smtp.EnhancedCode{5, 7, 1}, channel.Retry},
		{"DATA", 552, smtp.EnhancedCode{5, 3, 4}, channel.Retry}, // too big
		{"DATA", 550, smtp.EnhancedCode{5, 6, 0}, channel.Retry},
		{"DATA", 451, smtp.EnhancedCode{4, 3, 0}, channel.Retry},
		{"MAIL", 550, smtp.EnhancedCode{5, 1, 1}, channel.Retry}, // about the sender
		{"MAIL", 553, smtp.EnhancedCode{5, 1, 8}, channel.Retry},
		{"MAIL", 530, smtp.EnhancedCode{5, 7, 0}, channel.Retry},
		{"MAIL", 451, none, channel.Retry},
	} {
		t.Run(fmt.Sprintf("%s %d %v", c.at, c.code, c.enhanced), func(t *testing.T) {
			answer := &smtp.SMTPError{Code: c.code, EnhancedCode: c.enhanced, Message: "about <ann@example.com>"}
			srv := &server{}
			switch c.at {
			case "MAIL":
				srv.MailErr = answer
			case "RCPT":
				srv.RcptErr = answer
			case "DATA":
				srv.DataErr = answer
			}
			startServer(t, srv)
			_, err := open(t, srv.Port, nil).Send(t.Context(), message())
			got, after := channel.Classify(err)
			require.Equal(t, c.want, got, "%v", err)
			require.Zero(t, after)
			require.ErrorContains(t, err, fmt.Sprint(c.code))
			require.NotContains(t, err.Error(), "ann@example.com")
			require.Empty(t, srv.received())
		})
	}
}

func TestConnectionRefused(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	port := listener.Addr().(*net.TCPAddr).Port
	listener.Close()
	_, err = open(t, port, nil).Send(t.Context(), message())
	require.Equal(t, channel.Retry, result(err))
	require.ErrorContains(t, err, fmt.Sprintf("127.0.0.1:%d", port))
}

func TestNew(t *testing.T) {
	good := email.Config{Host: "smtp.example.com", From: "a@b.example"}
	_, err := email.New(good)
	require.NoError(t, err)
	for want, change := range map[string]func(*email.Config){
		"Config.Host":         func(c *email.Config) { c.Host = "" },
		"host name":           func(c *email.Config) { c.Host = "smtp://example.com" },
		"Config.Port":         func(c *email.Config) { c.Port = 70000 },
		"Config.TLS":          func(c *email.Config) { c.TLS = 9 },
		"show the password":   func(c *email.Config) { c.TLS, c.Username = email.NoTLS, "u" },
		"Config.From":         func(c *email.Config) { c.From = "shop" },
		"Config.ReplyTo":      func(c *email.Config) { c.ReplyTo = "a@b, c@d" },
		"must not be negativ": func(c *email.Config) { c.Timeout = -time.Second },
	} {
		cfg := good
		change(&cfg)
		_, err := email.New(cfg)
		assert.ErrorContains(t, err, want)
	}
}

func TestCancelledBefore(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := open(t, 1, nil).Send(ctx, message())
	require.Equal(t, channel.Cancelled, result(err))
}
