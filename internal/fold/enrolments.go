package fold

import "iter"

// enrolments are the people inside journeys, by handle. An enrolment is never changed in place: who moves on is put again, so
// that a frozen copy, which shares the blocks, goes on seeing what it saw (a checkpoint is written from one).
type enrolments struct {
	blocks []*enrolmentBlock // of handles counted from 0; nil where nobody is left
	n      int
	epoch  uint32
}

// enrolmentBlock holds 256 handles. It is written in place in its own epoch only; after a freeze it is copied first.
type enrolmentBlock struct {
	epoch uint32
	n     int
	at    [256]*enrolment
}

// get returns who has a handle, nil when they left.
func (x *enrolments) get(handle uint32) *enrolment {
	if k := int(handle >> 8); k < len(x.blocks) && x.blocks[k] != nil {
		return x.blocks[k].at[handle&255]
	}
	return nil
}

// put keeps an enrolment under its handle, in place of an older one.
func (x *enrolments) put(e *enrolment) {
	k := int(e.handle >> 8)
	for len(x.blocks) <= k {
		x.blocks = append(x.blocks, nil)
	}
	b := x.own(k)
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
	b := x.own(int(handle >> 8))
	b.at[handle&255] = nil
	x.n--
	if b.n--; b.n == 0 {
		x.blocks[handle>>8] = nil
	}
	return true
}

// own returns a block for writing.
func (x *enrolments) own(k int) *enrolmentBlock {
	b := x.blocks[k]
	switch {
	case b == nil:
		b = &enrolmentBlock{epoch: x.epoch}
	case b.epoch != x.epoch:
		c := *b
		b = &c
		b.epoch = x.epoch
	default:
		return b
	}
	x.blocks[k] = b
	return b
}

// all yields everybody, in order of entry.
func (x *enrolments) all() iter.Seq[*enrolment] {
	return func(yield func(*enrolment) bool) {
		for _, b := range x.blocks {
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
func (x *enrolments) freeze() enrolments {
	x.epoch++
	return enrolments{blocks: append([]*enrolmentBlock(nil), x.blocks...), n: x.n}
}
