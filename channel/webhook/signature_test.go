package webhook_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/channel/webhook"
)

// The vector that the reference libraries of Standard Webhooks share (TestWebhookSign of the Go one).
const (
	vectorSecret    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	vectorID        = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	vectorTime      = 1614265330
	vectorBody      = `{"test": 2432232314}`
	vectorSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
)

func headers(id, timestamp, signature string) http.Header {
	h := http.Header{}
	h.Set("webhook-id", id)
	h.Set("webhook-timestamp", timestamp)
	h.Set("webhook-signature", signature)
	return h
}

// independent signs in plain steps of its own.
func independent(secret, id, timestamp, body string) string {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		panic(err)
	}
	h := hmac.New(sha256.New, key)
	fmt.Fprintf(h, "%s.%s.%s", id, timestamp, body)
	return "v1," + base64.StdEncoding.EncodeToString(h.Sum(nil))
}

func TestPublishedVector(t *testing.T) {
	got, err := webhook.Sign(vectorSecret, vectorID, time.Unix(vectorTime, 0), []byte(vectorBody))
	require.NoError(t, err)
	require.Equal(t, vectorSignature, got)
	require.Equal(t, vectorSignature, independent(vectorSecret, vectorID, strconv.Itoa(vectorTime), vectorBody))

	h := headers(vectorID, strconv.Itoa(vectorTime), vectorSignature)
	for _, secret := range []string{vectorSecret, strings.TrimPrefix(vectorSecret, "whsec_")} {
		require.NoError(t, webhook.Verify(secret, h, []byte(vectorBody), 0, time.Unix(vectorTime, 0)))
	}
}

