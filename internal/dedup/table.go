package dedup

// table is an extendible hash table: a directory, by the first bits of the hash, of segments of at most 1,024 slots that
// are filled to three quarters. A full segment first drops what has expired; when that was little it grows by a third or
// less, and the largest splits in two. So an Add moves one segment, and slots stay two thirds full whatever the number of
// ids: about 12 bytes each.
//
// A slot is 8 bytes: a key and the low half of the caller's reference. The key is made of the hash's bits after those that
// lead to the segment, ended by a 1 bit, and 0s after it. A split takes the first bit away; there is no more of the hash to
// put at the end, so keys become shorter by one while new ones are whole. Half of all keys are never shortened, and a
// key of depth d tells as many ids apart as d+31 bits do: of 20 million new ids, some 60 have the key of another.
//
// References ascend, so what has expired is found by comparing them, as numbers that come round after 1<<32. Every span
// of 1<<30 of them the whole table is swept once, segment by segment, so none is there long enough to be mistaken.
//
// Hashes that are all the same cannot be split: they go to overflow, a plain map. That happens when one id is added
// thousands of times because equal looks at more than the id.
type table struct {
	depth     uint
	directory []segment // 1<<depth; a segment of less depth is there several times, see put
	segments  int
	overflow  map[uint64][]uint32 // references by the whole hash
	swept     uint64              // parts that had their turn, since the first reference
}

// segment is small, and in the directory itself: a pointer to it would be one more cache miss for each look-up.
type segment struct {
	slots []slot
	n     uint16
	depth uint8
}

// slot is one id. A key of 0 is an empty slot.
type slot struct{ key, ref uint32 }

const (
	homeBits  = 12            // of the key, which decide where a segment has it: the shortest key has as many
	maxDepth  = 31 - homeBits // a directory entry for 500 ids at most, when there are MaxIDs
	maxSpread = 64            // directory entries for each segment before hashes count as all the same

	maxIDs   = 1 << 28
	maxRefs  = 1 << 30 // references between the oldest that is remembered and the newest
	parts    = 1 << 16 // of a sweep
	partBits = 30 - 16 // references to each
)

// sizes of a segment, in slots. They fill what Go allocates.
var sizes = [...]int{16, 32, 64, 128, 256, 512, 672, 864, 1024}

// newTable returns a table with room for so many ids, so that it does not have to grow while they are added.
func newTable(ids int) table {
	t := table{overflow: map[uint64][]uint32{}}
	for ids>>t.depth > full(sizes[len(sizes)-1])*2/3 && t.depth < maxDepth {
		t.depth++
	}
	t.segments = 1 << t.depth
	t.directory = make([]segment, t.segments)
	each := ids >> t.depth
	for i := range t.directory { // few get a tenth more than others, and grow
		t.directory[i] = segment{slots: make([]slot, roomFor(each+each/10)), depth: uint8(t.depth)}
	}
	return t
}

// full returns how many ids go into so many slots.
func full(slots int) int { return slots * 3 / 4 }

// roomFor returns the number of slots that hold n ids and the next, the largest there is when none does.
func roomFor(n int) (slots int) {
	for _, slots = range sizes {
		if n < full(slots) {
			break
		}
	}
	return slots
}

// key returns what a segment of that depth keeps of a hash.
func key(h uint64, depth uint) uint32 { return uint32(h<<depth>>33)<<1 | 1 }

// same says whether a kept key, which may be shorter, fits the whole key of an id.
func same(kept, whole uint32) bool { return (kept^whole)>>1 < kept&-kept }

// expired says whether a reference comes before oldest.
func expired(ref, oldest uint32) bool { return int32(ref-oldest) < 0 }

// segment returns the segment of a hash. What changes in it is lost unless it is put back.
func (t *table) segment(h uint64) segment { return t.directory[h>>(64-t.depth)] }

// put sets all places of the segment of a hash.
func (t *table) put(h uint64, s segment) {
	first, n := t.places(h, uint(s.depth))
	for i := range n {
		t.directory[first+i] = s
	}
}

// places returns where in the directory a segment of that depth is, for a hash that leads to it: its places lie together.
func (t *table) places(h uint64, depth uint) (first, n uint64) {
	return h >> (64 - depth) << (t.depth - depth), 1 << (t.depth - depth)
}

// probe goes through the references whose hash is h, as far as is known, and that are oldest or later.
func (t *table) probe(h uint64, oldest uint32) probe {
	s := &t.directory[h>>(64-t.depth)]
	p := probe{slots: s.slots, key: key(h, uint(s.depth)), oldest: oldest}
	p.i = home(p.key, len(s.slots))
	if len(t.overflow) > 0 {
		p.rest = t.overflow[h]
	}
	return p
}

type probe struct {
	slots       []slot
	i           int
	key, oldest uint32
	rest        []uint32
}

