package cdp_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/cdptest"
)

// naiveAction is one thing that happens. Its times are absolute, so that others can be left out of a script.
type naiveAction struct {
	at       int64       // the clock
	track    []cdp.Event // imported when there are several
	identify *cdp.Identity
	put      *cdp.ObjectRecord
	save     bool // the segments are saved here
	tick     bool // only time passes
}

// do lets it happen in the client and in the naive world.
func (a naiveAction) do(c *cdptest.Client, w *naiveWorld) (err error) {
	w.now = max(w.now, a.at)
	c.Clock.Set(time.UnixMicro(w.now))
	ctx := context.Background()
	switch {
	case len(a.track) == 1:
		_, err = c.Track(ctx, a.track...)
		w.track(a.track...)
	case len(a.track) > 1:
		_, err = c.Import(ctx, a.track...)
		w.track(a.track...)
	case a.identify != nil:
		_, err = c.Identify(ctx, *a.identify)
		w.identify(*a.identify)
	case a.put != nil:
		_, err = c.Objects().Put(ctx, *a.put)
		w.put(*a.put)
	case a.tick:
		err = c.Tick(ctx)
	}
	return err
}

func (a naiveAction) String() string {
	s := "at " + moment(a.at)
	for _, ev := range a.track {
		s += fmt.Sprintf("\n    event %s of %q %q at %s %v", ev.Name, ev.UserID, ev.AnonymousID, moment(ev.Time.UnixMicro()), ev.Attributes)
	}
	switch {
	case a.identify != nil:
		s += fmt.Sprintf(" identify %q %q at %s %v", a.identify.UserID, a.identify.AnonymousID, moment(a.identify.Time.UnixMicro()), a.identify.Attributes)
	case a.put != nil:
		s += fmt.Sprintf(" thing %s from %s %v", a.put.ID, moment(a.put.Time.UnixMicro()), a.put.Attributes)
	case a.save:
		s += " save"
	case a.tick:
		s += " tick"
	}
	return s
}

// only leaves out the attributes that no condition names.
func (a naiveAction) only(segments []*naiveSegment) naiveAction {
	named := func(attrs cdp.Attrs) cdp.Attrs {
		out := maps.Clone(attrs)
		maps.DeleteFunc(out, func(name string, _ any) bool {
			return !slices.ContainsFunc(segments, func(s *naiveSegment) bool { return strings.Contains(s.term.text, name) })
		})
		return out
	}
	a.track = slices.Clone(a.track)
	for i := range a.track {
		a.track[i].Attributes = named(a.track[i].Attributes)
	}
	if a.identify != nil {
		id := *a.identify
		id.Attributes = named(id.Attributes)
		a.identify = &id
	}
	if a.put != nil {
		o := *a.put
		o.Attributes = named(o.Attributes)
		a.put = &o
	}
	return a
}

const naiveDay = int64(86400e6)

// randomActions are a history, the saving of segments, more history one by one, and some passing of time.
func randomActions(r *rand.Rand, s *naiveSchema) (out []naiveAction) {
	d := newDataMaker(r, s)
	for range 25 {
		out = append(out, d.action())
	}
	out = append(out, naiveAction{at: d.now, save: true})
	for range 3 {
		for range 5 {
			out = append(out, d.action())
		}
		d.now += pick(r, r.Int64N(3600e6), r.Int64N(3*naiveDay), r.Int64N(20*naiveDay), naiveDay)
		out = append(out, naiveAction{at: d.now, tick: true})
	}
	return out
}

type dataMaker struct {
	r   *rand.Rand
	s   *naiveSchema
	who func() (user, anonymous string) // a customer, a visitor, or one that is just becoming the other
	now int64
	ids int
}

func newDataMaker(r *rand.Rand, s *naiveSchema) *dataMaker {
	d := &dataMaker{r: r, s: s, now: time.Date(2026, 2, 20, 0, 0, 0, 0, time.UTC).UnixMicro() + r.Int64N(30)*naiveDay}
	d.who = d.oneOfFew
	return d
}

