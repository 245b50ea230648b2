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
	customers, visitors := slices.Clone(g.customers.words[:(rows+63)/64]), make([]uint64, (rows+63)/64)
	if tail := rows & 63; tail != 0 {
		customers[len(customers)-1] &= 1<<tail - 1
	}
	for i, word := range customers {
		p.customerN += bits.OnesCount64(word)
		visitors[i] = ^word
	}
	if tail := rows & 63; tail != 0 {
		visitors[len(visitors)-1] &= 1<<tail - 1
	}
	p.customers, p.visitors = bitset{words: customers}, bitset{words: visitors}
	p.rows.n, p.canonical.n = rows, rows
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
	*p.rows.edit(row) = rowState{next: row, tail: row, lastID: g.row(row).lastID}
	*p.canonical.edit(row) = row
}
