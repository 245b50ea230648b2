// Package email delivers messages by SMTP.
//
//	ch, err := email.New(email.Config{
//		Host:     "smtp.example.com",
//		Username: "shop",
//		Password: os.Getenv("SMTP_PASSWORD"),
//		From:     "Shop <news@shop.example>",
//	})
//	receipt, err := ch.Send(ctx, message)
//
// # What is sent
//
// One mail with one recipient, [channel.Message.To]. A message with Text and HTML becomes multipart/alternative; with one
// of them, a mail of one part. Text is UTF-8 in quoted-printable. For the same message the bytes are the same on every
// attempt: the Date is Message.Time, and the Message-ID and the MIME boundary are made from Message.Key. SMTP has no
// idempotency key, so a mail can arrive twice when a connection is lost after the last byte; the equal Message-ID lets
// receivers fold the copies into one.
//
// With an UnsubscribeURL the mail carries List-Unsubscribe (RFC 2369), and when the URL is https also
// List-Unsubscribe-Post (RFC 8058, one click). RFC 8058 asks that both are covered by a DKIM signature; the relay
// must make it, as this package does not sign.
//
// Subjects and addresses cannot add header lines: control characters become spaces, and addresses that need quoting are
// refused.
//
// # What an answer means
//
// A false hard bounce takes a good address out for ever, and a false retry costs a few attempts. So only an answer about
// the recipient is [channel.Permanent]; an answer about the server, the login, the sender or the content is temporary.
//
//	no address                                                    NoReceiver
//	an address that is not valid                                  Permanent
//	RCPT:  5xx with enhanced code 5.1.x (not 5.1.7, 5.1.8),
//	       5.2.0, 5.2.1, 5.4.1, 5.4.4                             Permanent
//	RCPT:  501, 550, 551, 553, 556 with no such detail            Permanent
//	after DATA: 5xx with 5.1.x (not 5.1.7, 5.1.8) or 5.2.1        Permanent
//	mailbox full (552, 5.2.2), policy and spam (5.7.x, 554),
//	content (5.6.x), system (5.3.x)                               temporary
//	MAIL FROM refused, login refused (530, 534, 535, 538),
//	no STARTTLS, bad certificate, greeting other than 220         temporary
//	4xx, connection refused, lost or too slow                     temporary
//	the caller's context ended before the answer                  the context's error
//
// After DATA a bare 550 is a verdict on the content (RFC 5321, 4.3.2), so it is not a bounce. Enhanced codes are those
// of RFC 3463; they are read only from servers that announce ENHANCEDSTATUSCODES (RFC 2034).
//
// A mail counts as sent when the server took it with 250 after DATA, even if the connection breaks right after.
//
// # Limits
//
// Each Send opens its own connection, which suits a relay that is near. There are no attachments and no DKIM signature. Non-ASCII addresses
// need a server with SMTPUTF8 (RFC 6531).
package email
