package column

// Dictionary numbers the distinct strings of a Dict column from 1, in order of first use. Code 0 is absent.
type Dictionary struct {
	codes map[string]uint32
	pages [][]string // pageSize strings a page, so that growth copies no strings
	n     int
	ends  []uint32 // entries there were after chunk k; past its end, the last one
}

const (
	pageBits = 9
	pageSize = 1 << pageBits
)

func newDictionary() *Dictionary { return &Dictionary{codes: map[string]uint32{}} }

// Len returns the number of entries, which is the highest code.
func (d *Dictionary) Len() int { return d.n }

// Lookup returns the code of v. It allocates nothing.
func (d *Dictionary) Lookup(v []byte) (code uint32, ok bool) {
	code, ok = d.codes[string(v)]
	return code, ok
}

// String returns the entry of that code, "" for 0 and for a code that there is not.
func (d *Dictionary) String(code uint32) string {
	if code == 0 || int(code) > d.n {
		return ""
	}
	i := int(code) - 1
	return d.pages[i>>pageBits][i&(pageSize-1)]
}

// add gives a new string the next code and notes the chunk in which it is first used.
func (d *Dictionary) add(v string, chunk int) uint32 {
	if d.n>>pageBits == len(d.pages) {
		d.pages = append(d.pages, nil)
	}
	page := d.n >> pageBits
	d.pages[page] = append(d.pages[page], v)
	for len(d.ends) <= chunk {
		d.ends = append(d.ends, uint32(d.n))
	}
	d.n++
	d.ends[chunk] = uint32(d.n)
	d.codes[v] = uint32(d.n)
	return uint32(d.n)
}

// firstUsed returns the codes from+1..to, those whose first use is in chunk k.
func (d *Dictionary) firstUsed(k int) (from, to int) { return d.end(k - 1), d.end(k) }

func (d *Dictionary) end(k int) int {
	if k < 0 || len(d.ends) == 0 {
		return 0
	}
	return int(d.ends[min(k, len(d.ends)-1)])
}
