package email_test

// What happens when the server stops half-way.

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/channel"
	"github.com/embedcdp/cdp/channel/email"
)

// greet answers up to the DATA command.
func greet(line func() string, say func(string)) {
	say("220 relay.test")
	line() // EHLO
	say("250 relay.test")
	line() // MAIL
	say("250 ok")
	line() // RCPT
	say("250 ok")
	line() // DATA
	say("354 go on")
}

func TestDroppedInsideData(t *testing.T) {
	ch := scripted(t, func(line func() string, say func(string), conn net.Conn) {
		greet(line, say)
		line()
	})
	_, err := ch.Send(t.Context(), message())
	require.Equal(t, channel.Retry, result(err))
}

// The server took the mail and the connection broke: sending it again would make a second copy.
func TestDroppedAfterAcceptance(t *testing.T) {
	ch := scripted(t, func(line func() string, say func(string), conn net.Conn) {
		greet(line, say)
		until(line, "Hello Ann")
		until(line, ".")
		say("250 2.0.0 Ok: queued as 4F9D195432")
	})
	receipt, err := ch.Send(t.Context(), message())
	require.NoError(t, err)
	require.Equal(t, "Ok: queued as 4F9D195432", receipt.ID)
}

func TestGreetingRefused(t *testing.T) {
	ch := scripted(t, func(line func() string, say func(string), conn net.Conn) {
		say("554 no service for 127.0.0.1")
	})
	_, err := ch.Send(t.Context(), message())
	require.Equal(t, channel.Retry, result(err))
	require.ErrorContains(t, err, "554")
}

func TestNotSMTP(t *testing.T) {
	ch := scripted(t, func(line func() string, say func(string), conn net.Conn) {
		say("HTTP/1.1 400 Bad Request")
	})
	_, err := ch.Send(t.Context(), message())
	require.Equal(t, channel.Retry, result(err))
}

// The server goes silent at each step; the caller gives up; Send returns at once.
func TestSilentServerAndCancel(t *testing.T) {
	steps := map[string]func(line func() string, say func(string)){
		"greeting": func(func() string, func(string)) {},
		"EHLO":     func(line func() string, say func(string)) { say("220 relay.test"); line() },
		"RCPT": func(line func() string, say func(string)) {
			say("220 relay.test")
			line()
			say("250 relay.test")
			line()
			say("250 ok")
			line()
		},
		"end of DATA": func(line func() string, say func(string)) {
			greet(line, say)
			until(line, "Hello Ann")
			until(line, ".")
		},
	}
	for name, step := range steps {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			closed := make(chan struct{})
			ch := scripted(t, func(line func() string, say func(string), conn net.Conn) {
				step(line, say)
				cancel()
				conn.SetReadDeadline(time.Now().Add(10 * time.Second))
				if _, err := conn.Read(make([]byte, 1)); err != nil && !isTimeout(err) {
					close(closed)
				}
			})
			_, err := ch.Send(ctx, message())
			require.ErrorIs(t, err, context.Canceled)
			require.Equal(t, channel.Cancelled, result(err))
			<-closed // the connection was closed, not left behind
		})
	}
}

func isTimeout(err error) bool {
	ne, ok := err.(net.Error)
	return ok && ne.Timeout()
}

func TestTimeout(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") // connects by the backlog, never answers
	require.NoError(t, err)
	defer listener.Close()
	ch := open(t, listener.Addr().(*net.TCPAddr).Port, func(c *email.Config) { c.Timeout = 50 * time.Millisecond })
	_, err = ch.Send(t.Context(), message())
	require.Equal(t, channel.Retry, result(err))
}

func TestCallersDeadlineIsTemporary(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = open(t, listener.Addr().(*net.TCPAddr).Port, nil).Send(ctx, message())
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Equal(t, channel.Retry, result(err))
}
