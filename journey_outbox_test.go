package cdp_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/cdptest"
	"github.com/embedcdp/cdp/channel"
	"github.com/embedcdp/cdp/store/memstore"
)

// Nobody is sent more than the caps allow, however many callers track at once: counted over what channels were given.
func TestCapsHoldUnderConcurrentTrack(t *testing.T) {
	people, callers := 10_000, 16
	if testing.Short() {
		people = 1000
	}
	c := cdptest.New(t, cdptest.Options{Channels: []string{"email", "push"}, Config: cdp.Config{SendWorkers: 8}})
	ctx := t.Context()
	require.NoError(t, c.Portal().Save(ctx, cdp.Settings{Caps: []cdp.Cap{{Channel: "email", Max: 1, Per: "12h"}, {Max: 3, Per: "1d"}}}))
	c.SaveTemplate(cdp.Template{Name: "t", Text: "x"})
	for _, ch := range []string{"email", "push"} {
		c.Define(cdp.EventType{Name: "go_" + ch})
		c.SaveJourney(cdp.Journey{Name: ch, Entry: cdp.Entry{Event: "go_" + ch}, Nodes: []cdp.Node{cdp.Send("send", ch, "t", "end"), cdp.End("end", "")}})
	}
	runCtx, stop := context.WithCancel(ctx)
	ran := make(chan error)
	go func() { ran <- c.Run(runCtx) }()
	for round := range 5 {
		var wg sync.WaitGroup
		for caller := range callers {
			wg.Go(func() {
				rnd := rand.New(rand.NewPCG(uint64(round), uint64(caller)))
				order := rnd.Perm(people)
				for batch := range slices.Chunk(order, 500) {
					if (caller+batch[0])%callers > 5 { // about six events a person and round
						continue
					}
					var events []cdp.Event
					for _, p := range batch {
						events = append(events, cdp.Event{Name: []string{"go_email", "go_push"}[rnd.IntN(2)], UserID: fmt.Sprint("u", p)})
					}
					if _, err := c.Track(ctx, events...); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		c.Clock.Advance(5 * time.Hour)
	}
	stop()
	require.ErrorIs(t, <-ran, context.Canceled)
	require.NoError(t, c.Tick(ctx))

	type sent struct {
		at time.Time
		ch string
	}
	per := map[string][]sent{}
	total := 0
	for _, ch := range []string{"email", "push"} {
		for _, m := range c.Recorder(ch).Sent() {
			per[m.ProfileID] = append(per[m.ProfileID], sent{m.Time, ch})
			total++
		}
	}
	most, full := 0, 0
	for who, list := range per {
		slices.SortFunc(list, func(a, b sent) int { return a.at.Compare(b.at) })
		for i, x := range list {
			all, mails := 0, 0
			for _, y := range list[:i+1] { // the windows that end with this message
				if y.at.After(x.at.Add(-24 * time.Hour)) {
					all++
				}
				if y.ch == "email" && x.ch == "email" && y.at.After(x.at.Add(-12*time.Hour)) {
					mails++
				}
			}
			require.LessOrEqual(t, all, 3, "%s: %v", who, list)
			require.LessOrEqual(t, mails, 1, "%s: %v", who, list)
			most = max(most, all)
		}
		if len(list) == 3 {
			full++
		}
	}
	require.Equal(t, 3, most)
	require.Greater(t, full, people*3/4, "most people were asked often enough to reach the cap within the 20 hours")
	queued, err := c.Messages().History(ctx, "message_queued")
	require.NoError(t, err)
	require.Len(t, queued, total)
}

// A random story told to one client that stays open and to one that is closed or left behind at random: the same timelines,
// and every message once.
func TestReopenedTwin(t *testing.T) {
	stories := 40
	if testing.Short() {
		stories = 8
	}
	for seed := range uint64(stories) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			plain, twin := newTeller(t, seed, false), newTeller(t, seed, true)
			for step := range 80 {
				plain.step()
				twin.step()
				if step%20 == 19 {
					require.Equal(t, plain.timelines(), twin.timelines(), "seed %d, step %d", seed, step)
				}
			}
			require.Equal(t, plain.delivered, twin.delivered)
			for key, n := range plain.delivered {
				require.Equal(t, 1, n, "message %s", key)
			}
		})
	}
}

type teller struct {
	t     *testing.T
	c     *cdptest.Client
	store *memstore.Store
	rnd   *rand.Rand // what happens
	fate  *rand.Rand // when the client is reopened; nil: never
	n     int

	mu        sync.Mutex // guards what follows
	delivered map[string]int
}

func newTeller(t *testing.T, seed uint64, reopens bool) *teller {
	s := &teller{t: t, store: memstore.New(), rnd: rand.New(rand.NewPCG(seed, 1)), delivered: map[string]int{}}
	if reopens {
		s.fate = rand.New(rand.NewPCG(seed, 2))
	}
	s.open(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	ctx := t.Context()
	c := s.c
	require.NoError(t, c.Portal().Save(ctx, cdp.Settings{Caps: []cdp.Cap{{Max: 4, Per: "1d"}}}))
	c.Define(cdp.EventType{Name: "view", Attributes: cdp.Schema{"page": cdp.String}}, cdp.EventType{Name: "buy", Attributes: cdp.Schema{"amount": cdp.Number}})
	c.DefineProfile(cdp.Schema{"age": cdp.Number})
	c.SaveSegment("warm", `events.view.within("6h").size() >= 3`)
	c.SaveSegment("adult", `customer.age >= 18 && inSegment("warm")`)
	c.SaveTemplate(cdp.Template{Name: "t", Text: `{{ customer.age | "?" }}`})
	c.SaveJourney(cdp.Journey{Name: "keyed", Entry: cdp.Entry{Event: "view", Key: "page"}, Reentry: "3h",
		Goals: []cdp.Goal{{Name: "won", Event: "buy", Where: "e.amount > 5"}}, Exits: []cdp.Exit{{When: "customer.age < 10", Reason: "child"}, {Event: "unsubscribed", Reason: "no"}},
		Nodes: []cdp.Node{cdp.Wait("w", "2h", "send", cdp.Branch{Event: "view", Where: "e.page == event.page", Next: "d"}),
			cdp.Send("send", "email", "t", "d"), cdp.Delay("d", "3h", "end"), cdp.End("end", "")}})
	c.SaveJourney(cdp.Journey{Name: "warm", Entry: cdp.Entry{Entered: "warm"},
		Nodes: []cdp.Node{cdp.Send("a", "email", "t", "w"), cdp.Wait("w", "1d", "end", cdp.Branch{Event: "message_sent", Next: "b"}, cdp.Branch{Event: "buy", Next: "b"}),
			cdp.If("b", "end", cdp.Branch{Where: `inSegment("adult")`, Next: "c"}), cdp.Send("c", "email", "t", "end"), cdp.End("end", "done")}})
	c.SaveJourney(cdp.Journey{Name: "cold", Entry: cdp.Entry{Left: "warm"}, Reentry: "once",
		Nodes: []cdp.Node{cdp.Delay("d", "30m", "s"), cdp.Send("s", cdp.InboxChannel, "t", "end"), cdp.End("end", "")}})
	return s
}

// Send fails by the key and the attempt alone, so that both tellers' channels do the same.
func (s *teller) Send(_ context.Context, m channel.Message) (channel.Receipt, error) {
	h := fnv.New32a()
	fmt.Fprint(h, m.Key, m.Attempt)
	switch x := h.Sum32() % 20; {
	case x < 5:
		return channel.Receipt{}, fmt.Errorf("down")
	case x == 5:
		return channel.Receipt{}, channel.Permanent(fmt.Errorf("gone"))
	case x == 6:
		return channel.Receipt{}, channel.Throttled(fmt.Errorf("slow"), 20*time.Minute)
	}
	s.mu.Lock() // each channel has a lane of its own
	defer s.mu.Unlock()
	s.delivered[m.Key]++
	return channel.Receipt{}, nil
}

func (s *teller) open(at time.Time) {
	s.c = cdptest.New(s.t, cdptest.Options{Start: at, Store: s.store, Config: cdp.Config{SendWorkers: 1, MaxAttempts: 4, CheckpointBytes: 4000,
		Channels: map[string]channel.Channel{"email": s}}})
}

func (s *teller) step() {
	r, ctx := s.rnd, s.t.Context()
	user, anon := fmt.Sprint("u", r.IntN(4)), fmt.Sprint("a", r.IntN(6))
	who := func(ev cdp.Event) cdp.Event {
		s.n++
		ev.ID = fmt.Sprint("e", s.n)
		switch r.IntN(5) {
		case 0, 1:
			ev.UserID = user
		case 2, 3:
			ev.AnonymousID = anon
		default:
			ev.UserID, ev.AnonymousID = user, anon
		}
		ev.Time = s.c.Clock.Now().Add(time.Duration(r.IntN(5)-3) * 20 * time.Minute)
		return ev
	}
	var err error
	switch r.IntN(10) {
	case 0:
		_, err = s.c.Identify(ctx, cdp.Identity{UserID: user, Attributes: cdp.Attrs{"age": float64(5 + r.IntN(30))}})
	case 1:
		_, err = s.c.Identify(ctx, cdp.Identity{UserID: user, AnonymousID: anon})
	case 2:
		if r.IntN(3) == 0 {
			err = s.c.Consents().Unsubscribe(ctx, user, "email")
		} else {
			err = s.c.Consents().Grant(ctx, user, "")
		}
	case 3:
		_, err = s.c.Import(ctx, who(cdp.Event{Name: "view", Attributes: cdp.Attrs{"page": "p1"}}))
	case 4:
		s.c.Advance(time.Duration(r.IntN(300)) * time.Minute)
	case 5:
		if r.IntN(6) == 0 {
			require.NoError(s.t, s.c.Journeys().Remove(ctx, "keyed"))
			s.c.SaveJourney(cdp.Journey{Name: "keyed", Entry: cdp.Entry{Event: "view", Key: "page"}, Reentry: "5h",
				Nodes: []cdp.Node{cdp.Wait("w", "1h", "send", cdp.Branch{Event: "buy", Next: "send"}), cdp.Send("send", "email", "t", "end"), cdp.End("end", "")}})
		}
		_, err = s.c.Track(ctx, who(cdp.Event{Name: "buy", Attributes: cdp.Attrs{"amount": float64(r.IntN(10))}}))
	default:
		var events []cdp.Event
		for range 1 + r.IntN(4) {
			events = append(events, who(cdp.Event{Name: "view", Attributes: cdp.Attrs{"page": fmt.Sprint("p", r.IntN(3))}}))
		}
		_, err = s.c.Track(ctx, events...)
	}
	require.NoError(s.t, err)
	if r.IntN(2) == 0 {
		require.NoError(s.t, s.c.Tick(ctx))
	}
	if s.fate == nil {
		return
	}
	switch s.fate.IntN(4) {
	case 0:
		require.NoError(s.t, s.c.Close())
		s.open(s.c.Clock.Now())
	case 1:
		s.open(s.c.Clock.Now()) // as after a crash
	}
}

func (s *teller) timelines() (out []string) {
	for _, id := range []string{"user_id u0", "user_id u1", "user_id u2", "user_id u3", "anonymous_id a0", "anonymous_id a1", "anonymous_id a2", "anonymous_id a3", "anonymous_id a4", "anonymous_id a5"} {
		kind, id, _ := strings.Cut(id, " ")
		entries, err := s.c.Profiles().Timeline(s.t.Context(), id, &cdp.TimelineOptions{Kind: kind, Limit: 100_000})
		if err != nil {
			out = append(out, err.Error())
			continue
		}
		for _, e := range entries {
			if e.Name == "unsubscribed" || e.Name == "consent_granted" {
				e.ID = "random"
			}
			out = append(out, fmt.Sprint(id, e.Time, e.Name, e.ID, e.Attributes))
		}
	}
	return out
}
