package cdp_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/cdptest"
	"github.com/embedcdp/cdp/channel"
	"github.com/embedcdp/cdp/store"
	"github.com/embedcdp/cdp/store/memstore"
)

// TestSystemRetentionAgainstList lets people go through journeys again and again, while the events that tell of it are dropped,
// and keeps a plain list of who was inside what. Who may enter, who is inside, what is sent under a cap, and who was inside in the
// past must be as the list says: while it runs, opened again, and opened from either checkpoint after the process was gone.
func TestSystemRetentionAgainstList(t *testing.T) {
	for seed := range uint64(*retentionSeeds) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			l := newStayList(t, seed)
			for n := range 100 {
				if n == 60 {
					l.journeys[2].once = true // who was inside before, of whom nothing is left, is let in no more
					l.save(l.journeys[2])
				}
				l.step()
				l.check(l.c)
				if n%10 == 9 {
					l.checkPast()
				}
				if n%30 == 29 {
					for _, damaged := range []bool{false, true} {
						c := l.opened(storeCopy(t, l.st, damaged))
						l.check(c)
						require.NoError(t, c.Close())
					}
					require.NoError(t, l.c.Close())
					l.c = l.opened(l.st)
				}
			}
			for name, all := range map[string]int{"journey_entered": len(l.stays), "message_queued": l.queued} {
				left, err := l.c.Events().Count(t.Context(), name)
				require.NoError(t, err)
				t.Logf("%s: %d of %d are gone", name, all-left, all)
				require.GreaterOrEqual(t, all-left, 8192)
			}
			history, err := l.c.Messages().History(t.Context(), "message_queued")
			require.NoError(t, err)
			left, err := l.c.Events().Count(t.Context(), "message_queued")
			require.NoError(t, err)
			require.Len(t, history, left)
			require.Equal(t, "often", history[0].Journey)
			t.Logf("%d refused because they were inside before, %d held back; of questions about the past %d answered, %d refused", l.turned, l.capped, l.answered, l.refused)
			require.Greater(t, l.turned, 10_000)
			require.Greater(t, l.capped, 1000)
			require.Greater(t, l.answered, 15)
			require.Greater(t, l.refused, 10)
			require.NoError(t, l.c.Close())
		})
	}
}

// stayList is a client and the list that it is compared with.
type stayList struct {
	t        *testing.T
	r        *rand.Rand
	st       store.Store
	c        *cdp.Client
	now      time.Time
	journeys []*listedJourney
	owner    map[string]string
	stays    []*listedStay
	byPerson map[string][]*listedStay
	messages map[string][]time.Time // decided on, by person
	queued   int
	sent     atomic.Int64 // channels are called by several goroutines

	turned, capped, answered, refused int
}

type listedJourney struct {
	name        string
	stay, again time.Duration
	once, keyed bool
	sends       bool
}

type listedStay struct {
	who, key   string
	j          *listedJourney
	start, end time.Time
	ended      bool // and what followed from it has
}

func newStayList(t *testing.T, seed uint64) *stayList {
	l := &stayList{t: t, r: rand.New(rand.NewPCG(seed, 91)), st: memstore.New(), now: listBegins, owner: map[string]string{},
		byPerson: map[string][]*listedStay{}, messages: map[string][]time.Time{}}
	l.c = l.opened(l.st)
	ctx := t.Context()
	require.NoError(t, l.c.Portal().Save(ctx, cdp.Settings{Caps: []cdp.Cap{{Channel: "email", Max: 9, Per: "7d"}}}))
	for name, keep := range map[string]string{"journey_entered": "7d", "journey_exited": "10d", "journey_finished": "10d", "journey_step": "7d", "message_queued": "7d", "message_suppressed": "7d", "message_sent": "8d"} {
		require.NoError(t, l.c.Events().Define(ctx, cdp.EventType{Name: name, Retention: keep}))
	}
	require.NoError(t, l.c.Events().Define(ctx, cdp.EventType{Name: "visit", Attributes: cdp.Schema{"cart": cdp.String}, Retention: "7d"}))
	require.NoError(t, l.c.Templates().Save(ctx, cdp.Template{Name: "hi", Text: "hi"}))
	l.journeys = []*listedJourney{{name: "hello", stay: 48 * time.Hour, once: true}, {name: "back", stay: 24 * time.Hour, again: 240 * time.Hour},
		{name: "often", stay: time.Hour, sends: true}, {name: "cart", stay: 5 * time.Hour, again: 72 * time.Hour, keyed: true}}
	for _, j := range l.journeys {
		l.save(j)
	}
	return l
}

