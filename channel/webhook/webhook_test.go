package webhook_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/channel"
	"github.com/embedcdp/cdp/channel/webhook"
)

const secondSecret = "whsec_c2Vjb25kIHNlY3JldCBvZiAzMiBieXRlcyBsb25nISE="

var now = time.Date(2026, 11, 3, 9, 30, 0, 0, time.UTC)

type request struct {
	Method, Path string
	Header       http.Header
	Body         string
}

// receiver is an HTTP server that keeps requests and answers as told.
type receiver struct {
	*httptest.Server
	mu   sync.Mutex
	seen []request
}

func newReceiver(t *testing.T, answer http.HandlerFunc) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		r.mu.Lock()
		r.seen = append(r.seen, request{q.Method, q.URL.RequestURI(), q.Header.Clone(), string(body)})
		r.mu.Unlock()
		if answer != nil {
			answer(w, q)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) requests() []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]request(nil), r.seen...)
}

// open makes a channel to a local receiver, changed by change.
func open(t *testing.T, url string, change func(*webhook.Config)) *webhook.Channel {
	t.Helper()
	cfg := webhook.Config{URL: url, Secrets: []string{vectorSecret}, AllowPrivate: true, Now: func() time.Time { return now }}
	if change != nil {
		change(&cfg)
	}
	ch, err := webhook.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { ch.Close() })
	return ch
}

func message() channel.Message {
	return channel.Message{
		Key: "welcome/3/ann/send", Portal: "shop", Channel: "hook", ProfileID: "ann", Journey: "welcome", Node: "send",
		Template: "hello", To: "+84 90", Subject: "Hi", Text: "Chào \"Ann\"", Time: now.Add(-time.Minute), Attempt: 2,
	}
}

func result(err error) channel.Result {
	r, _ := channel.Classify(err)
	return r
}

