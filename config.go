package cdp

import (
	"log/slog"
	"time"

	"github.com/embedcdp/cdp/channel"
)

// Config says how a client runs. The zero Config is a good one for tests and for a first try; every field may be left out.
type Config struct {
	// Portal is the name of the portal (tenant) to open, 1 to 64 bytes. Portals in one store share nothing but the
	// store: each has its own log, definitions and profiles. Default: "main".
	Portal string

	// Channels are what delivers messages, by the name journeys use for them. The channel "inbox" is always there and
	// needs no entry: its messages are kept here for the website to read. Where there are any, consent, opt-in and caps may
	// name these only.
	Channels map[string]channel.Channel

	// Openers open the sources of dataflows by name, for sources that are no local files.
	Openers map[string]Opener

	// Now is the clock. Set it in tests (see package cdptest). It may be called from several goroutines. The platform's
	// own time never runs backwards, whatever the clock does. Default: time.Now.
	Now func() time.Time

	// CheckpointBytes is how much log is written between two checkpoints. More means fewer writes and a longer replay
	// after a crash. Default: 64 MiB.
	CheckpointBytes int64

	// CacheBytes is how much memory holds columns of events and changes that are in the file too; what does not fit is read
	// again when it is asked for. Attributes, identifiers, ids seen and each person's list of events are beside it. More
	// makes questions about much history quicker, and intake too where people's older events are looked at again: by segments,
	// reports beside it, ids that come twice. Default: 256 MiB; -1 keeps everything in memory.
	CacheBytes int64

	// Secret signs the tokens of unsubscribe links (Settings.UnsubscribeURL). Use 32 random bytes and keep them: links in
	// messages already sent stop working with another secret. Default: none, and no unsubscribe links.
	Secret []byte

	// SendWorkers is how many messages are handed to each channel at the same time. A slow channel holds up no other.
	// Default: 16.
	SendWorkers int

	// MaxAttempts is how often a message is tried before it is given up. Between attempts the wait doubles from
	// 30 seconds to 6 hours, with jitter. Default: 12.
	MaxAttempts int

	// Logger is told what nobody is waiting to hear: a damaged checkpoint that was passed over, a send that failed.
	// Default: nothing is logged.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Portal == "" {
		c.Portal = "main"
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.SendWorkers == 0 {
		c.SendWorkers = 16
	}
	if c.MaxAttempts == 0 {
		c.MaxAttempts = 12
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c Config) validate() error {
	switch {
	case len(c.Portal) > 64:
		return &InvalidError{What: "Config.Portal", Reason: "has more than 64 bytes"}
	case c.CheckpointBytes < 0:
		return &InvalidError{What: "Config.CheckpointBytes", Reason: "is negative"}
	case c.CacheBytes < -1:
		return &InvalidError{What: "Config.CacheBytes", Reason: "is below -1, which is no limit"}
	case c.SendWorkers < 0 || c.SendWorkers > 1000:
		return &InvalidError{What: "Config.SendWorkers", Reason: "is outside 1 to 1000"}
	case c.MaxAttempts < 0:
		return &InvalidError{What: "Config.MaxAttempts", Reason: "is negative"}
	}
	if _, taken := c.Channels[InboxChannel]; taken {
		return &InvalidError{What: "Config.Channels", Reason: `names "inbox", which is the platform's own channel; choose another name`}
	}
	return nil
}