func (l *stayList) save(j *listedJourney) {
	def := cdp.Journey{Name: j.name, Entry: cdp.Entry{Event: "visit"}, Nodes: []cdp.Node{cdp.Delay("pause", fmt.Sprintf("%dh", j.stay/time.Hour), "end"), cdp.End("end", "")}}
	if j.sends {
		def.Nodes = []cdp.Node{cdp.Delay("pause", fmt.Sprintf("%dh", j.stay/time.Hour), "say"), cdp.Send("say", "email", "hi", "end"), cdp.End("end", "")}
	}
	if j.again > 0 {
		def.Reentry = fmt.Sprintf("%dh", j.again/time.Hour)
	}
	if j.once {
		def.Reentry = "once"
	}
	if j.keyed {
		def.Entry.Key = "cart"
	}
	require.NoError(l.t, l.c.Journeys().Save(l.t.Context(), def))
}

func (l *stayList) opened(st store.Store) *cdp.Client {
	email := channel.Func(func(context.Context, channel.Message) (channel.Receipt, error) {
		if st == l.st {
			l.sent.Add(1)
		}
		return channel.Receipt{}, nil
	})
	c, err := cdp.New(st, cdp.Config{Now: func() time.Time { return l.now }, CheckpointBytes: 250_000, CacheBytes: 3_000_000, Channels: map[string]channel.Channel{"email": email}})
	require.NoError(l.t, err)
	return c
}

// step lets some time pass, a visitor become a customer, and many visit.
func (l *stayList) step() {
	l.now = l.now.Add(time.Hour + time.Duration(l.r.Int64N(12*3600e6))*time.Microsecond)
	l.pass()
	require.NoError(l.t, l.c.Tick(l.t.Context()))
	if visitor, user := fmt.Sprint("a", l.r.IntN(60)), pick(l.r, fmt.Sprint("u", 250+l.r.IntN(50)), fmt.Sprint("new", len(l.owner))); l.owner[visitor] == "" {
		_, err := l.c.Identify(l.t.Context(), cdp.Identity{UserID: user, AnonymousID: visitor})
		require.NoError(l.t, err)
		l.link(visitor, user)
	}
	var events []cdp.Event
	for range 900 {
		e := cdp.Event{Name: "visit", Time: l.now, Attributes: cdp.Attrs{"cart": fmt.Sprint("c", l.r.IntN(4))}}
		who := fmt.Sprint("u", l.r.IntN(300))
		if e.UserID = who; l.r.IntN(8) == 0 {
			e.UserID, e.AnonymousID = "", fmt.Sprint("a", l.r.IntN(60))
			who = cmp.Or(l.owner[e.AnonymousID], e.AnonymousID)
		}
		events = append(events, e)
		for _, j := range l.journeys {
			l.enter(who, j, e.Attributes["cart"].(string))
		}
	}
	_, err := l.c.Track(l.t.Context(), events...)
	require.NoError(l.t, err)
}

// pass ends the stays whose time has come, in order.
func (l *stayList) pass() {
	var over []*listedStay
	for _, s := range l.stays {
		if !s.ended && !s.end.After(l.now) {
			over = append(over, s)
		}
	}
	slices.SortStableFunc(over, func(a, b *listedStay) int { return a.end.Compare(b.end) })
	for _, s := range over {
		s.ended = true
		if !s.j.sends {
			continue
		}
		recent := 0
		for _, at := range l.messages[s.who] {
			if at.After(s.end.Add(-7 * 24 * time.Hour)) {
				recent++
			}
		}
		if recent >= 9 {
			l.capped++
			continue
		}
		l.messages[s.who] = append(l.messages[s.who], s.end)
		l.queued++
	}
}

