package cdp

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/embedcdp/cdp/internal/dispatch"
	"github.com/embedcdp/cdp/internal/engine"
	"github.com/embedcdp/cdp/internal/fold"
	"github.com/embedcdp/cdp/store"
	"github.com/embedcdp/cdp/store/boltstore"
)

// Client is one open portal. All its methods are safe for concurrent use.
type Client struct {
	cfg     Config
	engine  *engine.Engine
	sender  *dispatch.Sender
	ownedBy store.Store // closed with the client; nil when the caller owns it
}

// Open opens the file at path, making it when it is not there, as a client of its portal. At most one Config is taken.
//
// A file is open once at a time: while another Open has it, in this process or another, the error wraps [ErrLocked] and comes
// within two seconds.
// A damaged file gives an error that wraps [ErrDamaged].
func Open(path string, config ...Config) (*Client, error) {
	if len(config) > 1 {
		return nil, &InvalidError{What: "Open", Reason: "takes one Config"}
	}
	st, err := boltstore.Open(path, nil)
	if err != nil {
		return nil, &bareError{"cdp: " + strings.TrimPrefix(err.Error(), "boltstore: "), err} // which names the path
	}
	c, err := New(st, first(config))
	if err != nil {
		st.Close()
		return nil, inside("open "+path, err)
	}
	c.ownedBy = st
	return c, nil
}

func first(config []Config) Config {
	if len(config) > 0 {
		return config[0]
	}
	return Config{}
}

// New opens a portal in a store. The store stays the caller's: several clients may use it, each for its own portal or
// the same, and Close does not close it.
func New(st store.Store, config Config) (*Client, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	if st == nil {
		return nil, errNoStore
	}
	cfg := config.withDefaults()
	e, err := engine.Open(context.Background(), st, engine.Options{Portal: cfg.Portal, Now: cfg.Now,
		CheckpointBytes: cfg.CheckpointBytes, CacheBytes: cfg.CacheBytes, Log: cfg.Logger})
	if err != nil {
		return nil, err
	}
	opt := dispatch.Options{Portal: cfg.Portal, Channels: cfg.Channels, Now: cfg.Now,
		Workers: cfg.SendWorkers, MaxAttempts: cfg.MaxAttempts, Log: cfg.Logger}
	if len(cfg.Secret) > 0 {
		opt.Token = func(userID, channel string) string { return makeToken(cfg.Secret, userID, channel) }
	}
	return &Client{cfg: cfg, engine: e, sender: dispatch.New(e, opt)}, nil
}

// Close finishes the calls under way, writes a checkpoint so that the next Open is quick, and releases the file that Open
// opened. A second Close returns nil. Run, if it is running, returns.
func (c *Client) Close() error {
	if c == nil || c.engine == nil {
		return nil // nothing was opened
	}
	err := c.engine.Close()
	if c.ownedBy != nil {
		if e := c.ownedBy.Close(); err == nil {
			err = e
		}
	}
	return err
}

// Run drives what happens by itself until ctx ends: it fires what is due (segment exits, journey timers) at its instant
// and hands messages to their channels. It sleeps while nothing is due. One Run for each client is enough; without any,
// answers are still right at every instant, but journeys move and messages leave only when Tick is called.
//
// Run returns ctx's error when ctx ends, nil when the client is closed, and any other error when a commit fails; who wants
// to go on after that calls it again.
func (c *Client) Run(ctx context.Context) error {
	if err := c.begin(ctx, "run"); err != nil {
		return err
	}
	return c.sender.Run(ctx)
}

// Tick does once what Run does all the time: it fires everything due by now, sends every message that may be sent, and
// returns when nothing more is left to do at this instant. Tests and batch jobs call it after moving their clock.
func (c *Client) Tick(ctx context.Context) error {
	if err := c.begin(ctx, "tick"); err != nil {
		return err
	}
	return c.sender.Tick(ctx)
}

// Now returns the client's clock, in UTC.
func (c *Client) Now() time.Time {
	if c == nil || c.cfg.Now == nil { // nobody opened it
		return time.Now().UTC()
	}
	return c.cfg.Now().UTC()
}

// begin is the one place every verb passes. It refuses what may not be done now; accounts and their permissions will be
// checked here.
func (c *Client) begin(ctx context.Context, verb string) error {
	if c == nil || c.engine == nil {
		return &InvalidError{What: verb, Reason: "was asked of no client: get one from cdp.Open or cdp.New, and all else from it"}
	}
	if ctx == nil {
		return &InvalidError{What: verb, Reason: "was given no context: use context.Background() where there is none"}
	}
	if err := ctx.Err(); err != nil {
		return inside(verb, err)
	}
	return c.engine.Err()
}

// read begins a verb that reads: it first lets happen what is due, so that the answer is right at this instant.
func (c *Client) read(ctx context.Context, verb string, fn func(*fold.State)) error {
	if err := c.begin(ctx, verb); err != nil {
		return err
	}
	if err := c.engine.Tick(ctx); err != nil {
		return inside(verb, err)
	}
	return c.engine.View(fn)
}

// NextDue returns the next instant at which something happens by itself: a segment exit, a journey timer, a message to
// be tried again. Tests move their clock to it.
func (c *Client) NextDue() (at time.Time, ok bool) {
	if c == nil || c.sender == nil { // nobody opened it
		return at, false
	}
	return c.sender.NextDue()
}

var errNoStore = errors.New("cdp: the store is nil: give one, such as memstore.New(), or use Open for a file")
