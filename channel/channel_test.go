package channel_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/channel"
)

func TestClassify(t *testing.T) {
	cause := errors.New("cause")
	for _, c := range []struct {
		name  string
		err   error
		want  channel.Result
		after time.Duration
	}{
		{"nil", nil, channel.Sent, 0},
		{"plain", cause, channel.Retry, 0},
		{"permanent", channel.Permanent(cause), channel.Hard, 0},
		{"no receiver", channel.NoReceiver(cause), channel.Missing, 0},
		{"throttled", channel.Throttled(cause, time.Minute), channel.Throttle, time.Minute},
		{"wrapped", fmt.Errorf("send: %w", channel.Throttled(cause, time.Minute)), channel.Throttle, time.Minute},
		{"joined", errors.Join(cause, channel.Permanent(cause)), channel.Hard, 0},
		{"the outer mark counts", channel.Throttled(channel.Permanent(cause), time.Second), channel.Throttle, time.Second},
		{"cancelled", context.Canceled, channel.Cancelled, 0},
		{"cancelled, wrapped", fmt.Errorf("send: %w", context.Canceled), channel.Cancelled, 0},
		{"a mark beats cancellation", channel.Permanent(context.Canceled), channel.Hard, 0},
		{"deadline is temporary", fmt.Errorf("send: %w", context.DeadlineExceeded), channel.Retry, 0},
	} {
		got, after := channel.Classify(c.err)
		assert.Equal(t, c.want, got, c.name)
		assert.Equal(t, c.after, after, c.name)
	}
}

func TestMarkedErrorsKeepTheirCause(t *testing.T) {
	cause := errors.New("mailbox is gone")
	for _, err := range []error{channel.Permanent(cause), channel.NoReceiver(cause), channel.Throttled(cause, time.Second)} {
		require.ErrorIs(t, err, cause)
		require.EqualError(t, err, "mailbox is gone")
	}
}

func ExampleClassify() {
	ch := channel.Func(func(_ context.Context, m channel.Message) (channel.Receipt, error) {
		switch m.To {
		case "":
			return channel.Receipt{}, channel.NoReceiver(errors.New("no number"))
		case "+1":
			return channel.Receipt{}, channel.Permanent(errors.New("number not in use"))
		case "+2":
			return channel.Receipt{}, channel.Throttled(errors.New("too many"), 30*time.Second)
		case "+3":
			return channel.Receipt{}, errors.New("connection lost")
		}
		return channel.Receipt{ID: "1"}, nil
	})
	for _, to := range []string{"", "+1", "+2", "+3", "+4"} {
		_, err := ch.Send(context.Background(), channel.Message{Key: "k", To: to})
		switch result, after := channel.Classify(err); result {
		case channel.Sent:
			fmt.Println("sent")
		case channel.Hard, channel.Missing:
			fmt.Println("give up:", err)
		case channel.Throttle:
			fmt.Println("again in", after)
		default:
			fmt.Println("again later:", err)
		}
	}
	// Output:
	// give up: no number
	// give up: number not in use
	// again in 30s
	// again later: connection lost
	// sent
}
