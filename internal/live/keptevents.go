package live

// keptEvents are the events that a count, first or last depends on: the newest or the oldest so many, or all.
type keptEvents struct {
	typ            *Type
	newest, oldest int // 0: all
	row            eventRow
}

func (k *keptEvents) enter(_ *Person, event uint32) {
	k.row.insert(k.typ, event)
	switch {
	case k.newest > 0 && k.row.len() > k.newest:
		k.row.shift()
	case k.oldest > 0 && k.row.len() > k.oldest:
		k.row.remove(k.oldest, k.row.len())
	}
}

func (k *keptEvents) leave(_ *Person, from int64) { k.row.drop(k.typ, from, nil) }
func (k *keptEvents) size() int                   { return 64 + k.row.size() }

// end is the first or the last of them.
func (k *keptEvents) end(last bool) (event uint32, found bool) {
	switch n := k.row.len(); {
	case n == 0:
		return 0, false
	case last:
		return k.row.at(n - 1), true
	}
	return k.row.at(0), true
}
