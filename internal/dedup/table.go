package dedup

// table is an extendible hash table: a directory, by the first bits of the hash, of segments of 1,024 slots that are filled to
// three quarters. A full segment first drops what has expired and splits in two when that was little, so an Add moves at
// most one segment.
//
// A key is 48 bits of the hash and 16 bits of the generation's number. These 16 bits come round, so all expired keys are
// swept out before theirs are used again. Hashes that are all the same cannot be split: they go to overflow, a plain
// map. That happens when one id is added thousands of times because equal looks at more than the id.
type table struct {
	depth     uint
	directory []*segment // 1<<depth; a segment of less depth is there several times
	segments  int
	overflow  map[uint64][]slot // by the 48 bits
}

type segment struct {
	slots [segmentSize]slot
	n     int
	depth uint
}

// slot is one id. A key of 0 is an empty slot.
type slot struct{ key, ref uint64 }

const (
	segmentSize = 1 << 10
	segmentFull = segmentSize * 3 / 4
	slotMask    = segmentSize - 1
	markBits    = 16
	marks       = 1<<markBits - 1 // 1..marks are used, so no key is 0
	sweepEvery  = 1 << 14         // generations; far fewer are alive at once
	maxDepth    = 30
	maxSpread   = 64 // directory entries for each segment before hashes count as all the same
)

func newTable() table {
	return table{directory: []*segment{{}}, segments: 1, overflow: map[uint64][]slot{}}
}

func mark(generation uint64) uint64 { return generation%marks + 1 }

// expired says whether a key's generation lies before oldest. A mark is at most 2*sweepEvery generations old.
func expired(key, oldest uint64) bool {
	ahead := (key&(1<<markBits-1) + marks - mark(oldest)) % marks
	return ahead > marks/2
}

func (t *table) segment(h uint64) *segment { return t.directory[h>>(64-t.depth)] }

// probe goes through the references whose hash is h and whose generation is oldest or later.
func (t *table) probe(h, oldest uint64) probe {
	p := probe{s: t.segment(h), hash: h >> markBits, i: h >> markBits, oldest: oldest}
	if len(t.overflow) > 0 {
		p.rest = t.overflow[p.hash]
	}
	return p
}

type probe struct {
	s       *segment
	hash, i uint64
	oldest  uint64
	rest    []slot
}

func (p *probe) next() (ref uint64, ok bool) {
	for {
		s := &p.s.slots[p.i&slotMask]
		if s.key == 0 {
			break
		}
		p.i++
		if s.key>>markBits == p.hash && !expired(s.key, p.oldest) {
			return s.ref, true
		}
	}
	for len(p.rest) > 0 {
		s := p.rest[0]
		p.rest = p.rest[1:]
		if !expired(s.key, p.oldest) {
			return s.ref, true
		}
	}
	return 0, false
}

func (t *table) add(h, generation, ref, oldest uint64) {
	key := h>>markBits<<markBits | mark(generation)
	s := t.segment(h)
	for s.n == segmentFull {
		s.purge(oldest)
		if s.n > segmentFull*3/4 {
			if !t.split(h) {
				t.overflow[h>>markBits] = append(t.overflow[h>>markBits], slot{key, ref})
				return
			}
			s = t.segment(h)
		}
	}
	s.put(slot{key, ref})
}

func (s *segment) put(v slot) {
	i := v.key >> markBits & slotMask
	for s.slots[i].key != 0 {
		i = (i + 1) & slotMask
	}
	s.slots[i] = v
	s.n++
}

// purge drops the expired keys.
func (s *segment) purge(oldest uint64) {
	old := *s
	s.slots, s.n = [segmentSize]slot{}, 0
	for i := range old.slots {
		if v := old.slots[i]; v.key != 0 && !expired(v.key, oldest) {
			s.put(v)
		}
	}
}

// split replaces the segment of h by two, which divide its keys by the next bit of the hash. It returns false when that would
// take a directory out of proportion, which only keys with the same hash do.
func (t *table) split(h uint64) bool {
	old := t.segment(h)
	if old.depth == t.depth {
		if t.depth == maxDepth || len(t.directory) >= maxSpread*t.segments {
			return false
		}
		wider := make([]*segment, 0, 2*len(t.directory))
		for _, s := range t.directory {
			wider = append(wider, s, s)
		}
		t.directory, t.depth = wider, t.depth+1
	}
	halves := [2]*segment{{depth: old.depth + 1}, {depth: old.depth + 1}}
	t.segments++
	for i := range old.slots {
		if v := old.slots[i]; v.key != 0 {
			halves[v.key>>(63-old.depth)&1].put(v)
		}
	}
	span := uint64(1) << (t.depth - old.depth) // the places of old lie together
	first := h >> (64 - old.depth) << (t.depth - old.depth)
	for i, half := range halves {
		for j := range span / 2 {
			t.directory[first+uint64(i)*span/2+j] = half
		}
	}
	return true
}

// sweep drops all expired keys.
func (t *table) sweep(oldest uint64) {
	var last *segment
	for _, s := range t.directory {
		if s != last {
			s.purge(oldest)
		}
		last = s
	}
	for hash, slots := range t.overflow {
		kept := slots[:0]
		for _, s := range slots {
			if !expired(s.key, oldest) {
				kept = append(kept, s)
			}
		}
		if t.overflow[hash] = kept; len(kept) == 0 {
			delete(t.overflow, hash)
		}
	}
}
