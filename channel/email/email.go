package email

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"os"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/embedcdp/cdp/channel"
)

// TLS says how the connection to the server is encrypted. There is no "if the server offers it": whoever sits on the wire
// can take the offer away.
type TLS int

const (
	StartTLS    TLS = iota // plain connection, then STARTTLS, which the server must support; the usual port is 587
	ImplicitTLS            // TLS from the first byte; the usual port is 465
	NoTLS                  // no encryption: for a relay on the same machine, and for tests; the usual port is 25
)

// Config says which server takes the mail and who it is from.
type Config struct {
	// Host is the name or IP address of the SMTP server. Required. Its certificate must be for this name.
	Host string

	// Port is the TCP port. 0 means 587 with StartTLS, 465 with ImplicitTLS, 25 with NoTLS.
	Port int

	// TLS is the encryption. The default, StartTLS, fails when the server does not offer it. With NoTLS a login is sent
	// only to localhost, 127.0.0.1 or ::1, and New refuses any other host that has a Username.
	TLS TLS

	// TLSConfig changes how the server's certificate is checked, for example RootCAs for a private authority.
	// nil means the system's authorities. ServerName is set to Host and MinVersion to TLS 1.2 when they are empty.
	TLSConfig *tls.Config

	// Username and Password log in with the first of SCRAM-SHA-256, PLAIN, LOGIN and CRAM-MD5 that the server offers.
	// An empty Username means no login.
	Username string
	Password string

	// From is the sender: "news@shop.example" or "Shop <news@shop.example>". Required. Its address is also the envelope
	// sender, where bounces go, and its domain is that of the Message-ID.
	From string

	// ReplyTo is where answers go, in the same form as From. Empty means to From.
	ReplyTo string

	// Hello is the name given in EHLO. Some servers want a full domain name. Empty means the machine's host name.
	Hello string

	// DialTimeout bounds the making of the TCP connection. 0 means 10 seconds.
	DialTimeout time.Duration

	// Timeout bounds one whole Send, connection included. 0 means 1 minute.
	Timeout time.Duration
}

// Channel is an SMTP channel. It is safe for concurrent use and holds nothing that must be closed.
type Channel struct {
	cfg     Config
	from    *mail.Address
	replyTo *mail.Address // nil: none
	options []gomail.Option
	dialer  net.Dialer
}

var _ channel.Channel = (*Channel)(nil)

// New checks cfg and makes a channel of it. It does not connect.
func New(cfg Config) (*Channel, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &Channel{cfg: cfg, dialer: net.Dialer{Timeout: cfg.DialTimeout}}
	if c.from, err = parseAddress(cfg.From); err != nil {
		return nil, fmt.Errorf("email: Config.From %q: %w", cfg.From, err)
	}
	if cfg.ReplyTo != "" {
		if c.replyTo, err = parseAddress(cfg.ReplyTo); err != nil {
			return nil, fmt.Errorf("email: Config.ReplyTo %q: %w", cfg.ReplyTo, err)
		}
	}
	c.options = cfg.clientOptions()
	if _, err := gomail.NewClient(cfg.Host, c.options...); err != nil {
		return nil, fmt.Errorf("email: Config: %w", err)
	}
	return c, nil
}

func (cfg Config) withDefaults() (Config, error) {
	if cfg.Host == "" || strings.ContainsAny(cfg.Host, "/ \r\n") {
		return cfg, fmt.Errorf("email: Config.Host %q is not a host name; give the SMTP server's name, without a scheme or port", cfg.Host)
	}
	ports := map[TLS]int{StartTLS: 587, ImplicitTLS: 465, NoTLS: 25}
	usual, known := ports[cfg.TLS]
	if !known {
		return cfg, fmt.Errorf("email: Config.TLS %d is unknown; use StartTLS, ImplicitTLS or NoTLS", cfg.TLS)
	}
	if cfg.Port == 0 {
		cfg.Port = usual
	}
	if cfg.Port < 0 || cfg.Port > 65535 {
		return cfg, fmt.Errorf("email: Config.Port %d is out of range; use 1 to 65535, or 0 for the usual one", cfg.Port)
	}
	if cfg.TLS == NoTLS && cfg.Username != "" && cfg.Host != "localhost" && cfg.Host != "127.0.0.1" && cfg.Host != "::1" {
		return cfg, fmt.Errorf("email: Config.Username with NoTLS would show the password to the network on the way to %s; use StartTLS or ImplicitTLS", cfg.Host)
	}
	if cfg.DialTimeout < 0 || cfg.Timeout < 0 {
		return cfg, errors.New("email: Config.DialTimeout and Config.Timeout must not be negative; use 0 for the default")
	}
	if cfg.DialTimeout == 0 {
		cfg.DialTimeout = 10 * time.Second
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = time.Minute
	}
	if cfg.Hello == "" {
		name, err := os.Hostname()
		if err != nil {
			return cfg, fmt.Errorf("email: the machine has no host name for EHLO; set Config.Hello: %w", err)
		}
		cfg.Hello = name
	}
	tlsConfig := &tls.Config{}
	if cfg.TLSConfig != nil {
		tlsConfig = cfg.TLSConfig.Clone()
	}
	if tlsConfig.ServerName == "" {
		tlsConfig.ServerName = cfg.Host
	}
	if tlsConfig.MinVersion == 0 {
		tlsConfig.MinVersion = tls.VersionTLS12
	}
	cfg.TLSConfig = tlsConfig
	return cfg, nil
}