func (l *stayList) enter(who string, j *listedJourney, key string) {
	if !j.keyed {
		key = ""
	}
	for _, s := range l.byPerson[who] {
		if s.j != j || s.key != key {
			continue
		}
		if !s.ended {
			return
		}
		if j.once || l.now.Before(s.end.Add(j.again)) {
			l.turned++
			return
		}
	}
	s := &listedStay{who: who, key: key, j: j, start: l.now, end: l.now.Add(j.stay)}
	l.stays = append(l.stays, s)
	l.byPerson[who] = append(l.byPerson[who], s)
}

// link gives a customer what the visitor was in. Of two stays in the same journey the one that began first goes on.
func (l *stayList) link(visitor, user string) {
	l.owner[visitor] = user
	inside := map[string]bool{}
	for _, s := range l.stays { // in order of entry
		if s.who != visitor && s.who != user {
			continue
		}
		s.who = user
		if place := s.j.name + "/" + s.key; !s.ended {
			if inside[place] {
				s.end, s.ended = l.now, true
			}
			inside[place] = true
		}
	}
	l.byPerson[user] = append(l.byPerson[user], l.byPerson[visitor]...)
	l.messages[user] = append(l.messages[user], l.messages[visitor]...)
	delete(l.byPerson, visitor)
	delete(l.messages, visitor)
}

// check compares who is inside now, and how much was sent.
func (l *stayList) check(c *cdp.Client) {
	require.NoError(l.t, c.Tick(l.t.Context()))
	for _, j := range l.journeys {
		var want, got []string
		for _, s := range l.stays {
			if s.j == j && !s.ended {
				want = append(want, fmt.Sprint(s.who, " ", s.key, " ", s.start.UnixMicro()))
			}
		}
		inside, err := c.Journeys().Inside(l.t.Context(), j.name)
		require.NoError(l.t, err)
		for _, s := range inside {
			got = append(got, fmt.Sprint(cmp.Or(s.UserID, s.AnonymousID), " ", s.Key, " ", s.Entered.UnixMicro()))
		}
		slices.Sort(want)
		slices.Sort(got)
		require.Equal(l.t, want, got, j.name)
	}
	require.Equal(l.t, int64(l.queued), l.sent.Load())
}

// checkPast asks where customers who were never linked stood at random instants.
func (l *stayList) checkPast() {
	for range 6 {
		back := min(14*24*time.Hour, l.now.Sub(listBegins)-24*time.Hour)
		at := l.now.Add(-time.Duration(l.r.Int64N(back.Microseconds())) * time.Microsecond)
		past, who := l.c.KnownAt(at), fmt.Sprint("u", l.r.IntN(250))
		if l.r.IntN(2) == 0 {
			past = l.c.TrueAt(at)
		}
		p, err := past.Profile(l.t.Context(), who)
		var dropped *cdp.DroppedError
		if errors.As(err, &dropped) {
			require.Equal(l.t, "who was inside which journey", dropped.Question)
			l.refused++
			continue
		}
		if errors.Is(err, cdp.ErrNotFound) {
			continue
		}
		require.NoError(l.t, err)
		var want, got []string
		for _, s := range l.byPerson[who] {
			if !s.start.After(at) && s.end.After(at) {
				want = append(want, fmt.Sprint(s.j.name, " ", s.key, " ", s.start.UnixMicro()))
			}
		}
		for _, s := range p.Journeys {
			got = append(got, fmt.Sprint(s.Journey, " ", s.Key, " ", s.Entered.UnixMicro()))
		}
		slices.Sort(want)
		slices.Sort(got)
		require.Equal(l.t, want, got, "%s at %v", who, at)
		l.answered++
	}
}

