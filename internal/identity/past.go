package identity

import (
	"math/bits"
	"slices"
)

// Before returns the graph as it was before some rows and identifiers came, with no links: the caller makes those that
// were there, with Link. rows is how many rows there were, last the identifier that was attached last (none when it has no
// ID). With only, the graph holds these rows and no others, and costs what they cost; asking it about another row panics.
//
// The graph shares its identifiers with g: it is read when g may be read, nothing is attached to it, and what is attached to
// g afterwards it does not see. That a row is a customer is known from its first identifier on, since Resolve gives user ids
// to new rows only; so it needs no history.
func (g *Graph) Before(rows int, last Identifier, only []uint32) *Graph {
	p := &Graph{ids: g.ids, index: g.index, groups: rows}
	if len(last.ID) > 0 {
		if _, address, ok := g.find(last.Kind, last.ID); ok {
			p.until = address
		}
	}
	p.customers = slices.Clone(g.customers[:(rows+63)/64])
	if tail := rows & 63; tail != 0 {
		p.customers[len(p.customers)-1] &= 1<<tail - 1
	}
	for _, word := range p.customers {
		p.customerN += bits.OnesCount64(word)
	}
	pages := (rows + pageSize - 1) / pageSize
	p.rows = paged[rowState]{pages: make([]*[pageSize]rowState, pages), shared: make([]bool, pages), n: rows}
	if only != nil {
		for _, row := range only {
			p.alone(g, row)
		}
		return p
	}
	for row := range uint32(rows) {
		p.alone(g, row)
	}
	return p
}

// alone enters a row that is linked to none, with the identifiers it has in g.
func (p *Graph) alone(g *Graph, row uint32) {
	if page := &p.rows.pages[row>>pageBits]; *page == nil {
		*page = new([pageSize]rowState)
	}
	*p.rows.at(row) = rowState{canonical: row, next: row, tail: row, lastID: g.row(row).lastID}
}
