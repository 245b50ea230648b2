package live

// keptExtreme is the least or the greatest value, and those that will be when older ones have left: oldest first, each
// smaller (or greater) than all that come after it.
type keptExtreme struct {
	typ    *Type
	of     reading
	max    bool
	letsGo bool
	row    eventRow
}

func (k *keptExtreme) enter(who *Person, event uint32) {
	v, place := k.value(who, event), k.row.place(k.typ, event)
	if place < k.row.len() && !k.before(v, k.value(who, k.row.at(place))) {
		return // a later one is as good
	}
	worse := place
	for worse > 0 && !k.before(k.value(who, k.row.at(worse-1)), v) {
		worse--
	}
	k.row.insertAt(place, event)
	k.row.remove(worse, place)
	if !k.letsGo {
		k.row.remove(1, k.row.len())
	}
}

func (k *keptExtreme) leave(_ *Person, from int64) { k.row.drop(k.typ, from, nil) }
func (k *keptExtreme) size() int                   { return 64 + k.row.size() }

func (k *keptExtreme) value(who *Person, event uint32) scalar {
	who.event = event
	v, _ := k.of.get(who)
	return v
}

// before tells whether a is further out than b.
func (k *keptExtreme) before(a, b scalar) bool {
	if k.max {
		a, b = b, a
	}
	return smaller(a, b)
}