// A process whose journeys and segments run for 22 weeks has the file and the heap of one that ran for 14, where all that the
// platform writes has a retention. Without it both grow on.
func TestSystemRetentionBoundsFileAndMemory(t *testing.T) {
	for _, keep := range []string{"7d", ""} {
		t.Run("retention="+keep, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "long.cdp")
			now := listBegins
			c, err := cdp.Open(path, cdp.Config{Now: func() time.Time { return now }, CheckpointBytes: 1 << 20, CacheBytes: -1})
			require.NoError(t, err)
			defer c.Close()
			ctx := t.Context()
			for _, name := range []string{"journey_entered", "journey_step", "journey_finished", "segment_entered", "segment_left"} {
				require.NoError(t, c.Events().Define(ctx, cdp.EventType{Name: name, Retention: keep}))
			}
			require.NoError(t, c.Events().Define(ctx, cdp.EventType{Name: "view", Attributes: cdp.Schema{"cart": cdp.Number}, Retention: "7d"}))
			require.NoError(t, c.Segments().Save(ctx, cdp.Segment{Name: "today", Where: `events.view.within("1d").size() > 0`}))
			require.NoError(t, c.Segments().Save(ctx, cdp.Segment{Name: "gone", Where: `events.view.within("1d").size() == 0`}))
			require.NoError(t, c.Journeys().Save(ctx, cdp.Journey{Name: "cart", Entry: cdp.Entry{Event: "view", Key: "cart"}, Nodes: []cdp.Node{
				cdp.Delay("pause", "1h", "end"), cdp.End("end", "")}}))
			measure := func() (file, heap int64) {
				info, err := os.Stat(path)
				require.NoError(t, err)
				runtime.GC()
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				return info.Size(), int64(m.HeapAlloc)
			}
			events, n := make([]cdp.Event, 3000), 0
			weeks := func(weeks int) {
				for range 4 * weeks {
					now = now.Add(42 * time.Hour)
					for i := range events {
						n++
						events[i] = cdp.Event{Name: "view", UserID: fmt.Sprint("u", n%2500), Time: now, Attributes: cdp.Attrs{"cart": n}}
					}
					_, err := c.Track(ctx, events...)
					require.NoError(t, err)
				}
			}
			weeks(14)
			file14, heap14 := measure()
			weeks(8)
			file22, heap22 := measure()
			t.Logf("after 14 and 22 weeks: file %.1f and %.1f MB, heap %.1f and %.1f MB", float64(file14)/1e6, float64(file22)/1e6, float64(heap14)/1e6, float64(heap22)/1e6)
			if keep == "" {
				require.Greater(t, file22, file14*5/4)
				require.Greater(t, heap22, heap14*5/4)
				return
			}
			require.LessOrEqual(t, file22, file14+20<<20, "a file grows by steps of 16 MiB, and pages are free once no reader is left")
			require.Less(t, heap22, heap14+heap14/4)
		})
	}
}

// What goes by events of the platform's own types and a retention that is too short for it refuse each other.
func TestSystemRetentionIsChecked(t *testing.T) {
	c := cdptest.New(t, cdptest.Options{Channels: []string{"email"}})
	ctx := t.Context()
	keep := func(name, d string) error { return c.Events().Define(ctx, cdp.EventType{Name: name, Retention: d}) }
	c.Define(cdp.EventType{Name: "visit", Attributes: cdp.Schema{"cart": cdp.String}})
	save := func(key, again string) error {
		return c.Journeys().Save(ctx, cdp.Journey{Name: "j", Entry: cdp.Entry{Event: "visit", Key: key}, Reentry: again, Nodes: []cdp.Node{cdp.End("end", "")}})
	}
	for _, name := range []string{"consent_granted", "unsubscribed"} {
		require.EqualError(t, keep(name, "90d"), `event "`+name+`": retention: events of this type are the record of consent and are kept for ever`)
		require.NoError(t, keep(name, ""))
	}
	require.EqualError(t, c.Events().Define(ctx, cdp.EventType{Name: "message_sent", Attributes: cdp.Schema{"x": cdp.Number}, Retention: "90d"}),
		`event "message_sent": event "message_sent" is written by the platform itself: only its retention can be set; choose another name for events of your own`)
	require.ErrorContains(t, keep("message_sent", "6d"), "keep events for 7d at least")

	caps := cdp.Settings{Caps: []cdp.Cap{{Max: 3, Per: "1d"}, {Max: 9, Per: "30d"}}}
	require.NoError(t, c.Portal().Save(ctx, caps))
	require.EqualError(t, keep("message_queued", "29d"), `event "message_queued": cap 2 counts the messages of "30d", and events "message_queued" are kept for "29d": keep them for as long as a cap counts`)
	require.NoError(t, keep("message_queued", "30d"))
	caps.Caps[1].Per = "31d"
	require.ErrorContains(t, c.Portal().Save(ctx, caps), `cap 2 counts the messages of "31d", and events "message_queued" are kept for "30d"`)

	require.NoError(t, save("", "60d"))
	require.EqualError(t, keep("journey_exited", "59d"), `event "journey_exited": journey "j" lets people in again after "60d", which is known from events "journey_exited", and these are kept for "59d": keep them for as long`)
	require.NoError(t, keep("journey_entered", "7d"))
	require.NoError(t, keep("journey_finished", "60d"))
	require.ErrorContains(t, save("", "61d"), `lets people in again after "61d", which is known from events "journey_finished"`)
	require.NoError(t, save("", "once"))
	require.EqualError(t, save("cart", "once"), `journey "j": journey "j" lets people in once for each "cart", which is known from events "journey_entered", and these are kept for "7d": keep them for ever, or let people in again after a time`)
	require.NoError(t, keep("journey_entered", ""))
	require.NoError(t, save("cart", "once"))
	require.ErrorContains(t, keep("journey_entered", "700d"), "lets people in once for each")

	require.ErrorContains(t, c.Events().Define(ctx, cdp.EventType{Name: "segment_left", Policy: cdp.Learn}), "only its retention can be set")
	require.ErrorContains(t, keep("segment_left", "1d"), "keep events for 7d at least")
	require.NoError(t, keep("segment_left", "90d"))
	got, err := c.Events().Get(ctx, "segment_left")
	require.NoError(t, err)
	require.Equal(t, "90d", got.Retention)
	got, err = c.Events().Get(ctx, "message_queued")
	require.NoError(t, err)
	require.Equal(t, "30d", got.Retention)
	require.Contains(t, got.Attributes, "journey")
	all, err := c.Events().List(ctx)
	require.NoError(t, err)
	require.Len(t, all, 1)
}

