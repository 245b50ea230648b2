package cdp_test

// The scripts in testdata/journeys are the readable spec of journeys and messages as a client sees them. A script is lines:
//
//	portal {…}                     settings, as JSON
//	define cart product:string     an event type; "profile age:number" declares profile attributes
//	segment vip CONDITION          template {…}       journey … end (JSON, over several lines)      remove journey NAME
//	at 02 10:00                    the clock goes to 10:00 on 2 March 2026, stopping wherever something is due
//	track ana buy #b1 sku=x        now; "late 02 09:30 ana buy #b1" and "import 02 09:30 ana buy #b1" have a time of their own
//	batch … end                    the track and late lines between the two are one call
//	set ana age=30                 link ana ?phone: the visitor "phone" turns out to be ana
//	grant ana email                unsubscribe ana email, or unsubscribe ana
//	email works                    or fails N (then works), bounces, misses, panics, throttles 10m
//	expect ana                     her timeline since the last expect, on the indented lines that follow
//	expect ana count               the number of entries of her timeline
//	delivered                      what channels took since the last such line: channel, person, template, address, text
//
// A visitor is written with a question mark before the anonymous id. Every script runs three times: in one go, with the
// client closed and opened again between any two lines, and with the client left behind as by a crash and opened again.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/cdptest"
	"github.com/embedcdp/cdp/channel"
	"github.com/embedcdp/cdp/store/memstore"
)

func TestJourneyScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/journeys/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		for _, mode := range []string{"straight", "reopened", "crashed"} {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txt")+"/"+mode, func(t *testing.T) {
				src, err := os.ReadFile(file)
				require.NoError(t, err)
				s := &journeyScript{t: t, file: file, mode: mode, lines: strings.Split(string(src), "\n"), seen: map[string]bool{}, channels: map[string]*moody{}}
				s.run()
			})
		}
	}
}

type journeyScript struct {
	t        *testing.T
	file     string
	mode     string
	lines    []string
	at       int // index of the line under way
	c        *cdptest.Client
	store    *memstore.Store
	seen     map[string]bool // timeline entries that were expected already
	channels map[string]*moody
	taken    []string
	batch    []cdp.Event
	inBatch  bool
}

// moody is a channel whose behaviour the script sets. It takes every key once.
type moody struct {
	s     *journeyScript
	name  string
	mood  string
	count int
	after time.Duration
	keys  map[string]bool
}