func TestVerify(t *testing.T) {
	now := time.Unix(vectorTime, 0)
	ts := strconv.Itoa(vectorTime)
	other := independent("whsec_"+strings.Repeat("A", 32), vectorID, ts, vectorBody)
	type request struct {
		secret    string
		header    http.Header
		body      string
		tolerance time.Duration
		now       time.Time
	}
	for _, c := range []struct {
		name   string
		change func(*request)
		want   error
	}{
		{"as sent", func(*request) {}, nil},
		{"second of several", func(r *request) {
			r.header.Set("Webhook-Signature", "v1a,xx "+other+" "+vectorSignature+" v2,yy")
		}, nil},
		{"at the edge, old", func(r *request) { r.now = now.Add(5 * time.Minute) }, nil},
		{"at the edge, early", func(r *request) { r.now = now.Add(-5 * time.Minute) }, nil},
		{"too old", func(r *request) { r.now = now.Add(5*time.Minute + 1) }, webhook.ErrTimestamp},
		{"too early", func(r *request) { r.now = now.Add(-5*time.Minute - 1) }, webhook.ErrTimestamp},
		{"own tolerance", func(r *request) { r.tolerance, r.now = time.Hour, now.Add(time.Hour) }, nil},
		{"beyond own tolerance", func(r *request) { r.tolerance, r.now = time.Second, now.Add(2*time.Second) }, webhook.ErrTimestamp},
		{"other body", func(r *request) { r.body = `{"test":2432232314}` }, webhook.ErrSignature},
		{"other id", func(r *request) { r.header.Set("Webhook-Id", "msg_2") }, webhook.ErrSignature},
		{"other time", func(r *request) { r.header.Set("Webhook-Timestamp", strconv.Itoa(vectorTime+1)) }, webhook.ErrSignature},
		{"other secret", func(r *request) { r.secret = "whsec_" + strings.Repeat("A", 32) }, webhook.ErrSignature},
		{"unsigned version", func(r *request) {
			r.header.Set("Webhook-Signature", "v2"+strings.TrimPrefix(vectorSignature, "v1"))
		}, webhook.ErrSignature},
		{"signature cut short", func(r *request) { r.header.Set("Webhook-Signature", vectorSignature[:20]) }, webhook.ErrSignature},
		{"too many signatures", func(r *request) {
			r.header.Set("Webhook-Signature", strings.Repeat(other+" ", 16)+vectorSignature)
		}, webhook.ErrSignature},
		{"sixteen signatures", func(r *request) {
			r.header.Set("Webhook-Signature", strings.Repeat(other+" ", 15)+vectorSignature)
		}, nil},
		{"no id", func(r *request) { r.header.Del("Webhook-Id") }, webhook.ErrHeader},
		{"no timestamp", func(r *request) { r.header.Del("Webhook-Timestamp") }, webhook.ErrHeader},
		{"no signature", func(r *request) { r.header.Del("Webhook-Signature") }, webhook.ErrHeader},
		{"two signatures headers", func(r *request) { r.header.Add("Webhook-Signature", "v1,x") }, webhook.ErrHeader},
		{"timestamp not a number", func(r *request) { r.header.Set("Webhook-Timestamp", "now") }, webhook.ErrHeader},
		{"timestamp with zero", func(r *request) { r.header.Set("Webhook-Timestamp", "0"+ts) }, webhook.ErrHeader},
		{"timestamp with sign", func(r *request) { r.header.Set("Webhook-Timestamp", "+"+ts) }, webhook.ErrHeader},
		{"timestamp far", func(r *request) { r.header.Set("Webhook-Timestamp", "9223372036854775807") }, webhook.ErrHeader},
		{"empty secret", func(r *request) { r.secret = "whsec_" }, webhook.ErrSecret},
		{"short secret", func(r *request) { r.secret = "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 23)) }, webhook.ErrSecret},
		{"long secret", func(r *request) { r.secret = "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 65)) }, webhook.ErrSecret},
		{"secret not base64", func(r *request) { r.secret = "whsec_!" }, webhook.ErrSecret},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := request{vectorSecret, headers(vectorID, ts, vectorSignature), vectorBody, 0, now}
			c.change(&r)
			err := webhook.Verify(r.secret, r.header, []byte(r.body), r.tolerance, r.now)
			if c.want == nil {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, c.want)
			}
		})
	}
}

func TestSignRefusesBadSecret(t *testing.T) {
	_, err := webhook.Sign("", "a", time.Unix(0, 0), nil)
	assert.ErrorIs(t, err, webhook.ErrSecret)
}

// Whatever the headers, Verify accepts exactly what a plain reading of the specification accepts.
func FuzzVerify(f *testing.F) {
	ts := strconv.Itoa(vectorTime)
	f.Add(vectorID, ts, vectorSignature, []byte(vectorBody), int64(0))
	f.Add(vectorID, ts, "v1,x "+vectorSignature, []byte(vectorBody), int64(301))
	f.Add("", "", "", []byte{}, int64(-1))
	f.Add("a.1", "-5", "v1, v1,, v1", []byte("{}"), int64(1)<<62)
	f.Add("a\x00", " 1", strings.Repeat(" ", 40), []byte("\xff"), int64(-1)<<62)
	f.Fuzz(func(t *testing.T, id, timestamp, signature string, body []byte, seconds int64) {
		now := time.Unix(vectorTime, 0).Add(time.Duration(seconds%1e9) * time.Second)
		err := webhook.Verify(vectorSecret, headers(id, timestamp, signature), body, 0, now)

		at, parseErr := strconv.Atoi(timestamp)
		fresh := parseErr == nil && strconv.Itoa(at) == timestamp && at >= 0 &&
			at >= int(now.Unix())-300 && at <= int(now.Unix())+300
		signed := slices.Contains(strings.Split(signature, " "), independent(vectorSecret, id, timestamp, string(body)))
		few := strings.Count(signature, " ") < 16
		if want := id != "" && fresh && signed; (err == nil) != want && few {
			t.Fatalf("accepted is %v, want %v: %v", err == nil, want, err)
		}

		// The same headers with a true signature must pass whenever they are fresh, and fail with another body.
		h := headers(id, timestamp, independent(vectorSecret, id, timestamp, string(body)))
		if err := webhook.Verify(vectorSecret, h, body, 0, now); (err == nil) != (id != "" && fresh) {
			t.Fatalf("signed request: %v", err)
		}
		if webhook.Verify(vectorSecret, h, append(body, ' '), 0, now) == nil {
			t.Fatal("accepted another body")
		}
	})
}
