package cdp_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/store/memstore"
)

// bytesReader takes fields of an event out of fuzz bytes; what is over is zero.
type bytesReader []byte

func (b *bytesReader) byte() byte {
	if len(*b) == 0 {
		return 0
	}
	x := (*b)[0]
	*b = (*b)[1:]
	return x
}

func (b *bytesReader) text() string {
	n := min(int(b.byte()), len(*b))
	s := string((*b)[:n])
	*b = (*b)[n:]
	return s
}

func (b *bytesReader) uint64() uint64 {
	var x [8]byte
	n := copy(x[:], *b)
	*b = (*b)[n:]
	return binary.LittleEndian.Uint64(x[:])
}

// any makes a value of one of the kinds an attribute may have, and of some it may not.
func (b *bytesReader) any(depth int) any {
	switch kind := b.byte() % 12; {
	case kind == 0:
		return math.Float64frombits(b.uint64())
	case kind == 1:
		return b.text()
	case kind == 2:
		return b.byte()%2 == 0
	case kind == 3:
		return time.Unix(int64(b.uint64()), int64(b.byte())).UTC()
	case kind == 4:
		return int64(b.uint64())
	case kind == 5:
		return []string{b.text(), b.text()}
	case kind == 6:
		return []float64{math.Float64frombits(b.uint64())}
	case kind == 7:
		return nil
	case kind == 8:
		return strings.Repeat(b.text(), 1000)
	case kind == 9 && depth < 6:
		return []any{b.any(depth + 1), b.any(depth + 1)}
	case kind == 10 && depth < 6:
		return map[string]any{b.text(): b.any(depth + 1), "k": b.any(depth + 1)}
	}
	return struct{}{}
}

func (b *bytesReader) event(id int) cdp.Event {
	e := cdp.Event{ID: fmt.Sprint("e", id), Name: "purchase", UserID: "ann", Attributes: cdp.Attrs{}}
	names := []string{"amount", "category", "note", "paid", "due", "tags", "sizes", "shipping", "items", "learned"}
	for range b.byte() % 6 {
		switch b.byte() % 8 {
		case 0:
			e.ID = b.text()
		case 1:
			e.Name = []string{"purchase", "open", "new_type", b.text()}[b.byte()%4]
		case 2:
			e.UserID = b.text()
		case 3:
			e.AnonymousID = b.text()
		case 4:
			e.Identifiers = map[string]string{b.text(): b.text(), "email": b.text()}
		case 5:
			e.Time = time.Unix(int64(b.uint64()), 0)
		case 6:
			e.Source = b.text()
		case 7:
			e.Attributes[b.text()] = b.any(0)
		}
	}
	for range b.byte() % 4 {
		e.Attributes[names[int(b.byte())%len(names)]] = b.any(0)
	}
	return e
}

// FuzzTrack: whatever an event's fields hold, Track does not panic; what it accepts can be read back as it was given, also
// by a client opened afterwards.
func FuzzTrack(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x02\x07\x06amount\x00\x00\x00\x00\x00\x00\x00\xf0\x7f"))
	f.Add([]byte("\x01\x02\x03\xff\xfe\xfd\x02\x01\x01\x05shoes\x00\x04"))
	f.Add([]byte("\x03\x01\x01\x05\x01\x02\x03\x04\x05\x06\x07\x08\x03\x03abc\x02\x09\x0a\x01\x01x\x01\x01y"))
	f.Add([]byte("\x02\x00\x03abc\x04\x02xy\x01z\x03a@b\x03\x05\x08\x09\x03abc"))
	f.Fuzz(func(t *testing.T, data []byte) {
		st := memstore.New()
		c := strictShop(t, st)
		ctx := t.Context()
		require.NoError(t, c.Events().Define(ctx, cdp.EventType{Name: "open", Policy: cdp.Learn}))
		require.NoError(t, c.Segments().Save(ctx, cdp.Segment{Name: "s", Where: `events.purchase.exists(e, e.amount > 1) || events.open.size() > 1`}))
		b := bytesReader(data)
		events := make([]cdp.Event, 1+b.byte()%4)
		for i := range events {
			events[i] = b.event(i)
		}
		res, err := c.Track(ctx, events...)
		var rejected *cdp.RejectedError
		if err != nil && !errors.As(err, &rejected) {
			t.Fatalf("Track: %v", err)
		}
		require.Len(t, res.Verdicts, len(events))
		before := map[int]cdp.TimelineEvent{}
		for i, v := range res.Verdicts {
			if v.Status != cdp.Rejected {
				require.Empty(t, v.Reason)
			} else {
				require.NotEmpty(t, v.Reason)
			}
			if v.Status == cdp.Accepted {
				before[i] = readBack(t, c, events[i], v.ID)
			}
		}
		require.NoError(t, c.Close())
		c, err = cdp.New(st, cdp.Config{Now: fixed})
		require.NoError(t, err)
		defer c.Close()
		for i, was := range before {
			if is := readBack(t, c, events[i], was.ID); !reflect.DeepEqual(was, is) {
				t.Fatalf("after opening again\n%+v, before\n%+v", is, was)
			}
		}
	})
}