func (m *moody) Send(_ context.Context, x channel.Message) (channel.Receipt, error) {
	switch m.mood {
	case "fails":
		if m.count--; m.count >= 0 {
			return channel.Receipt{}, errors.New("out of order")
		}
	case "throttles":
		m.mood = "works"
		return channel.Receipt{}, channel.Throttled(errors.New("too much"), m.after)
	case "bounces":
		return channel.Receipt{}, channel.Permanent(errors.New("no such mailbox"))
	case "misses":
		return channel.Receipt{}, channel.NoReceiver(errors.New("no address"))
	case "panics":
		m.mood = "works"
		panic("boom")
	}
	if m.keys[x.Key] {
		m.s.taken = append(m.s.taken, "AGAIN "+x.Key)
	}
	m.keys[x.Key] = true
	m.s.taken = append(m.s.taken, strings.TrimSpace(fmt.Sprintf("%s %s %s %s %s", m.name, x.ProfileID, x.Template, orElse(x.To, "-"), x.Text)))
	return channel.Receipt{}, nil
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

var journeyMonth = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func (s *journeyScript) run() {
	s.store = memstore.New()
	for _, name := range []string{"email", "sms", "push"} {
		s.channels[name] = &moody{s: s, name: name, mood: "works", keys: map[string]bool{}}
	}
	s.open(journeyMonth)
	expects := 0
	for ; s.at < len(s.lines); s.at++ {
		line := strings.TrimSpace(s.lines[s.at])
		if line == "" || line[0] == '#' {
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "expect":
			s.expect(word+" "+rest, s.timeline(rest))
			expects++
		case "delivered":
			s.expect(word, s.taken)
			s.taken = nil
		default:
			s.do(word, rest)
		}
		if !s.inBatch {
			s.reopen()
		}
	}
	require.NotZero(s.t, expects, "%s expects nothing", s.file)
	s.at--
	s.expect("delivered", s.taken)
}

func (s *journeyScript) open(now time.Time) {
	cfg := cdp.Config{Channels: map[string]channel.Channel{}, MaxAttempts: 4, SendWorkers: 1, CheckpointBytes: 2000}
	for name, ch := range s.channels {
		cfg.Channels[name] = ch
	}
	s.c = cdptest.New(s.t, cdptest.Options{Start: now, Store: s.store, Config: cfg})
}

func (s *journeyScript) reopen() {
	if s.mode == "straight" {
		return
	}
	if s.mode == "reopened" {
		s.must(s.c.Close())
	}
	s.open(s.c.Clock.Now())
}

func (s *journeyScript) must(err error) {
	s.t.Helper()
	require.NoError(s.t, err, "%s:%d", s.file, s.at+1)
}

// block returns the lines up to "end".
func (s *journeyScript) block() string {
	var body []string
	for s.at++; strings.TrimSpace(s.lines[s.at]) != "end"; s.at++ {
		body = append(body, s.lines[s.at])
	}
	return strings.Join(body, "\n")
}

func (s *journeyScript) do(word, rest string) {
	ctx := s.t.Context()
	f := strings.Fields(rest)
	switch word {
	case "portal":
		s.must(s.c.Portal().Save(ctx, decodeJourneyLine[cdp.Settings](s, rest)))
	case "define":
		s.must(s.c.Events().Define(ctx, cdp.EventType{Name: f[0], Attributes: journeySchema(f[1:])}))
	case "profile":
		s.must(s.c.Profiles().Define(ctx, journeySchema(f), cdp.Strict))
	case "segment":
		name, where, _ := strings.Cut(rest, " ")
		s.must(s.c.Segments().Save(ctx, cdp.Segment{Name: name, Where: where}))
	case "template":
		s.must(s.c.Templates().Save(ctx, decodeJourneyLine[cdp.Template](s, rest)))
	case "journey":
		s.must(s.c.Journeys().Save(ctx, decodeJourneyLine[cdp.Journey](s, s.block())))
	case "remove":
		s.must(s.c.Journeys().Remove(ctx, f[1]))
	case "at":
		s.c.Advance(journeyTime(s, f[0], f[1]).Sub(s.c.Clock.Now()))
	case "batch":
		s.inBatch = true
	case "end":
		_, err := s.c.Track(ctx, s.batch...)
		s.must(err)
		s.batch, s.inBatch = nil, false
		s.must(s.c.Tick(ctx))
	case "track":
		s.track(journeyEvent(s.c.Clock.Now(), f))
	case "late":
		s.track(journeyEvent(journeyTime(s, f[0], f[1]), f[2:]))
	case "import":
		_, err := s.c.Import(ctx, journeyEvent(journeyTime(s, f[0], f[1]), f[2:]))
		s.must(err)
		s.must(s.c.Tick(ctx))
	case "set":
		_, err := s.c.Identify(ctx, cdp.Identity{UserID: f[0], Attributes: journeyAttrs(f[1:])})
		s.must(err)
		s.must(s.c.Tick(ctx))
	case "link":
		_, err := s.c.Identify(ctx, cdp.Identity{UserID: f[0], AnonymousID: f[1][1:]})
		s.must(err)
		s.must(s.c.Tick(ctx))
	case "grant", "unsubscribe":
		ch := strings.Join(f[1:], "")
		if word == "grant" {
			s.must(s.c.Consents().Grant(ctx, f[0], ch))
		} else {
			s.must(s.c.Consents().Unsubscribe(ctx, f[0], ch))
		}
		s.must(s.c.Tick(ctx))
	default:
		s.mood(word, f)
	}
}

func (s *journeyScript) mood(name string, f []string) {
	m := s.channels[name]
	require.NotNil(s.t, m, "%s:%d: unknown word %q", s.file, s.at+1, name)
	m.mood = f[0]
	var err error
	switch f[0] {
	case "fails":
		m.count, err = strconv.Atoi(f[1])
	case "throttles":
		m.after, err = time.ParseDuration(f[1])
	}
	s.must(err)
}

func (s *journeyScript) track(ev cdp.Event) {
	if s.inBatch {
		s.batch = append(s.batch, ev)
		return
	}
	_, err := s.c.Track(s.t.Context(), ev)
	s.must(err)
	s.must(s.c.Tick(s.t.Context()))
}

func decodeJourneyLine[T any](s *journeyScript, src string) (v T) {
	d := json.NewDecoder(strings.NewReader(src))
	d.DisallowUnknownFields()
	s.must(d.Decode(&v))
	_, err := d.Token()
	require.ErrorIs(s.t, err, io.EOF, "%s:%d", s.file, s.at+1)
	return v
}

func journeySchema(pairs []string) cdp.Schema {
	out := cdp.Schema{}
	for _, p := range pairs {
		name, typ, _ := strings.Cut(p, ":")
		out[name] = map[string]cdp.Attribute{"string": cdp.String, "number": cdp.Number}[typ]
	}
	return out
}

func journeyTime(s *journeyScript, day, clock string) time.Time {
	if strings.Count(clock, ":") == 1 {
		clock += ":00"
	}
	at, err := time.Parse("2006-01-02 15:04:05", "2026-03-"+day+" "+clock)
	s.must(err)
	return at
}

func journeyEvent(at time.Time, f []string) cdp.Event {
	ev := cdp.Event{Name: f[1], ID: f[2], Time: at, Attributes: journeyAttrs(f[3:])}
	if anon, ok := strings.CutPrefix(f[0], "?"); ok {
		ev.AnonymousID = anon
	} else {
		ev.UserID = f[0]
	}
	return ev
}

func journeyAttrs(pairs []string) cdp.Attrs {
	out := cdp.Attrs{}
	for _, p := range pairs {
		name, v, _ := strings.Cut(p, "=")
		if n, err := strconv.ParseFloat(v, 64); err == nil {
			out[name] = n
		} else {
			out[name] = v
		}
	}
	return out
}

// timeline returns what a person's timeline has that was not expected yet, oldest first.
func (s *journeyScript) timeline(who string) []string {
	opt := &cdp.TimelineOptions{Limit: 10_000}
	who, counted := strings.CutSuffix(who, " count")
	if anon, ok := strings.CutPrefix(who, "?"); ok {
		opt.Kind, who = "anonymous_id", anon
	}
	entries, err := s.c.Profiles().Timeline(s.t.Context(), who, opt)
	s.must(err)
	slices.Reverse(entries)
	if counted {
		return []string{fmt.Sprint(len(entries))}
	}
	var out []string
	for _, e := range entries {
		id := fmt.Sprint(who, e.ID, e.Name, e.Time, e.Attributes["segment"])
		if s.seen[id] {
			continue
		}
		s.seen[id] = true
		line := e.Time.Format("02 15:04")
		if e.Time.Second() != 0 {
			line = e.Time.Format("02 15:04:05")
		}
		line += " " + e.Name
		if !e.System {
			line += " " + e.ID
		}
		for _, name := range []string{"journey", "version", "node", "branch", "goal", "channel", "template", "attempt", "reason", "segment", "cause", "body"} {
			switch v := e.Attributes[name].(type) {
			case string:
				line += " " + v
			case float64:
				if name == "attempt" || v != 1 {
					line += fmt.Sprintf(" %s=%v", name, v)
				}
			}
		}
		out = append(out, line)
	}
	return out
}

func (s *journeyScript) expect(what string, got []string) {
	s.t.Helper()
	line, want := s.at+1, []string(nil)
	for s.at+1 < len(s.lines) && strings.HasPrefix(s.lines[s.at+1], " ") {
		s.at++
		want = append(want, strings.TrimSpace(s.lines[s.at]))
	}
	require.True(s.t, slices.Equal(got, want), "%s:%d %s\ngot:\n  %s\nwant:\n  %s", s.file, line, what, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
}
