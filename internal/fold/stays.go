package fold

// This file is what is kept of people who left a journey, and what a merge does to those inside.

import (
	"fmt"
	"slices"

	"github.com/embedcdp/cdp/internal/journey"
)

// stay is what is kept of a person in a journey (and for a key), inside and after.
type stay struct {
	journey, key string
	past         journey.History
}

func (js *journeys) end(e *enrolment, at int64) {
	if js.live.remove(e.handle) {
		e.trigger.pin(-1)
	}
	row := e.Row
	js.byRow[row] = slices.DeleteFunc(js.byRow[row], func(h uint32) bool { return h == e.handle })
	if len(js.byRow[row]) == 0 {
		delete(js.byRow, row)
	}
	past := js.stay(row, e.Journey, e.Key)
	ended := max(past.past.Ended, at) // what is loaded from the timeline cannot tell in which order stays ended
	past.past = past.past.End(ended)
	for _, h := range js.byRow[row] { // the other one of two that a merge brought together
		if other := js.live.get(h); other.Journey == e.Journey && other.Key == e.Key {
			past.past.Active = true
		}
	}
}

// past is what is kept of a person in a journey, zero for somebody who never was inside.
func (js *journeys) past(row uint32, name, key string) journey.History {
	var out journey.History
	for _, x := range js.history[row] {
		if x.journey == name && x.key == key {
			out = x.past
		}
	}
	if out.Times == 0 && (out.Active || out.Ended != 0 || key == "" && js.were[name] != nil && js.were[name].Contains(row)) {
		out.Times = 1 // retention has taken when that was
	}
	return out
}

// stay finds or makes what is kept of a person in a journey.
func (js *journeys) stay(row uint32, name, key string) *stay {
	list := js.history[row]
	for i := range list {
		if list[i].journey == name && list[i].key == key {
			return &list[i]
		}
	}
	js.history[row] = append(list, stay{journey: name, key: key})
	return &js.history[row][len(list)]
}

// merged follows a merge: who was inside the same journey as a visitor and as a customer goes on where they entered
// first, and what changed with the merge may take them out.
func (js *journeys) merged(s *State, row uint32) {
	type place struct{ journey, key string }
	inside := map[place]bool{}
	js.entries = 0
	for _, h := range slices.Clone(js.byRow[row]) {
		e := js.live.get(h)
		at := place{e.Journey, e.Key}
		if inside[at] {
			js.takeOut(s, e, "merged", CauseMerge)
		}
		inside[at] = true
	}
	js.changed(s, row)
}

// move gives a customer the enrolments and the history of its visitor.
func (js *journeys) move(visitor, customer uint32) {
	for _, h := range js.byRow[visitor] {
		e := js.live.get(h)
		js.live.put(e.with(e.Enrolment, customer))
		js.byRow[customer] = append(js.byRow[customer], h)
	}
	slices.Sort(js.byRow[customer]) // in order of entry, as after a reload
	delete(js.byRow, visitor)
	for _, v := range js.history[visitor] {
		h := js.stay(customer, v.journey, v.key)
		h.past = journey.History{Active: h.past.Active || v.past.Active, Times: h.past.Times + v.past.Times, Ended: max(h.past.Ended, v.past.Ended)}
	}
	delete(js.history, visitor)
	for _, rows := range js.were {
		if rows.Contains(visitor) {
			rows.Add(customer)
		}
	}
}

// stillUsing lists older versions of journeys that people are inside and that name a segment or template, and messages
// that wait to be rendered, in words.
func (js *journeys) stillUsing(key DefKey) (users []string) {
	for e := range js.live.all() {
		d := js.defs[e.Journey]
		if v := int(e.Version); (v < len(d.versions) || d.removed) && d.deps[v-1][key] {
			users = append(users, fmt.Sprintf("version %d of journey %q, which people are inside", v, e.Journey))
		}
	}
	for _, x := range js.outbox.byKey {
		if key == (DefKey{DefTemplate, x.Template}) {
			users = append(users, fmt.Sprintf("messages of journey %q that are not sent yet", x.Journey))
		}
	}
	slices.Sort(users)
	return slices.Compact(users)
}