// readBack finds an accepted event on its person's timeline and compares it with what was given.
func readBack(t *testing.T, c *cdp.Client, given cdp.Event, id string) cdp.TimelineEvent {
	t.Helper()
	kind, who := "user_id", given.UserID
	if who == "" {
		kind, who = "anonymous_id", given.AnonymousID
	}
	if who == "" {
		for kind, who = range given.Identifiers {
			break
		}
	}
	line, err := c.Profiles().Timeline(t.Context(), who, &cdp.TimelineOptions{Kind: kind, Limit: 1000})
	require.NoError(t, err)
	for _, e := range line {
		if e.ID != id || e.System {
			continue
		}
		require.Equal(t, given.Name, e.Name)
		require.Equal(t, given.Source, e.Source)
		if !given.Time.IsZero() && given.Time.Unix() != 0 {
			require.Equal(t, given.Time.UTC(), e.Time)
		}
		for name, v := range given.Attributes {
			switch v := v.(type) {
			case string:
				if got, isText := e.Attributes[name].(string); isText {
					require.Equal(t, v, got)
				} else {
					require.IsType(t, time.Time{}, e.Attributes[name]) // a text that is a date
				}
			case float64:
				require.Equal(t, v, e.Attributes[name])
			case bool:
				require.Equal(t, v, e.Attributes[name])
			case nil:
				require.NotContains(t, maps.Clone(e.Attributes), name)
			}
		}
		return e
	}
	t.Fatalf("event %q of %s %q was accepted and is not on the timeline: %+v", id, kind, who, line)
	return cdp.TimelineEvent{}
}

// FuzzCondition: Check neither panics nor takes long, whatever the source; what it accepts can be saved, asked and
// explained.
func FuzzCondition(f *testing.F) {
	for _, src := range []string{"", "true", `customer.age >= 18 && customer.city == "Hue"`, `events.purchase.within("30d").size() >= 3`,
		`events.purchase.filter(e, e.category == "shoes").sum(e, e.amount) > 1.5`, `has(customer.age)`, `inSegment("s")`, `now > ago("3d")`,
		`sequence(events.purchase, events.purchase, "7d")`, `events.purchase.exists(e, e.product.brand.matches("^a+$"))`, `customer.age == 1 ? true : 1/0 > 2`,
		`events.purchase.perMonth(6).all(n, n >= 3)`, `events.purchase.during("last_month").exists(e, e.items.exists(i, i.price > 1))`, "\xff", `"\x00"`, `((((((`, `[1,2].map(x, x*2) == [2,4]`} {
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src string) {
		c := strictShop(t, memstore.New())
		defer c.Close()
		ctx := t.Context()
		_, err := c.Track(ctx, cdp.Event{Name: "purchase", UserID: "ann", Attributes: cdp.Attrs{"amount": 1, "category": "shoes", "tags": []string{"a"}}},
			cdp.Event{Name: "purchase", UserID: "ann", Time: daysAgo(3), Attributes: cdp.Attrs{"amount": 2}})
		require.NoError(t, err)
		seg := cdp.Segment{Name: "fuzz", Where: src}
		err = c.Segments().Check(ctx, seg)
		var def *cdp.DefinitionError
		if err != nil {
			require.ErrorAs(t, err, &def)
			require.True(t, utf8.ValidString(err.Error()), "%q", err.Error())
			require.ErrorAs(t, c.Segments().Save(ctx, seg), &def)
			return
		}
		require.NoError(t, c.Segments().Save(ctx, seg))
		in, err := c.Segments().Contains(ctx, "fuzz", "ann")
		require.NoError(t, err)
		why, err := c.Segments().Explain(ctx, "fuzz", "ann")
		require.NoError(t, err)
		require.Equal(t, in, why.Member, "membership and explanation of %q", src)
		got, err := c.Segments().Get(ctx, "fuzz")
		require.NoError(t, err)
		require.Equal(t, src, got.Where)
	})
}