func TestRequest(t *testing.T) {
	srv := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"id":"m-77"}`) })
	ch := open(t, srv.URL+"/in?token=1", func(c *webhook.Config) { c.Secrets = []string{vectorSecret, secondSecret} })
	receipt, err := ch.Send(t.Context(), message())
	require.NoError(t, err)
	require.Equal(t, channel.Sent, result(err))
	require.Equal(t, "m-77", receipt.ID)

	require.Len(t, srv.requests(), 1)
	got := srv.requests()[0]
	assert.Equal(t, "POST", got.Method)
	assert.Equal(t, "/in?token=1", got.Path)
	assert.Equal(t, "application/json", got.Header.Get("Content-Type"))
	assert.Equal(t, "welcome/3/ann/send", got.Header.Get("webhook-id"))
	assert.Equal(t, "welcome/3/ann/send", got.Header.Get("Idempotency-Key"))
	ts := fmt.Sprint(now.Unix())
	assert.Equal(t, ts, got.Header.Get("webhook-timestamp"))
	assert.Equal(t, independent(vectorSecret, "welcome/3/ann/send", ts, got.Body)+" "+
		independent(secondSecret, "welcome/3/ann/send", ts, got.Body), got.Header.Get("webhook-signature"))
	for _, secret := range []string{vectorSecret, secondSecret} {
		assert.NoError(t, webhook.Verify(secret, got.Header, []byte(got.Body), 0, now))
	}
	assert.JSONEq(t, `{"type":"message.send","timestamp":"2026-11-03T09:29:00Z","data":{
		"key":"welcome/3/ann/send","portal":"shop","channel":"hook","profile_id":"ann","journey":"welcome","node":"send",
		"template":"hello","to":"+84 90","subject":"Hi","text":"Chào \"Ann\""}}`, got.Body)
}

func TestDataIsSentAsItIs(t *testing.T) {
	srv := newReceiver(t, nil)
	ch := open(t, srv.URL, nil)
	m := message()
	m.Data = []byte("{ \"a\" : 1.0 }\n")
	_, err := ch.Send(t.Context(), m)
	require.NoError(t, err)
	require.Equal(t, string(m.Data), srv.requests()[0].Body)
	require.NoError(t, webhook.Verify(vectorSecret, srv.requests()[0].Header, m.Data, 0, now))

	m.Data = []byte("{broken")
	_, err = ch.Send(t.Context(), m)
	require.Equal(t, channel.Retry, result(err))
	require.ErrorContains(t, err, `template "hello"`)
	require.Len(t, srv.requests(), 1)
}

// A second attempt has the same body and keys; only the time and the signature move.
func TestAttemptsAreEqual(t *testing.T) {
	srv := newReceiver(t, nil)
	clock := now
	ch := open(t, srv.URL, func(c *webhook.Config) { c.Now = func() time.Time { return clock } })
	m := message()
	for range 2 {
		_, err := ch.Send(t.Context(), m)
		require.NoError(t, err)
		clock, m.Attempt = clock.Add(time.Hour), m.Attempt+1
	}
	first, second := srv.requests()[0], srv.requests()[1]
	require.Equal(t, first.Body, second.Body)
	require.Equal(t, first.Header.Get("Webhook-Id"), second.Header.Get("Webhook-Id"))
	require.NotEqual(t, first.Header.Get("Webhook-Signature"), second.Header.Get("Webhook-Signature"))
	require.NoError(t, webhook.Verify(vectorSecret, second.Header, []byte(second.Body), 0, now.Add(time.Hour)))
}

func TestKeyCannotAddHeaders(t *testing.T) {
	srv := newReceiver(t, nil)
	m := message()
	m.Key = "a.1\r\nX-Evil: é%"
	_, err := open(t, srv.URL, nil).Send(t.Context(), m)
	require.NoError(t, err)
	got := srv.requests()[0]
	require.Equal(t, "a%2E1%0D%0AX-Evil:%20%C3%A9%25", got.Header.Get("Webhook-Id"))
	require.Empty(t, got.Header.Get("X-Evil"))
	require.NoError(t, webhook.Verify(vectorSecret, got.Header, []byte(got.Body), 0, now))
	var body struct{ Data struct{ Key string } }
	require.NoError(t, json.Unmarshal([]byte(got.Body), &body))
	require.Equal(t, m.Key, body.Data.Key)

	m.Key = ""
	_, err = open(t, srv.URL, nil).Send(t.Context(), m)
	require.ErrorContains(t, err, "no Key")
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		status     int
		retryAfter string
		want       channel.Result
		after      time.Duration
	}{
		{200, "", channel.Sent, 0},
		{202, "", channel.Sent, 0},
		{204, "", channel.Sent, 0},
		{301, "", channel.Retry, 0},
		{304, "", channel.Retry, 0},
		{308, "", channel.Retry, 0},
		{400, "", channel.Hard, 0},
		{401, "", channel.Retry, 0},
		{403, "", channel.Retry, 0},
		{404, "", channel.Hard, 0},
		{405, "", channel.Hard, 0},
		{407, "", channel.Retry, 0},
		{408, "", channel.Retry, 0},
		{409, "", channel.Retry, 0},
		{410, "", channel.Hard, 0},
		{413, "", channel.Hard, 0},
		{422, "", channel.Hard, 0},
		{425, "", channel.Retry, 0},
		{429, "", channel.Retry, 0},
		{429, "120", channel.Throttle, 2 * time.Minute},
		{429, "0", channel.Retry, 0},
		{429, "-5", channel.Retry, 0},
		{429, "soon", channel.Retry, 0},
		{429, "99999999999999999999", channel.Retry, 0},
		{429, "18446744073709551615", channel.Throttle, 24 * time.Hour},
		{429, "Tue, 03 Nov 2026 09:31:30 GMT", channel.Throttle, 90 * time.Second},
		{429, "Tue, 03 Nov 2026 09:29:00 GMT", channel.Retry, 0},
		{429, "Tue, 03 Nov 2099 09:29:00 GMT", channel.Throttle, 24 * time.Hour},
		{503, "", channel.Retry, 0},
		{503, "7", channel.Throttle, 7 * time.Second},
		{500, "7", channel.Retry, 0},
		{501, "", channel.Retry, 0},
		{502, "", channel.Retry, 0},
		{504, "", channel.Retry, 0},
	} {
		t.Run(fmt.Sprintf("%d %s", c.status, c.retryAfter), func(t *testing.T) {
			srv := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
				if c.retryAfter != "" {
					w.Header().Set("Retry-After", c.retryAfter)
				}
				w.WriteHeader(c.status)
			})
			_, err := open(t, srv.URL+"/?token=private", nil).Send(t.Context(), message())
			got, after := channel.Classify(err)
			require.Equal(t, c.want, got, "%v", err)
			require.Equal(t, c.after, after)
			if err != nil {
				require.ErrorContains(t, err, fmt.Sprint(c.status))
				require.NotContains(t, err.Error(), "private")
			}
			require.Len(t, srv.requests(), 1)
		})
	}
}

func TestReceipt(t *testing.T) {
	for _, c := range []struct{ name, header, body, want string }{
		{"json", "", `{"id":"a"}`, "a"},
		{"json before header", "b", `{"id":"a"}`, "a"},
		{"header", "b", `ok`, "b"},
		{"number is not an id", "", `{"id":5}`, ""},
		{"none", "", ``, ""},
		{"long", "", `{"id":"` + strings.Repeat("x", 201) + `"}`, ""},
		{"control", "", `{"id":"a\nb"}`, ""},
		{"endless body", "b", strings.Repeat("x", 1<<20), "b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("X-Message-Id", c.header)
				io.WriteString(w, c.body)
			})
			receipt, err := open(t, srv.URL, nil).Send(t.Context(), message())
			require.NoError(t, err)
			require.Equal(t, c.want, receipt.ID)
		})
	}
}

// The receiver said 200 and its body broke off: the message was taken.
func TestBodyBreaksOff(t *testing.T) {
	srv := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, `{"id":`)
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	receipt, err := open(t, srv.URL, nil).Send(t.Context(), message())
	require.NoError(t, err)
	require.Empty(t, receipt.ID)
}

func TestConnectionLost(t *testing.T) {
	srv := newReceiver(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	_, err := open(t, srv.URL+"/?token=private", nil).Send(t.Context(), message())
	require.Equal(t, channel.Retry, result(err))
	require.NotContains(t, err.Error(), "private")

	srv.Close()
	_, err = open(t, srv.URL, nil).Send(t.Context(), message())
	require.Equal(t, channel.Retry, result(err))
}

func TestSilentReceiver(t *testing.T) {
	silent := func(_ http.ResponseWriter, q *http.Request) { <-q.Context().Done() }
	t.Run("timeout", func(t *testing.T) {
		srv := newReceiver(t, silent)
		ch := open(t, srv.URL, func(c *webhook.Config) { c.Timeout = 50 * time.Millisecond })
		_, err := ch.Send(t.Context(), message())
		require.Equal(t, channel.Retry, result(err))
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		srv := newReceiver(t, func(w http.ResponseWriter, q *http.Request) { cancel(); silent(w, q) })
		_, err := open(t, srv.URL, nil).Send(ctx, message())
		require.Equal(t, channel.Cancelled, result(err))
		_, err = open(t, srv.URL, nil).Send(ctx, message())
		require.Equal(t, channel.Cancelled, result(err))
		require.Len(t, srv.requests(), 1)
	})
}

func TestTarget(t *testing.T) {
	srv := newReceiver(t, nil)
	ch := open(t, "", nil)
	m := message()
	for to, want := range map[string]channel.Result{
		srv.URL + "/own":     channel.Sent,
		"":                   channel.Missing,
		"+84 90":             channel.Hard,
		"ftp://example.com/": channel.Hard,
		"http:///x":          channel.Hard,
		"http://a b/":        channel.Hard,
	} {
		m.To = to
		_, err := ch.Send(t.Context(), m)
		assert.Equal(t, want, result(err), "%q: %v", to, err)
	}
	require.Len(t, srv.requests(), 1)
	require.Equal(t, "/own", srv.requests()[0].Path)
}

func TestNew(t *testing.T) {
	good := webhook.Config{URL: "https://hooks.example.com/", Secrets: []string{vectorSecret}}
	_, err := webhook.New(good)
	require.NoError(t, err)
	for want, change := range map[string]func(*webhook.Config){
		"Config.URL":           func(c *webhook.Config) { c.URL = "hooks.example.com" },
		"must be https":        func(c *webhook.Config) { c.URL = "http://hooks.example.com" },
		"Config.Secrets is":    func(c *webhook.Config) { c.Secrets = nil },
		"Config.Secrets[1]":    func(c *webhook.Config) { c.Secrets = []string{vectorSecret, "whsec_short"} },
		"must not be negative": func(c *webhook.Config) { c.Timeout = -1 },
	} {
		cfg := good
		change(&cfg)
		_, err := webhook.New(cfg)
		assert.ErrorContains(t, err, want)
	}
}

// counter accepts connections on address and sends one value for each.
func counter(t *testing.T, address string) (port int, accepted chan struct{}) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Skipf("this machine has no %s: %v", address, err)
	}
	t.Cleanup(func() { listener.Close() })
	accepted = make(chan struct{}, 100)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				close(accepted)
				return
			}
			accepted <- struct{}{}
			conn.Close()
		}
	}()
	return listener.Addr().(*net.TCPAddr).Port, accepted
}

func TestBlockedNetworks(t *testing.T) {
	for _, local := range []struct {
		listen string
		hosts  []string
	}{
		{"127.0.0.1:0", []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0", "127.1.2.3"}},
		{"[::1]:0", []string{"[::1]", "[::]", "localhost"}},
	} {
		t.Run(local.listen, func(t *testing.T) {
			port, accepted := counter(t, local.listen)
			for _, host := range local.hosts {
				refused(t, fmt.Sprintf("https://%s:%d/", host, port))
			}
			// The counter works: with AllowPrivate the first connection it sees is this one.
			require.Empty(t, accepted)
			host := local.hosts[0]
			_, err := open(t, fmt.Sprintf("https://%s:%d/", host, port), nil).Send(t.Context(), message())
			require.Equal(t, channel.Retry, result(err))
			<-accepted
			require.Empty(t, accepted)
		})
	}
	for _, host := range []string{"169.254.169.254", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "224.0.0.1",
		"255.255.255.255", "[fe80::1]", "[fd00:ec2::254]", "[fc00::1]", "[ff02::1]", "[::ffff:10.0.0.1]", "[64:ff9b::7f00:1]",
		"[2002:7f00:1::]"} {
		refused(t, "https://"+host+"/latest/meta-data")
	}
}

// refused sends to a fixed URL and to one that comes with the message; both must fail by the check of the address.
func refused(t *testing.T, url string) {
	t.Helper()
	guarded := func(c *webhook.Config) { c.AllowPrivate = false }
	_, err := open(t, url, guarded).Send(t.Context(), message())
	require.Equal(t, channel.Retry, result(err), url)
	require.ErrorContains(t, err, "is in a blocked network", url)

	m := message()
	m.To = url
	_, err = open(t, "", guarded).Send(t.Context(), m)
	require.Equal(t, channel.Hard, result(err), url)
	require.ErrorContains(t, err, "is in a blocked network", url)

	m.To = "http" + strings.TrimPrefix(url, "https")
	_, err = open(t, "", guarded).Send(t.Context(), m)
	require.Equal(t, channel.Hard, result(err), url)
}

func TestRedirectIsNotFollowed(t *testing.T) {
	port, accepted := counter(t, "127.0.0.1:0")
	for _, status := range []int{301, 302, 303, 307, 308} {
		srv := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", fmt.Sprintf("http://127.0.0.1:%d/", port))
			w.WriteHeader(status)
		})
		_, err := open(t, srv.URL, nil).Send(t.Context(), message())
		require.Equal(t, channel.Retry, result(err))
		require.ErrorContains(t, err, "redirects are not followed")
	}
	require.Empty(t, accepted)
}
