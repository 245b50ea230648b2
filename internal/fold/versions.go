package fold

import (
	"hash/maphash"
	"iter"
	"maps"
	"slices"
	"sort"

	"github.com/embedcdp/cdp/internal/cow"
)

// objectVersion is what an object was from an instant on.
type objectVersion struct {
	from  int64
	value []byte // encoded Object with all attributes; nil when the object was deleted
	row   uint32 // of the table
}

// versionList is some or all versions of an object in order of the time from which each holds.
type versionList []objectVersion

// after is the place of the first version that holds from later than an instant.
func (l versionList) after(t int64) int {
	return sort.Search(len(l), func(i int) bool { return l[i].from > t })
}

// before is the version on which one at this time builds: the last not after it.
func (l versionList) before(t int64) []byte {
	if i := l.after(t); i > 0 {
		return l[i-1].value
	}
	return nil
}

// at is the version a reference at this time binds to: the last not after it, else the first later one; nil when there is
// none, or the object was deleted.
func (l versionList) at(t int64) []byte {
	if len(l) == 0 {
		return nil
	}
	return l[max(l.after(t), 1)-1].value
}

// newest is the last version's value; nil when there is none, or the object was deleted.
func (l versionList) newest() (value []byte, from int64) {
	if len(l) == 0 {
		return nil, 0
	}
	last := l[len(l)-1]
	return last.value, last.from
}

// with is the list with one more version at place i. The list itself is not changed: a frozen copy may see it.
func (l versionList) with(i int, v objectVersion) versionList {
	if i == len(l) {
		return append(l, v) // behind what anybody sees
	}
	return slices.Insert(slices.Clone(l), i, v)
}

// objectVersions are the versions of every object of a type, by id, in shards that frozen copies share.
type objectVersions struct {
	shards cow.Blocks[map[string]versionList]
	seed   maphash.Seed
}

const objectShards = 512

func newObjectVersions() objectVersions { return objectVersions{seed: maphash.MakeSeed()} }

func (x *objectVersions) shard(id string) int { return int(maphash.String(x.seed, id) % objectShards) }

// get returns an object's versions, none of one that never was.
func (x *objectVersions) get(id string) versionList {
	if s := x.shards.At(x.shard(id)); s != nil {
		return (*s)[id]
	}
	return nil
}

func (x *objectVersions) set(id string, l versionList) {
	s, copied := x.shards.Edit(x.shard(id))
	switch {
	case *s == nil:
		*s = map[string]versionList{}
	case copied:
		*s = maps.Clone(*s)
	}
	(*s)[id] = l
}

// all yields every object, in no order.
func (x *objectVersions) all() iter.Seq2[string, versionList] {
	return func(yield func(string, versionList) bool) {
		for _, s := range x.shards.All() {
			if s == nil {
				continue
			}
			for id, l := range *s {
				if !yield(id, l) {
					return
				}
			}
		}
	}
}

// freeze returns a copy as of now, which is only read.
func (x *objectVersions) freeze() objectVersions { return objectVersions{x.shards.Freeze(), x.seed} }
