package webhook_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/embedcdp/cdp/channel"
	"github.com/embedcdp/cdp/channel/webhook"
)

func Example() {
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" // an example: make your own

	// The receiver, in another program.
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
			return
		}
		if err := webhook.Verify(secret, r.Header, body, webhook.DefaultTolerance, time.Now()); err != nil {
			http.Error(w, "not signed", http.StatusUnauthorized)
			return
		}
		fmt.Println("received", r.Header.Get(webhook.HeaderID), string(body))
		io.WriteString(w, `{"id":"msg-1"}`)
	}))
	defer receiver.Close()

	// The sender.
	ch, err := webhook.New(webhook.Config{
		URL:          receiver.URL,
		Secrets:      []string{secret},
		AllowPrivate: true, // the receiver is on this machine
	})
	if err != nil {
		panic(err)
	}
	defer ch.Close()
	receipt, err := ch.Send(context.Background(), channel.Message{Key: "welcome/1/ann", Data: []byte(`{"name":"Ann"}`)})
	fmt.Println("sent", receipt.ID, err)
	// Output:
	// received welcome/1/ann {"name":"Ann"}
	// sent msg-1 <nil>
}