func (d *dataMaker) action() naiveAction {
	a := naiveAction{at: d.now}
	switch n := d.r.IntN(20); {
	case n < 9:
		a.track = []cdp.Event{d.event()}
	case n < 12:
		for range 2 + d.r.IntN(6) {
			a.track = append(a.track, d.event())
		}
	case n < 17:
		user, anonymous := d.who()
		a.identify = &cdp.Identity{UserID: user, AnonymousID: anonymous, Time: time.UnixMicro(min(d.now, d.when())), Attributes: d.attributes(d.s.profile)}
	default:
		a.put = &cdp.ObjectRecord{Type: "thing", ID: d.thing(), Time: time.UnixMicro(d.when()), Attributes: d.attributes(d.s.thing)}
		for _, attr := range d.s.thing { // every version names all it has, so that none takes from another
			if _, ok := a.put.Attributes[attr.name]; !ok {
				a.put.Attributes[attr.name] = d.value(attr.decl)
			}
		}
	}
	if d.r.IntN(4) == 0 {
		d.now += d.r.Int64N(naiveDay / 2)
	}
	return a
}

func (d *dataMaker) oneOfFew() (user, anonymous string) {
	if d.r.IntN(3) > 0 {
		user = fmt.Sprintf("u%d", d.r.IntN(4))
	}
	if user == "" || d.r.IntN(4) == 0 {
		anonymous = fmt.Sprintf("a%d", d.r.IntN(8))
	}
	return user, anonymous
}

// when is now, late, in the future, or a whole number of days ago, so that some times are the same.
func (d *dataMaker) when() int64 {
	switch d.r.IntN(8) {
	case 0:
		return d.now - d.r.Int64N(100*naiveDay)
	case 1:
		return d.now + 1 + d.r.Int64N(5*naiveDay)
	case 2, 3:
		return d.now - d.r.Int64N(10)*naiveDay
	case 4:
		return d.now/naiveDay*naiveDay - d.r.Int64N(5)*naiveDay
	}
	return d.now
}

func (d *dataMaker) event() cdp.Event {
	t := pick(d.r, d.s.events...)
	user, anonymous := d.who()
	d.ids++
	return cdp.Event{ID: fmt.Sprintf("id%d", d.ids), Name: t.name, UserID: user, AnonymousID: anonymous, Source: pick(d.r, "", "web", "pos"),
		Time: time.UnixMicro(d.when()), Attributes: d.attributes(t.attrs)}
}

func (d *dataMaker) attributes(attrs []naiveAttr) cdp.Attrs {
	out := cdp.Attrs{}
	for _, a := range attrs {
		if d.r.IntN(3) > 0 {
			out[a.name] = d.value(a.decl)
		}
	}
	return out
}

func (d *dataMaker) thing() string { return fmt.Sprintf("th%d", d.r.IntN(3)) }

var (
	naiveNumbers = []float64{-2, 0, 1, 2, 2.5, 3, 10}
	naiveTexts   = []string{"red", "blue", "Hue", "hat", "re"}
)

func (d *dataMaker) value(t cdp.Attribute) any {
	list := func(elem cdp.Attribute) []any {
		out := make([]any, d.r.IntN(4))
		for i := range out {
			out[i] = d.value(elem)
		}
		return out
	}
	switch t.Type {
	case "number":
		return pick(d.r, naiveNumbers...)
	case "string", "text":
		if t.Refers != "" {
			return d.thing()
		}
		return pick(d.r, naiveTexts...)
	case "datetime":
		return time.UnixMicro(pick(d.r, d.when(), d.when()-d.r.Int64N(3)*365*naiveDay)).UTC()
	case "boolean":
		return d.r.IntN(2) == 0
	case "[]number":
		return list(cdp.Number)
	case "[]string":
		return list(cdp.String)
	case "[]datetime":
		return list(cdp.Datetime)
	case "[]object":
		return list(cdp.Object(nil))
	}
	return map[string]any(d.attributes(naiveKeys))
}
