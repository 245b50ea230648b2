package email_test

// Two SMTP servers for the tests: a real one (go-smtp) that keeps what it receives, and a scripted one for what a decent
// server never does.

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/channel"
	"github.com/embedcdp/cdp/channel/email"
)

// received is one mail as the server saw it.
type received struct {
	From, To string
	TLS      bool
	User     string
	Data     string
}

type server struct {
	Port    int
	MailErr error // answers to MAIL, RCPT and the end of DATA; nil accepts
	RcptErr error
	DataErr error
	Users   map[string]string // name to password; nil: no login offered

	mu    sync.Mutex
	mails []received
}

// start listens on a free port of 127.0.0.1 until stop is called.
func (s *server) start(cert *tls.Certificate, implicit bool) (stop func()) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	s.Port = listener.Addr().(*net.TCPAddr).Port
	srv := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		session := session{server: s, conn: c}
		if s.Users != nil {
			return &authSession{session}, nil
		}
		return &session, nil
	}))
	srv.Domain = "relay.test"
	srv.AllowInsecureAuth = true
	srv.EnableSMTPUTF8 = true
	srv.ErrorLog = log.New(io.Discard, "", 0)
	if cert != nil {
		srv.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*cert}}
		if implicit {
			listener = tls.NewListener(listener, srv.TLSConfig)
		}
	}
	done := make(chan struct{})
	go func() { defer close(done); srv.Serve(listener) }()
	return func() { srv.Close(); <-done }
}

func (s *server) received() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]received(nil), s.mails...)
}

type session struct {
	server *server
	conn   *smtp.Conn
	mail   received
}

func (s *session) Reset()        { s.mail = received{User: s.mail.User} }
func (s *session) Logout() error { return nil }

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.mail.From = from
	return s.server.MailErr
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mail.To = to
	return s.server.RcptErr
}

func (s *session) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if s.server.DataErr != nil {
		return s.server.DataErr
	}
	s.mail.Data = string(data)
	_, s.mail.TLS = s.conn.TLSConnectionState()
	s.server.mu.Lock()
	s.server.mails = append(s.server.mails, s.mail)
	s.server.mu.Unlock()
	return nil
}

type authSession struct{ session }

func (s *authSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *authSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, username, password string) error {
		if want, ok := s.server.Users[username]; !ok || want != password {
			return smtp.ErrAuthFailed
		}
		s.mail.User = username
		return nil
	}), nil
}

// certificate makes a certificate for 127.0.0.1 that signs itself.
func certificate(t *testing.T) (*tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// scripted runs talk on the first connection. talk gets a reader of the client's lines and a function that writes one.
func scripted(t *testing.T, talk func(line func() string, say func(string), conn net.Conn)) *email.Channel {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		lines := bufio.NewReader(conn)
		talk(
			func() string { s, _ := lines.ReadString('\n'); return strings.TrimRight(s, "\r\n") },
			func(s string) { io.WriteString(conn, s+"\r\n") },
			conn)
	}()
	t.Cleanup(func() { listener.Close(); <-done })
	return open(t, listener.Addr().(*net.TCPAddr).Port, nil)
}

// until reads lines up to one that starts with prefix, and reports whether it came.
func until(line func() string, prefix string) bool {
	for {
		switch s := line(); {
		case strings.HasPrefix(s, prefix):
			return true
		case s == "" && prefix != "":
			return false
		}
	}
}

// open makes a channel to a local server without TLS, changed by change.
func open(t *testing.T, port int, change func(*email.Config)) *email.Channel {
	t.Helper()
	cfg := email.Config{Host: "127.0.0.1", Port: port, TLS: email.NoTLS, From: "Shop <news@shop.example>", Timeout: 20 * time.Second}
	if change != nil {
		change(&cfg)
	}
	ch, err := email.New(cfg)
	require.NoError(t, err)
	return ch
}

func message() channel.Message {
	return channel.Message{
		Key: "welcome/3/ann/send", To: "ann@example.com", Subject: "Hello", Text: "Hello Ann", Template: "welcome",
		Time: time.Date(2026, 11, 3, 9, 30, 0, 0, time.UTC), Attempt: 1,
	}
}

func result(err error) channel.Result {
	r, _ := channel.Classify(err)
	return r
}
