package email_test

import (
	"context"
	"fmt"
	"net/mail"
	"strings"

	"github.com/embedcdp/cdp/channel"
	"github.com/embedcdp/cdp/channel/email"
)

func Example() {
	relay := &server{} // a real SMTP server on this machine, for the example
	defer relay.start(nil, false)()

	ch, err := email.New(email.Config{
		Host: "127.0.0.1",
		Port: relay.Port,
		TLS:  email.NoTLS, // local relay; leave it out to get STARTTLS
		From: "Shop <news@shop.example>",
	})
	if err != nil {
		panic(err)
	}
	receipt, err := ch.Send(context.Background(), channel.Message{
		Key:            "welcome/1/ann",
		To:             "ann@example.com",
		Subject:        "Welcome",
		Text:           "Hello Ann",
		HTML:           "<p>Hello Ann</p>",
		UnsubscribeURL: "https://shop.example/u/ann",
	})
	fmt.Println(receipt.ID, err)

	got, _ := mail.ReadMessage(strings.NewReader(relay.received()[0].Data))
	fmt.Println(got.Header.Get("Message-ID"))
	fmt.Println(got.Header.Get("List-Unsubscribe"))
	// Output:
	// OK: queued <nil>
	// <fa8a9b2bda20c812f466b44d83ea5c12@shop.example>
	// <https://shop.example/u/ann>
}