// A message that was read stays read as long as it is in the inbox, however short inbox_read is kept.
func TestReadMessagesStayRead(t *testing.T) {
	c := cdptest.New(t, cdptest.Options{})
	ctx := t.Context()
	c.Define(cdp.EventType{Name: "visit"})
	c.SaveTemplate(cdp.Template{Name: "hi", Text: "hi"})
	c.SaveJourney(cdp.Journey{Name: "j", Entry: cdp.Entry{Event: "visit"}, Nodes: []cdp.Node{cdp.Send("say", "inbox", "hi", "end"), cdp.End("end", "")}})
	require.NoError(t, c.Events().Define(ctx, cdp.EventType{Name: "inbox_message", Retention: "60d"}))
	require.NoError(t, c.Events().Define(ctx, cdp.EventType{Name: "inbox_read", Retention: "7d"}))
	deliver := func(n int) (keys []string) {
		visits := make([]cdp.Event, n)
		for i := range visits {
			visits[i] = cdp.Event{Name: "visit", UserID: fmt.Sprint("u", i)}
		}
		_, err := c.Track(ctx, visits...)
		require.NoError(t, err)
		c.Advance(0)
		for i := range visits {
			list, err := c.Inbox().List(ctx, fmt.Sprint("u", i))
			require.NoError(t, err)
			require.False(t, list[0].Read)
			keys = append(keys, list[0].Key)
		}
		return keys
	}
	count := func(name string) int {
		n, err := c.Events().Count(ctx, name)
		require.NoError(t, err)
		return n
	}
	for i, key := range deliver(8192) {
		require.NoError(t, c.Inbox().MarkRead(ctx, fmt.Sprint("u", i), key))
	}
	c.Advance(time.Hour)
	require.NoError(t, c.Inbox().MarkRead(ctx, "u0", deliver(1)[0]))
	c.Advance(20 * 24 * time.Hour)
	require.Equal(t, 8193, count("inbox_read"))
	list, err := c.Inbox().List(ctx, "u7")
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.True(t, list[0].Read)
	c.Advance(41 * 24 * time.Hour)
	require.Equal(t, 1, count("inbox_message"))
	require.Equal(t, 1, count("inbox_read"))
	list, err = c.Inbox().List(ctx, "u7")
	require.NoError(t, err)
	require.Empty(t, list)
}
