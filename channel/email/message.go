package email

// How a channel.Message becomes a MIME mail.

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"strings"
	"unicode"

	gomail "github.com/wneessen/go-mail"

	"github.com/embedcdp/cdp/channel"
)

// maxHeader keeps a header line under the 998 bytes of RFC 5322 even when it cannot be folded.
const maxHeader = 900

func (c *Channel) build(m channel.Message) (*gomail.Msg, error) {
	if strings.TrimSpace(m.To) == "" {
		return nil, channel.NoReceiver(errors.New("email: the person has no email address"))
	}
	to, err := parseAddress(m.To)
	if err != nil {
		// The address itself stays out of the error, which is kept longer than the person may be.
		return nil, channel.Permanent(fmt.Errorf("email: the address is not valid: %w", err))
	}
	if m.Key == "" {
		return nil, errors.New("email: the message has no Key; the Message-ID is made from it")
	}
	if m.Text == "" && m.HTML == "" {
		return nil, fmt.Errorf("email: the message has neither Text nor HTML; look at template %q", m.Template)
	}
	subject := oneLine(m.Subject)
	if len(subject) > maxHeader {
		return nil, fmt.Errorf("email: the subject has %d bytes; template %q must keep it under %d", len(subject), m.Template, maxHeader)
	}

	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(c.from)
	if c.replyTo != nil {
		msg.ReplyToMailAddress(c.replyTo)
	}
	msg.ToMailAddress(&mail.Address{Address: to.Address}) // the display name is the person's data, and not needed
	msg.Subject(subject)
	if !m.Time.IsZero() {
		msg.SetDateWithValue(m.Time.UTC())
	}
	msg.SetMessageIDWithValue(hash(m.Key) + "@" + domain(c.from.Address))
	msg.SetBoundary(hash(m.Key, m.Text, m.HTML)) // a text cannot hold its own hash
	if err := setUnsubscribe(msg, m.UnsubscribeURL); err != nil {
		return nil, err
	}

	// RFC 2046, 5.1.4: the richest alternative comes last.
	if m.Text != "" {
		msg.SetBodyString(gomail.TypeTextPlain, strings.ToValidUTF8(m.Text, "\uFFFD"))
	}
	if m.HTML != "" {
		msg.AddAlternativeString(gomail.TypeTextHTML, strings.ToValidUTF8(m.HTML, "\uFFFD"))
	}
	return msg, nil
}

// setUnsubscribe writes the headers of RFC 2369 and RFC 8058. A URL that cannot stand in a header is the platform's
// mistake, not the person's: the mail waits for a correction instead of leaving without a way to unsubscribe.
func setUnsubscribe(msg *gomail.Msg, link string) error {
	if link == "" {
		return nil
	}
	u, err := url.Parse(link)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return errors.New("email: UnsubscribeURL is not an absolute https URL; correct the configured base URL")
	}
	link = u.String()
	bad := func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '<' || r == '>' || r == '"' }
	if strings.ContainsFunc(link, bad) || len(link) > maxHeader {
		return fmt.Errorf("email: UnsubscribeURL must have at most %d bytes of ASCII, with <, >, quotes and spaces percent-encoded", maxHeader)
	}
	msg.SetGenHeader(gomail.HeaderListUnsubscribe, "<"+link+">")
	if u.Scheme == "https" { // RFC 8058, 3.1: one click is for https only
		msg.SetGenHeader(gomail.HeaderListUnsubscribePost, "List-Unsubscribe=One-Click")
	}
	return nil
}

// parseAddress reads "a@b" or "Name <a@b>". It takes less than RFC 5322 does: no quoted local part, no IP address for a
// domain. People have no such addresses, and they are where injections hide.
func parseAddress(s string) (*mail.Address, error) {
	a, err := mail.ParseAddress(strings.TrimSpace(s))
	if err != nil {
		return nil, errors.New("want one address such as ann@example.com")
	}
	at := strings.LastIndexByte(a.Address, '@')
	local, host := a.Address[:at], a.Address[at+1:]
	switch {
	case len(local) > 64 || len(a.Address) > 254: // RFC 5321, 4.5.3.1
		return nil, errors.New("it is too long: at most 64 bytes before the @ and 254 in all")
	case strings.ContainsFunc(local, func(r rune) bool { return !isAddressRune(r, "!#$%&'*+-/=?^_`{|}~.") }):
		return nil, errors.New("the part before the @ has characters that need quotes")
	case host == "" || strings.ContainsFunc(host, func(r rune) bool { return !isAddressRune(r, "-.") }):
		return nil, errors.New("the part after the @ is not a domain name")
	}
	a.Name = oneLine(a.Name)
	return a, nil
}

func isAddressRune(r rune, special string) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return true
	case r < 0x80:
		return strings.ContainsRune(special, r)
	default: // RFC 6531
		return r != unicode.ReplacementChar && unicode.IsGraphic(r) && !unicode.IsSpace(r)
	}
}

func domain(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }

// oneLine makes s fit for a header: valid UTF-8 in which each run of controls and spaces is one space. Runs of spaces must
// go because the library folds long headers at spaces, and a folded line of spaces alone would end the header.
func oneLine(s string) string {
	gap := func(r rune) bool { return r == ' ' || unicode.IsControl(r) }
	return strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "\uFFFD"), gap), " ")
}

// hash is 32 hexadecimal digits that stand for the parts.
func hash(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
