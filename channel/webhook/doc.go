// Package webhook delivers messages as signed HTTP requests, after Standard Webhooks 1.0 (standardwebhooks.com), and
// verifies such requests for those who receive them.
//
//	ch, err := webhook.New(webhook.Config{
//		URL:     "https://hooks.example.com/cdp",
//		Secrets: []string{os.Getenv("WEBHOOK_SECRET")}, // whsec_ and the base64 of 24 to 64 random bytes
//	})
//
// # The request
//
// A POST of [channel.Message.Data] as it is, or when there is none, of the message as JSON:
//
//	{
//	  "type": "message.send",
//	  "timestamp": "2026-11-03T09:30:00Z",   // Message.Time
//	  "data": {
//	    "key": "welcome/3/ann/send",         // the same on every attempt
//	    "portal": "", "channel": "", "profile_id": "", "journey": "", "node": "", "template": "",
//	    "to": "", "subject": "", "text": "", "html": "", "unsubscribe_url": ""
//	  }
//	}
//
// Empty members of data are left out. The headers:
//
//	Content-Type        application/json
//	Webhook-Id          Message.Key
//	Webhook-Timestamp   the time of this attempt, in seconds since 1970
//	Webhook-Signature   v1,<base64 of HMAC-SHA256 over id.timestamp.body>, one for each secret, separated by a space
//	Idempotency-Key     Message.Key
//
// The body and the two keys are the same on every attempt; a receiver that remembers the key acts once. In both headers
// bytes of the key other than letters, digits and -_:/ are percent-encoded: a full stop would blur where the signed parts
// begin.
//
// # What an answer means
//
//	2xx                                       sent; see Receipt below
//	429, 503 with Retry-After                 Throttled, for at most 24 hours
//	408, 409, 425, 429, 5xx                   temporary
//	401, 403, 407                             temporary: credentials are the operator's to correct
//	3xx                                       temporary: redirects are never followed; change the URL
//	410 and every other 4xx                   Permanent
//	connection refused, lost or too slow      temporary
//	a URL into a blocked network              Permanent if it is the message's To, temporary if it is Config.URL
//	Message.To is not a usable URL            Permanent
//	no URL at all                             NoReceiver
//	the caller's context ended                the context's error
//
// The Receipt's ID is the string member "id" of a JSON answer, else the header X-Message-Id, else X-Request-Id. At most
// 64 KiB of an answer are read.
//
// # Where requests may go
//
// URLs may come from data that strangers write, so the address is checked at the moment of the connection, after the name
// is resolved: loopback, private, link-local (with the metadata services of clouds), shared, multicast, documentation and
// other special networks of IANA's registries are refused, and the scheme must be https. [Config.AllowPrivate] lifts
// both. Proxies from the environment are not used, since they would make the connection in our place.
package webhook