func (p *probe) next() (ref uint32, ok bool) {
	for {
		s := p.slots[p.i]
		if s.key == 0 {
			break
		}
		if p.i++; p.i == len(p.slots) {
			p.i = 0
		}
		if same(s.key, p.key) && !expired(s.ref, p.oldest) {
			return s.ref, true
		}
	}
	for len(p.rest) > 0 {
		ref, p.rest = p.rest[0], p.rest[1:]
		if !expired(ref, p.oldest) {
			return ref, true
		}
	}
	return 0, false
}

func (t *table) add(h uint64, ref, oldest uint32) {
	s := t.segment(h)
	for int(s.n) >= full(len(s.slots)) && !s.makeRoom(oldest) {
		if !t.split(h) {
			t.overflow[h] = append(t.overflow[h], ref)
			return
		}
		s = t.segment(h)
	}
	s.add(slot{key(h, uint(s.depth)), ref})
	t.put(h, s)
}

// home returns the slot where the search for a key begins.
func home(key uint32, slots int) int {
	return int(key>>(32-homeBits)) * slots >> homeBits
}

func (s *segment) add(v slot) {
	i := home(v.key, len(s.slots))
	for s.slots[i].key != 0 {
		if i++; i == len(s.slots) {
			i = 0
		}
	}
	s.slots[i] = v
	s.n++
}

// makeRoom drops the expired ids of a full segment and makes it larger when these were few. It returns false when it
// is as large as can be.
func (s *segment) makeRoom(oldest uint32) bool {
	slots := len(s.slots)
	if s.live(oldest) > full(slots)*3/4 {
		if slots = roomFor(full(slots)); slots == len(s.slots) {
			return false
		}
	}
	s.rebuild(slots, oldest)
	return true
}

// live returns the number of ids that have not expired.
func (s *segment) live(oldest uint32) (n int) {
	for _, v := range s.slots {
		if v.key != 0 && !expired(v.ref, oldest) {
			n++
		}
	}
	return n
}

// rebuild gives the segment so many slots, without the expired ids.
func (s *segment) rebuild(slots int, oldest uint32) {
	old := s.slots
	s.slots, s.n = make([]slot, slots), 0
	for _, v := range old {
		if v.key != 0 && !expired(v.ref, oldest) {
			s.add(v)
		}
	}
}

// split replaces the segment of h by two, which divide its ids by the first bit of their keys. It returns false when that
// would take a directory out of proportion, which only ids with the same hash do.
func (t *table) split(h uint64) bool {
	old := t.segment(h)
	if old.depth == maxDepth {
		return false
	}
	if uint(old.depth) == t.depth {
		if len(t.directory) >= maxSpread*t.segments {
			return false
		}
		wider := make([]segment, 0, 2*len(t.directory))
		for _, s := range t.directory {
			wider = append(wider, s, s)
		}
		t.directory, t.depth = wider, t.depth+1
	}
	var counts [2]int
	for _, v := range old.slots {
		if v.key != 0 {
			counts[v.key>>31]++
		}
	}
	var halves [2]segment
	for i, n := range counts {
		halves[i] = segment{slots: make([]slot, roomFor(n)), depth: old.depth + 1}
	}
	for _, v := range old.slots {
		if v.key != 0 {
			halves[v.key>>31].add(slot{v.key << 1, v.ref})
		}
	}
	t.segments++
	next := uint64(1) << (63 - old.depth) // the bit that divides them
	t.put(h&^next, halves[0])
	t.put(h|next, halves[1])
	return true
}

// sweep drops the expired ids of those segments whose turn it is between the last reference and this one. Each has its turn
// once while references go on by 1<<30. A step as large as that leaves nothing that has not expired.
func (t *table) sweep(ref uint64, oldest uint32) {
	from, to := t.swept, ref>>partBits
	if to-from > parts {
		*t = newTable(0)
		from = to
	}
	t.swept = to
	if from/parts != to/parts {
		t.sweepOverflow(oldest)
	}
	first := from % parts
	last := first + to - from
	for i := t.entry(first); i < t.entry(last); i++ {
		h := i << (64 - t.depth)
		s := t.segment(h)
		if live := s.live(oldest); live < int(s.n) {
			s.rebuild(roomFor(live), oldest)
			t.put(h, s)
		}
	}
}

// entry returns the first place in the directory that begins at a part or after it.
func (t *table) entry(part uint64) uint64 { return (part<<t.depth + parts - 1) / parts }

func (t *table) sweepOverflow(oldest uint32) {
	for h, refs := range t.overflow {
		kept := refs[:0]
		for _, ref := range refs {
			if !expired(ref, oldest) {
				kept = append(kept, ref)
			}
		}
		if t.overflow[h] = kept; len(kept) == 0 {
			delete(t.overflow, h)
		}
	}
}