// FuzzDefinitions: a journey, a template or a dataflow from any JSON gives a typed error or is kept as it is; then an event
// and a tick do not panic.
func FuzzDefinitions(f *testing.F) {
	f.Add([]byte(`{"name":"j","entry":{"event":"purchase"},"nodes":[{"id":"w","type":"wait","for":"1h","branches":[{"event":"purchase","next":"e"}],"else":"s"},{"id":"s","type":"send","channel":"inbox","template":"t","next":"e"},{"id":"e","type":"exit"}]}`))
	f.Add([]byte(`{"name":"j","entry":{"entered":"s"},"audience":"customer.age > 1","reentry":"30d","goals":[{"name":"g","event":"purchase","where":"e.amount > 1"}],"exits":[{"when":"customer.age > 3","reason":"old"}],"nodes":[{"id":"i","type":"if","branches":[{"where":"event.amount > 1","next":"g"}],"else":"g"},{"id":"g","type":"goal","goal":"g"}]}`))
	f.Add([]byte(`{"name":"j","event":"purchase","subject":"Hi {{ customer.city | \"you\" }}","html":"<a href=\"{{ event.note }}\">{{ event.category }}</a>","data":"{\"a\": {{ event.amount }}}","url":"https://a.example/{{ event.category }}"}`))
	f.Add([]byte(`{"name":"j","source":{"type":"csv","path":"/dev/null","columns":["a","b"]},"actions":[{"filter":{"where":"a == \"x\""}},{"add":{"column":"c","type":"number","value":"len(a)"}}],"destinations":[{"profiles":{"user_id":"a","attributes":{"city":"b"}}}]}`))
	f.Add([]byte(`{"entry":{},"nodes":[{"id":"a","type":"delay","for":"1d","next":"a"}]}`))
	f.Add([]byte(`{"name":"\u0000","nodes":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c := strictShop(t, memstore.New())
		defer c.Close()
		ctx := t.Context()
		require.NoError(t, c.Segments().Save(ctx, cdp.Segment{Name: "s", Where: `events.purchase.size() > 0`}))
		require.NoError(t, c.Templates().Save(ctx, cdp.Template{Name: "t", Text: "x"}))
		typed := func(err error) {
			t.Helper()
			var def *cdp.DefinitionError
			if err != nil && !errors.As(err, &def) {
				t.Fatalf("no DefinitionError: %v", err)
			}
		}
		kept := func(got, want any, err error) {
			t.Helper()
			require.NoError(t, err)
			a, _ := json.Marshal(got)
			b, _ := json.Marshal(want)
			require.JSONEq(t, string(b), string(a))
		}
		var j cdp.Journey
		if json.Unmarshal(data, &j) == nil {
			err := c.Journeys().Save(ctx, j)
			if typed(err); err == nil {
				got, err := c.Journeys().Get(ctx, j.Name)
				kept(got, j, err)
			}
		}
		var tmpl cdp.Template
		if json.Unmarshal(data, &tmpl) == nil {
			err := c.Templates().Save(ctx, tmpl)
			if typed(err); err == nil {
				got, err := c.Templates().Get(ctx, tmpl.Name)
				kept(got, tmpl, err)
			}
		}
		var flow cdp.Dataflow
		if json.Unmarshal(data, &flow) == nil {
			err := c.Dataflows().Save(ctx, flow)
			if typed(err); err == nil {
				got, err := c.Dataflows().Get(ctx, flow.Name)
				kept(got, flow, err)
			}
		}
		_, err := c.Track(ctx, cdp.Event{Name: "purchase", UserID: "ann", Attributes: cdp.Attrs{"amount": 2, "category": "shoes", "note": "javascript:alert(1)"}})
		require.NoError(t, err)
		require.NoError(t, c.Tick(ctx))
		if _, err := c.Templates().Preview(ctx, tmpl, "ann"); err != nil {
			typed(err)
		}
	})
}
