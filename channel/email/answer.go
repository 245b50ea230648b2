package email

// What the server's answer means.

import (
	"context"
	"errors"
	"fmt"
	"net/textproto"
	"strings"

	gomail "github.com/wneessen/go-mail"

	"github.com/embedcdp/cdp/channel"
)

// explain turns the error of a conversation into one that channel.Classify reads. The recipient's address is taken out of
// the server's words: errors are kept in logs and outcomes.
func (c *Channel) explain(ctx context.Context, err error, to string) error {
	var refused *gomail.SendError
	answered := errors.As(err, &refused) && refused.ErrorCode() >= 400
	switch {
	case !answered && ctx.Err() != nil:
		return fmt.Errorf("email: no final answer from %s: %w", c.cfg.Host, ctx.Err())
	case !answered && refused == nil:
		return fmt.Errorf("email: %s:%d%s: %w", c.cfg.Host, c.cfg.Port, loginAdvice(err), err)
	}
	said := fmt.Errorf("email: %s:%d: %s", c.cfg.Host, c.cfg.Port, withoutAddress(err.Error(), to))
	if answered && rejectsRecipient(refused) {
		return channel.Permanent(said)
	}
	return said
}

// rejectsRecipient reports whether the answer says that the recipient's address does not work. See the package's table.
func rejectsRecipient(refused *gomail.SendError) bool {
	code, atRcpt := refused.ErrorCode(), refused.Reason == gomail.ErrSMTPRcptTo
	atData := refused.Reason == gomail.ErrSMTPData || refused.Reason == gomail.ErrSMTPDataClose
	if code < 500 || code > 599 || (!atRcpt && !atData) {
		return false
	}
	switch code {
	case 530, 534, 535, 538: // the login, whatever the details say (RFC 4954)
		return false
	}
	enhanced := refused.EnhancedStatusCode()
	class, detail, _ := strings.Cut(strings.TrimPrefix(enhanced, "5."), ".")
	if !strings.HasPrefix(enhanced, "5.") {
		class = ""
	}
	switch class {
	case "1": // addressing; 7 and 8 are about the sender's address
		return detail != "7" && detail != "8"
	case "2": // mailbox; 2 is full, 3 and 4 are about the message or a list
		return detail == "1" || detail == "0" && atRcpt
	case "4": // routing; 4 is a domain without servers, and 1 is what Exchange Online says of unknown people
		return atRcpt && (detail == "1" || detail == "4")
	case "3", "6", "7": // system, content, policy
		return false
	case "5": // protocol; 5.5.0 is "other", which some servers put beside a plain 550
		if detail != "0" {
			return false
		}
	}
	// No detail that says more: the basic code of RFC 5321 and RFC 7504.
	switch code {
	case 501, 550, 551, 553, 556:
		return atRcpt
	}
	return false
}

// loginAdvice says what to do about an answer that is about the login.
func loginAdvice(err error) string {
	var answer *textproto.Error
	if errors.As(err, &answer) {
		switch answer.Code {
		case 530, 534, 535, 538:
			return ": the server refused the login; check Config.Username and Config.Password"
		}
	}
	return ""
}

func withoutAddress(text, to string) string {
	if a, err := parseAddress(to); err == nil {
		to = a.Address
	}
	// Servers repeat the address as it was given or in lower case.
	return strings.NewReplacer(to, "(recipient)", strings.ToLower(to), "(recipient)").Replace(text)
}

// maxReceipt bounds what is kept of the server's reply.
const maxReceipt = 200

// receiptID is the server's reply without its enhanced code.
func receiptID(reply string) string {
	reply = oneLine(reply)
	if first, rest, ok := strings.Cut(reply, " "); ok && strings.HasPrefix(first, "2.") {
		reply = rest
	}
	if len(reply) > maxReceipt {
		reply = strings.ToValidUTF8(reply[:maxReceipt], "")
	}
	return reply
}
