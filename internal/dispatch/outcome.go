package dispatch

// This file is what became of an attempt, as the record that goes into the log.

import (
	"fmt"
	"hash/fnv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/embedcdp/cdp/channel"
	"github.com/embedcdp/cdp/internal/fold"
	"github.com/embedcdp/cdp/internal/record"
	"github.com/embedcdp/cdp/internal/value"
)

// outcome writes the record of one attempt.
func (s *Sender) outcome(enc *record.Encoder, a *attempt, cutOff bool) {
	now := s.opt.Now()
	result, attrs := s.judge(a, now, cutOff)
	if result == "" {
		return
	}
	enc.Begin(record.Head{Kind: record.KindOutcome, Name: result, ID: a.send.Key, Time: now.UnixMicro()})
	enc.Idents(0)
	enc.Attrs(len(attrs))
	for _, f := range attrs {
		enc.Attr(f.Name, f.Value)
	}
	enc.End(nil)
}

// judge says what an attempt came to; "" is nothing known: it is made again.
func (s *Sender) judge(a *attempt, now time.Time, cutOff bool) (result string, attrs []value.Field) {
	why := func() []value.Field { return []value.Field{{Name: "reason", Value: value.Str(shorten(a.err.Error()))}} }
	if a.broken {
		s.opt.Log.Warn("message could not be rendered", "channel", a.send.Channel, "template", a.send.Template, "key", a.send.Key, "error", a.err)
		return fold.ResultFailed, why() // content that cannot be rendered now cannot be rendered later
	}
	kind, after := channel.Classify(a.err)
	switch kind {
	case channel.Sent:
		attrs = []value.Field{{Name: "receipt", Value: text(a.receipt.ID)}}
		if m := a.message; m.Channel == fold.InboxChannel {
			attrs = append(attrs, value.Field{Name: "title", Value: text(m.Subject)}, value.Field{Name: "body", Value: text(m.Text)},
				value.Field{Name: "html", Value: text(m.HTML)}, value.Field{Name: "data", Value: text(string(m.Data))}, value.Field{Name: "url", Value: text(m.URL)})
		}
		return fold.ResultSent, attrs
	case channel.Cancelled:
		if cutOff {
			return "", nil
		} // else the channel ended its own context: a failure as any other
	case channel.Hard, channel.Missing:
		return fold.ResultBounced, why()
	}
	s.opt.Log.Info("send failed", "channel", a.send.Channel, "key", a.send.Key, "attempt", a.send.Attempt+1, "error", a.err)
	if a.send.Attempt+1 >= s.opt.MaxAttempts {
		return fold.ResultFailed, why()
	}
	again := now.Add(max(after, wait(a.send.Key, a.send.Attempt)))
	return fold.ResultRetry, append(why(), value.Field{Name: "again", Value: value.At(again)})
}

// wait is the back-off after an attempt: doubled each time, plus up to a quarter by a hash of the key, so that messages
// which failed together are not tried together again.
func wait(key string, attempt int) time.Duration {
	d := backoff
	for range attempt {
		d = min(2*d, maxBackoff)
	}
	h := fnv.New32a()
	fmt.Fprint(h, key, attempt)
	return d + time.Duration(int64(d)/4*int64(h.Sum32()%1000)/1000)
}

func text(s string) value.Value {
	if s == "" {
		return value.Value{}
	}
	return value.Str(shorten(s))
}

// shorten makes a text one that an attribute holds, whatever a service answered.
func shorten(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if utf8.RuneCountInString(s) <= value.MaxText {
		return s
	}
	return string([]rune(s)[:value.MaxText])
}

// fitsInbox refuses what the inbox could only keep cut off.
func fitsInbox(m channel.Message) error {
	for _, part := range []struct{ name, text string }{{"subject", m.Subject}, {"text", m.Text}, {"html", m.HTML}, {"data", string(m.Data)}, {"url", m.URL}} {
		if n := utf8.RuneCountInString(part.text); n > value.MaxText {
			return fmt.Errorf("the %s has %d characters; the inbox holds %d", part.name, n, value.MaxText)
		}
	}
	return nil
}
