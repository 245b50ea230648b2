package fold

// This file is what the retention of the platform's own events has to care for: these events are not only shown and counted, the
// platform goes by some of them itself.
//
//	journey_entered, _exited, _finished  who may enter again. That somebody was inside is kept apart (journeys.were) when the event
//	                                     goes; what a duration or a key decides is not, so such a journey and a shorter
//	                                     retention refuse each other
//	message_queued                       frequency caps: a longer cap and a shorter retention refuse each other
//	inbox_read                           goes after the messages that were read, which would be unread again
//	consent_granted, unsubscribed        are the record of consent and never go

import (
	"errors"
	"fmt"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/embedcdp/cdp/internal/column"
	"github.com/embedcdp/cdp/internal/journey"
	"github.com/embedcdp/cdp/internal/schema"
)

// stayTypes tell who is and was inside journeys.
var stayTypes = []string{journey.EventEntered, journey.EventExited, journey.EventFinished}

// prepareSystemEvent checks a definition of one of the platform's own types, of which only the retention can be set.
func (s *State) prepareSystemEvent(t *eventType, d *schema.EventType) (func(), error) {
	name := t.def.Name
	if d.Policy != "" || len(d.Attributes) > 0 {
		return nil, fmt.Errorf("event %q is written by the platform itself: only its retention can be set; choose another name for events of your own", name)
	}
	keep := int64(0)
	if d.Retention != "" {
		keep, _ = journey.ParseDuration(d.Retention) // it was checked
		if err := s.checkSystemRetention(name, d.Retention, keep); err != nil {
			return nil, err
		}
	}
	return func() {
		def := *t.def
		def.Retention = d.Retention
		t.setDef(&def)
		s.rebuildCatalogue()
		s.setRetention(t)
	}, nil
}

func (s *State) checkSystemRetention(name, retention string, keep int64) error {
	switch name {
	case ConsentGranted, Unsubscribed:
		return errors.New("retention: events of this type are the record of consent and are kept for ever")
	case MessageQueued:
		return s.Settings.checkCaps(retention, keep)
	}
	for _, d := range s.journeys.sorted() {
		if err := checkStays(d.current(), d.name, name, retention, keep); err != nil {
			return err
		}
	}
	return nil
}

// checkCaps refuses caps that count messages for longer than these are kept.
func (t *Settings) checkCaps(retention string, keep int64) error {
	for i, c := range t.Caps {
		if keep > 0 && c.window > keep {
			return fmt.Errorf("cap %d counts the messages of %q, and events %q are kept for %q: keep them for as long as a cap counts", i+1, c.Per, MessageQueued, retention)
		}
	}
	return nil
}

// checkReentry refuses a journey that would ask for stays whose events are gone.
func (s *State) checkReentry(name string, j *journey.Journey) error {
	for _, typ := range stayTypes {
		if t := s.typeNamed[typ]; t.keep > 0 {
			if err := checkStays(j, name, typ, t.def.Retention, t.keep); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkStays(j *journey.Journey, name, typ, retention string, keep int64) error {
	again, once := j.Reentry()
	switch {
	case typ == journey.EventEntered && once && j.Def().Entry.Key != "":
		return fmt.Errorf("journey %q lets people in once for each %q, which is known from events %q, and these are kept for %q: keep them for ever, or let people in again after a time", name, j.Def().Entry.Key, typ, retention)
	case (typ == journey.EventExited || typ == journey.EventFinished) && again > keep:
		return fmt.Errorf("journey %q lets people in again after %q, which is known from events %q, and these are kept for %q: keep them for as long", name, j.Def().Reentry, typ, retention)
	}
	return nil
}

// staysGone keeps that people were inside journeys whose events are about to go. It returns the people who are concerned.
func (js *journeys) staysGone(s *State, t *eventType, from, to int) *roaring.Bitmap {
	people := roaring.New()
	if !slices.Contains(stayTypes, t.def.Name) {
		return people
	}
	for i := uint32(from * column.ChunkRows); i < uint32(to*column.ChunkRows); i++ {
		e := eventRef{t, i}
		row := s.ids.Canonical(t.row.Uint(i))
		people.Add(row)
		if t.def.Name == journey.EventEntered && e.Attr("key").Str == "" {
			js.was(e.Attr("journey").Str, row)
		}
	}
	return people
}

// was notes that a person was inside a journey without a key.
func (js *journeys) was(name string, row uint32) {
	if js.were[name] == nil {
		js.were[name] = roaring.New()
	}
	js.were[name].Add(row)
}

// noteStay adds to what is kept of a person what an event tells.
func (js *journeys) noteStay(row uint32, e eventRef) {
	past := js.stay(row, e.Attr("journey").Str, e.Attr("key").Str)
	if e.t.def.Name == journey.EventEntered {
		past.past.Times++
	} else {
		past.past.Ended = max(past.past.Ended, e.Time())
	}
}

// recall makes what is kept of a person anew, from the events that are left and from who is inside.
func (js *journeys) recall(s *State, row uint32) {
	delete(js.history, row)
	for _, name := range stayTypes {
		for _, e := range s.eventsOf(s.typeNamed[name], row) {
			js.noteStay(row, e)
		}
	}
	for _, h := range js.byRow[row] {
		e := js.live.get(h)
		js.stay(row, e.Journey, e.Key).past.Active = true
	}
}

// readsLeft is the first block of inbox_read that marks messages as read which are still there.
func (s *State) readsLeft(reads *eventType, from int) int {
	messages, k := s.typeNamed[InboxMessage], from
	for messages.kept() > 0 && (k+1)*column.ChunkRows < reads.tab.Len() && latestIn(reads.arrived, k) < messages.arrived.Int(messages.gone.Rows) {
		k++
	}
	if messages.kept() == 0 {
		return reads.tab.Len() / column.ChunkRows
	}
	return k
}
