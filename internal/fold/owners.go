package fold

import (
	"slices"

	"github.com/embedcdp/cdp/internal/column"
)

// This file keeps whose the events of a chunk are. Every question about events looks that up for each of them, and with millions
// of rows it takes longer than all else. So what was looked up for a whole chunk is kept until an event of it gets
// another owner: a link moves the events of a visitor, which mostly lie in a few chunks.

// owners is what is kept for one type of event.
type owners struct {
	kept  *column.Derived // by the number of links when it was looked up
	moved []int           // by chunk: the number of links when an event of it last got another owner
}

func (o *owners) freeze() owners { return owners{o.kept, slices.Clone(o.moved)} }

// ownersMoved notes that the events of a visitor have another owner, after the links that moved them.
func (s *State) ownersMoved(visitor uint32) {
	for row := range s.ids.From(visitor) {
		for _, t := range s.types {
			if int(row) < t.heads.Len() {
				t.ownersMoved(row, s.ids.Links())
			}
		}
	}
}

func (t *eventType) ownersMoved(row uint32, links int) {
	for i := t.heads.Uint(row); i != 0; i = t.prev.Uint(i - 1) {
		k := int(i-1) / column.ChunkRows
		for len(t.owners.moved) <= k {
			t.owners.moved = append(t.owners.moved, 0)
		}
		t.owners.moved[k] = links
	}
}

// owners returns whose the events of a full chunk are, nil when that is not kept. With keep it is looked up and kept.
func (s *State) owners(t *eventType, k int, keep bool) []uint32 {
	canonical, links := s.ids.Canonicals(), s.ids.Links()
	if canonical == nil || s.past != nil || !t.tab.Full(k) {
		return nil
	}
	moved := 0
	if k < len(t.owners.moved) {
		moved = t.owners.moved[k]
	}
	cells := t.owners.kept.Uints(k, func(then int) bool { return moved <= then && then <= links })
	if cells != nil || !keep {
		return cells
	}
	cells = make([]uint32, column.ChunkRows)
	rows := t.row.UintsOnce(k)
	if rows == nil { // all of them are row 0
		rows = make([]uint32, column.ChunkRows)
	}
	for i, row := range rows {
		cells[i] = canonical.Of(row)
	}
	t.owners.kept.Keep(k, links, cells)
	return cells
}
