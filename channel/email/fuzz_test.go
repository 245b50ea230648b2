package email

import (
	"bytes"
	"io"
	"mime"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/embedcdp/cdp/channel"
)

// Whatever the message holds, the mail has the headers it should have and no other, one recipient, and the body as given.
func FuzzMessage(f *testing.F) {
	f.Add("k", "ann@example.com", "Hi", "Hello", "https://shop.example/u")
	f.Add("k\r\n\r\n", "Ann <ann@example.com>", "Hi\r\nBcc: eve@evil.example\r\n\r\nx", ".\r\n.\r\n", "https://shop.example/?a=>,<mailto:x")
	f.Add("", "\"a\r\n b\"@example.com", strings.Repeat(" ", 300), "\x00\xff", "http://[::1]:80/%0d%0a")
	f.Add("k", "ann@ví-dụ.vn", strings.Repeat("Grüße ", 100), strings.Repeat("x", 2000), "https://x/"+strings.Repeat("y", 880))
	f.Add("k", "a@b", "=?utf-8?q?=0D=0ABcc:_x?=", "\r", "")
	c, err := New(Config{Host: "127.0.0.1", From: "Shop <news@shop.example>"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, key, to, subject, text, link string) {
		msg, err := c.build(channel.Message{Key: key, To: to, Subject: subject, Text: text, UnsubscribeURL: link, Time: time.Unix(0, 0)})
		if err != nil {
			return
		}
		var raw bytes.Buffer
		if _, err := msg.WriteTo(&raw); err != nil {
			t.Fatal(err)
		}
		for line := range strings.SplitSeq(raw.String(), "\r\n") {
			if len(line) > 998 || strings.ContainsAny(line, "\r\n\x00") {
				t.Fatalf("line %q", line)
			}
		}
		got, err := mail.ReadMessage(&raw)
		if err != nil {
			t.Fatal(err)
		}
		allowed := []string{"Date", "Message-Id", "Mime-Version", "Subject", "From", "To", "Content-Type", "Content-Transfer-Encoding",
			"List-Unsubscribe", "List-Unsubscribe-Post"}
		for name, values := range got.Header {
			if !slices.Contains(allowed, name) || len(values) != 1 {
				t.Fatalf("header %s: %q", name, values)
			}
		}
		if recipients, err := msg.GetRecipients(); err != nil || len(recipients) != 1 || strings.ContainsAny(recipients[0], " \r\n") {
			t.Fatalf("recipients %q: %v", recipients, err)
		}
		if !strings.Contains(subject, "=?") { // a subject that is written as encoded words stays as it is
			decoded, err := new(mime.WordDecoder).DecodeHeader(got.Header.Get("Subject"))
			if want := plainSubject(subject); err != nil || decoded != want {
				t.Fatalf("subject %q, want %q: %v", decoded, want, err)
			}
		}
		if _, err := io.ReadAll(got.Body); err != nil {
			t.Fatal(err)
		}
	})
}

// plainSubject is what a reader should see: controls and spaces between two other characters count as one space. Bytes
// that are not UTF-8 become one replacement character for each run.
func plainSubject(s string) string {
	out, gap, broken := []rune{}, false, false
	for i, r := range s {
		bad := r == 0xFFFD && !strings.HasPrefix(s[i:], "\uFFFD")
		switch {
		case r <= ' ' || r >= 0x7f && r < 0xa0:
			gap, broken = true, false
			continue
		case bad && broken:
			continue
		}
		if gap && len(out) > 0 {
			out = append(out, ' ')
		}
		out, gap, broken = append(out, r), false, bad
	}
	return string(out)
}
