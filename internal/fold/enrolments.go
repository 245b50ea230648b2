package fold

import (
	"iter"

	"github.com/embedcdp/cdp/internal/cow"
)

// enrolments are the people inside journeys, by handle. An enrolment is never changed in place: who moves on is put again, so
// that a frozen copy, which shares the blocks, goes on seeing what it saw (a checkpoint is written from one).
type enrolments struct {
	blocks cow.Blocks[enrolmentBlock] // of handles counted from 0; none where nobody is left
	n      int
}

// enrolmentBlock holds 256 handles.
type enrolmentBlock struct {
	n  int
	at [256]*enrolment
}

// get returns who has a handle, nil when they left.
func (x *enrolments) get(handle uint32) *enrolment {
	if b := x.blocks.At(int(handle >> 8)); b != nil {
		return b.at[handle&255]
	}
	return nil
}

// put keeps an enrolment under its handle, in place of an older one.
func (x *enrolments) put(e *enrolment) {
	b, _ := x.blocks.Edit(int(e.handle >> 8))
	if b.at[e.handle&255] == nil {
		b.n++
		x.n++
	}
	b.at[e.handle&255] = e
}

// remove takes out who has a handle, and reports whether there was somebody.
func (x *enrolments) remove(handle uint32) bool {
	if x.get(handle) == nil {
		return false
	}
	b, _ := x.blocks.Edit(int(handle >> 8))
	b.at[handle&255] = nil
	x.n--
	if b.n--; b.n == 0 {
		x.blocks.Drop(int(handle >> 8))
	}
	return true
}

// all yields everybody, in order of entry.
func (x *enrolments) all() iter.Seq[*enrolment] {
	return func(yield func(*enrolment) bool) {
		for _, b := range x.blocks.All() {
			if b == nil {
				continue
			}
			for _, e := range b.at {
				if e != nil && !yield(e) {
					return
				}
			}
		}
	}
}

// freeze returns a copy as of now, which is only read.
func (x *enrolments) freeze() enrolments { return enrolments{x.blocks.Freeze(), x.n} }
