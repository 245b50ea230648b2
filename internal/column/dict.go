package column

import "sync"

// Dictionary numbers the distinct strings of a Dict column from 1, in order of first use. Code 0 is absent.
type Dictionary struct {
	codes map[string]uint32 // nil in what is frozen
	pages [][]string        // full pages, so that growth copies no strings
	last  []string          // the page after them
	n     int
	// What frozen dictionaries look strings up in. It is theirs: the writer does not touch it.
	index *index
}

const (
	pageBits = 9
	pageSize = 1 << pageBits
)

func newDictionary() *Dictionary {
	return &Dictionary{codes: map[string]uint32{}, index: &index{codes: map[string]uint32{}}}
}

// Len returns the number of entries, which is the highest code.
func (d *Dictionary) Len() int { return d.n }

// Lookup returns the code of v. It allocates nothing, except in the first call on what is frozen.
func (d *Dictionary) Lookup(v []byte) (code uint32, ok bool) {
	if d.codes == nil {
		return d.index.lookup(d, v)
	}
	code, ok = d.codes[string(v)]
	return code, ok
}

// String returns the entry of that code, "" for 0 and for a code that there is not.
func (d *Dictionary) String(code uint32) string {
	if code == 0 || int(code) > d.n {
		return ""
	}
	i := int(code) - 1
	page := d.last
	if i>>pageBits < len(d.pages) {
		page = d.pages[i>>pageBits]
	}
	return page[i&(pageSize-1)]
}

// add gives a new string the next code.
func (d *Dictionary) add(v string) uint32 {
	if len(d.last) == pageSize {
		d.pages = append(d.pages, d.last)
		d.last = nil
	}
	d.last = append(d.last, v)
	d.n++
	d.codes[v] = uint32(d.n)
	return uint32(d.n)
}

// freeze returns the dictionary as it is now. Later entries are written behind what it sees, never into it.
func (d *Dictionary) freeze() *Dictionary {
	if d == nil || d.codes == nil {
		return d
	}
	return &Dictionary{pages: d.pages, last: d.last, n: d.n, index: d.index}
}

// index finds codes by string for all frozen copies of one dictionary. It grows to the longest copy that was asked, so that
// many copies cost one map.
type index struct {
	mu    sync.Mutex // guards codes
	codes map[string]uint32
}

func (x *index) lookup(d *Dictionary, v []byte) (code uint32, ok bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for code := len(x.codes) + 1; code <= d.n; code++ {
		x.codes[d.String(uint32(code))] = uint32(code)
	}
	code, ok = x.codes[string(v)]
	if int(code) > d.n {
		return 0, false
	}
	return code, ok
}