// clientOptions says in the mail library's words what Config says.
func (cfg Config) clientOptions() []gomail.Option {
	// The dial function of deliver makes the TLS of ImplicitTLS itself, so the library only ever does STARTTLS.
	policy := gomail.NoTLS
	if cfg.TLS == StartTLS {
		policy = gomail.TLSMandatory
	}
	options := []gomail.Option{
		gomail.WithPort(cfg.Port),
		gomail.WithTLSPolicy(policy),
		gomail.WithTLSConfig(cfg.TLSConfig),
		gomail.WithTimeout(cfg.Timeout),
		gomail.WithHELO(cfg.Hello),
		gomail.WithoutNoop(), // one mail a connection: nothing to probe or to reset
		gomail.WithoutRset(),
	}
	if cfg.Username != "" {
		options = append(options,
			gomail.WithUsername(cfg.Username), gomail.WithPassword(cfg.Password),
			gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin, gomail.SMTPAuthCramMD5))
	}
	return options
}

// Send delivers m to the server and waits for its answer. The package documentation says what each error means. The
// Receipt's ID is the server's last reply without its codes, such as "Ok: queued as 4F9D195432".
//
// When ctx ends, the connection is closed at once and the error wraps ctx.Err(): the mail may or may not have been taken.
func (c *Channel) Send(ctx context.Context, m channel.Message) (channel.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return channel.Receipt{}, fmt.Errorf("email: not sent: %w", err)
	}
	msg, err := c.build(m)
	if err != nil {
		return channel.Receipt{}, err
	}
	err = c.deliver(ctx, msg)
	// The message knows best: an error after the server's 250 must not lead to a second copy.
	if msg.IsDelivered() {
		return channel.Receipt{ID: receiptID(msg.ServerResponse())}, nil
	}
	return channel.Receipt{}, c.explain(ctx, err, m.To)
}

// quitTimeout bounds the wait for the server's good-bye: the mail is delivered by then.
const quitTimeout = 2 * time.Second

// deliver has one conversation with the server over its own connection. It owns the connection: the library leaves it open
// after most failures, and looks at the context only while it dials.
func (c *Channel) deliver(ctx context.Context, msg *gomail.Msg) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	var conn net.Conn
	dial := func(dialCtx context.Context, network, _ string) (_ net.Conn, err error) {
		conn, err = c.dialer.DialContext(dialCtx, network, net.JoinHostPort(c.cfg.Host, strconv.Itoa(c.cfg.Port)))
		if err != nil {
			return nil, err
		}
		context.AfterFunc(ctx, func() { conn.Close() }) // breaks off whatever the library waits for
		if c.cfg.TLS != ImplicitTLS {
			return conn, nil
		}
		secure := tls.Client(conn, c.cfg.TLSConfig)
		return secure, secure.HandshakeContext(dialCtx)
	}
	defer func() {
		if conn != nil {
			conn.Close()
		}
	}()
	// A client per mail: the library's client writes to itself while it logs in, and must not be shared.
	client, err := gomail.NewClient(c.cfg.Host, append(c.options[:len(c.options):len(c.options)], gomail.WithDialContextFunc(dial))...)
	if err != nil {
		return err
	}
	session, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return err
	}
	if err := client.SendWithSMTPClient(session, msg); err != nil {
		return err
	}
	if err := conn.SetDeadline(time.Now().Add(quitTimeout)); err != nil {
		return err
	}
	return client.CloseWithSMTPClient(session)
}
