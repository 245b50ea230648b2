package webhook

// The signature of Standard Webhooks 1.0, for both sides.

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The headers of Standard Webhooks.
const (
	HeaderID        = "Webhook-Id"
	HeaderTimestamp = "Webhook-Timestamp"
	HeaderSignature = "Webhook-Signature"
)

// DefaultTolerance is how far a request's timestamp may be from now when Verify is given no tolerance.
const DefaultTolerance = 5 * time.Minute

// What Verify finds wrong with a request. Answer all of them with 401, except ErrSecret, which is the receiver's own mistake.
var (
	ErrSecret    = errors.New("webhook: the secret is not whsec_ and the base64 of 24 to 64 bytes")
	ErrHeader    = errors.New("webhook: a header is missing, doubled or malformed")
	ErrTimestamp = errors.New("webhook: the timestamp is too far from now")
	ErrSignature = errors.New("webhook: no signature fits the body and the secret")
)

// maxSignatures bounds the work of Verify. Senders give one signature for each secret in use.
const maxSignatures = 16

// Verify checks that a request was signed with secret, for those who receive webhooks from this package or from any other
// sender of Standard Webhooks with symmetric signatures (v1).
//
// body must be the bytes as they came, before any decoding. A request whose timestamp is more than tolerance before or
// after now is refused, so that an overheard one cannot be sent again later; 0 means DefaultTolerance. Within the tolerance
// the same request can come twice: remember the Webhook-Id. While the secret changes, call Verify for the new one and, if
// it fails, for the old one.
//
// The error is nil, or errors.Is one of ErrSecret, ErrHeader, ErrTimestamp and ErrSignature.
func Verify(secret string, h http.Header, body []byte, tolerance time.Duration, now time.Time) error {
	key, err := decodeSecret(secret)
	if err != nil {
		return err
	}
	var values [3]string
	for i, name := range [3]string{HeaderID, HeaderTimestamp, HeaderSignature} {
		// With two values the check and the program behind it could look at different ones.
		given := h.Values(name)
		if len(given) != 1 || given[0] == "" {
			return fmt.Errorf("%w: %s", ErrHeader, name)
		}
		values[i] = given[0]
	}
	id, timestamp, signatures := values[0], values[1], values[2]
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	// Only the canonical form, and only years 1970 to 9999.
	if err != nil || strconv.FormatInt(seconds, 10) != timestamp || seconds < 0 || seconds > 253402300799 {
		return fmt.Errorf("%w: %s is not a whole number of seconds since 1970", ErrHeader, HeaderTimestamp)
	}
	if tolerance == 0 {
		tolerance = DefaultTolerance
	}
	at := time.Unix(seconds, 0)
	if at.Before(now.Add(-tolerance)) || at.After(now.Add(tolerance)) {
		return ErrTimestamp
	}
	want := []byte(sign(key, id, timestamp, body))
	for i, s := range strings.SplitN(signatures, " ", maxSignatures+1) {
		if i < maxSignatures && hmac.Equal([]byte(s), want) {
			return nil
		}
	}
	return ErrSignature
}

// Sign makes the value of the Webhook-Signature header for a request with this id, time and body. Verify accepts it.
func Sign(secret, id string, at time.Time, body []byte) (string, error) {
	key, err := decodeSecret(secret)
	if err != nil {
		return "", err
	}
	return signAll([][]byte{key}, id, at, body), nil
}

func signAll(keys [][]byte, id string, at time.Time, body []byte) string {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	signatures := make([]string, len(keys))
	for i, key := range keys {
		signatures[i] = sign(key, id, timestamp, body)
	}
	return strings.Join(signatures, " ")
}

func sign(key []byte, id, timestamp string, body []byte) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(id + "." + timestamp + "."))
	h.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// decodeSecret reads whsec_<base64>; the prefix may be missing. An empty or short key is refused: anyone could sign with it.
func decodeSecret(secret string) ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil || len(key) < 24 || len(key) > 64 {
		return nil, ErrSecret
	}
	return key, nil
}

// headerKey is key in the letters that may stand in a header and in the signed text.
func headerKey(key string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(key) {
		switch c := key[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-_:/", c) >= 0:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
	return b.String()
}
