package webhook

// What the receiver's answer means. The package documentation has the table.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"code.dny.dev/ssrf"

	"github.com/embedcdp/cdp/channel"
)

const (
	maxResponse = 64 << 10       // bytes read of an answer
	maxReceipt  = 200            // bytes kept of an id
	maxWait     = 24 * time.Hour // longest Retry-After that is obeyed: a receiver must not stop the outbox for a year
)

// read turns an answer into a receipt or an error.
func (c *Channel) read(response *http.Response, answer []byte, host string) (channel.Receipt, error) {
	status := response.StatusCode
	if status >= 200 && status < 300 {
		return channel.Receipt{ID: receiptID(response.Header, answer)}, nil
	}
	err := fmt.Errorf("webhook: %s answered %d %s%s", host, status, http.StatusText(status), advice(status))
	switch status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		if wait := retryAfter(response.Header.Get("Retry-After"), c.cfg.Now()); wait > 0 {
			return channel.Receipt{}, channel.Throttled(err, wait)
		}
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusTooEarly,
		http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
		return channel.Receipt{}, err
	}
	if status >= 400 && status < 500 && status != http.StatusTooManyRequests {
		return channel.Receipt{}, channel.Permanent(err)
	}
	return channel.Receipt{}, err
}

func advice(status int) string {
	switch {
	case status >= 300 && status < 400:
		return "; redirects are not followed, change the URL"
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return "; check that the receiver has the same secret"
	}
	return ""
}

// explain turns a failed request into an error that channel.Classify reads.
func (c *Channel) explain(ctx context.Context, err error, host string) error {
	if ctx.Err() != nil {
		return fmt.Errorf("webhook: no answer from %s: %w", host, ctx.Err())
	}
	var outer *url.Error // its text has the whole URL
	if errors.As(err, &outer) {
		err = outer.Err
	}
	if errors.Is(err, ssrf.ErrProhibitedIP) || errors.Is(err, ssrf.ErrProhibitedNetwork) {
		err = fmt.Errorf("webhook: %s is in a blocked network; for receivers inside your network set Config.AllowPrivate: %w", host, err)
		if c.url == nil {
			return channel.Permanent(err)
		}
		return err
	}
	return fmt.Errorf("webhook: %s: %w", host, err)
}

// retryAfter reads the header of RFC 9110, 10.2.3: seconds or a date. It is 0 for none, and for what cannot be read.
func retryAfter(header string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(header, 10, 64); err == nil {
		return time.Duration(min(seconds, uint64(maxWait/time.Second))) * time.Second
	}
	at, err := http.ParseTime(header)
	if err != nil {
		return 0
	}
	return max(0, min(at.Sub(now), maxWait))
}

// receiptID is the receiver's own id of the message, if it gave one.
func receiptID(h http.Header, answer []byte) string {
	var body struct {
		ID string `json:"id"`
	}
	id := ""
	if json.Unmarshal(answer, &body) == nil {
		id = body.ID
	}
	for _, name := range []string{"X-Message-Id", "X-Request-Id"} {
		if id == "" {
			id = h.Get(name)
		}
	}
	if len(id) > maxReceipt || strings.ContainsFunc(id, unicode.IsControl) {
		return ""
	}
	return strings.ToValidUTF8(id, "")
}
