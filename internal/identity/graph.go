// Package identity says which profile an identifier belongs to, and which profiles are one person.
//
// A profile is a dense row number. An identifier (a kind and a string) is attached to one row for ever. Linking puts the
// group of one row into the group of another: canonical says whom a row belongs to now, and every row keeps its
// number, its identifiers and its events. A customer is a row that holds a user id; every other row is a visitor. A customer
// is the canonical row of its group, so a group has at most one.
//
// The graph is rebuilt by the same calls of NewRow, Attach and Link in the same order. The caller keeps them in tables;
// undoing a merge is a rebuild without that Link. All of NewRow, then all of Attach, then all of Link gives the same
// graph too, as long as user ids go to rows that are not linked yet, which is what Resolve does.
//
// Nothing here locks: any number of goroutines may read while none writes, and a frozen copy may be read at any time.
package identity

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/bits"
	"slices"
)

// Kinds with a meaning here. All others (email, phone, device, …) are numbers that the caller gives out.
const (
	UserID      uint8 = 0 // the customer id
	AnonymousID uint8 = 1 // a browser's or an app installation's id, made before the person is known
)

// MaxID is the longest identifier in bytes.
const MaxID = 4096

var (
	// ErrTwoCustomers is returned when two customers would become one. They are told apart by their user ids, so
	// correct the ids where they come from.
	ErrTwoCustomers = errors.New("identity: both rows belong to customers, and two customers are never merged")
	// ErrCustomerMoves is returned when a customer would join a visitor's group. Link the visitor into the customer.
	ErrCustomerMoves = errors.New("identity: a customer does not join a visitor: link the visitor into the customer")
	// ErrTaken is returned for an identifier that is attached already.
	ErrTaken = errors.New("identity: the identifier is attached already, and it stays with its row")
)

// Identifier is one name of a person.
type Identifier struct {
	Kind uint8
	ID   []byte
}

// Graph holds all rows and identifiers.
type Graph struct {
	rows      paged[rowState]
	canonical paged[uint32] // by row: whom it belongs to. Questions look it up for each event, so it lies by itself
	ids       arena
	index     index
	customers bitset // a bit a row
	visitors  bitset // canonical rows that are no customers
	customerN int
	groups    int
	links     int    // made so far
	until     uint32 // identifiers attached later are not there: see Before
}

type rowState struct {
	next   uint32 // ring of the group, in order of linking
	tail   uint32 // of a canonical row: the last one of the ring
	lastID uint32 // the identifier attached last, 0 when there is none
}

// New returns an empty graph.
func New() *Graph { return &Graph{index: newIndex(), until: math.MaxUint32} }

// NewRow adds a visitor without identifiers and returns its row: 0, 1, 2 and so on.
func (g *Graph) NewRow() uint32 {
	row := uint32(g.rows.n)
	g.rows.append(rowState{next: row, tail: row})
	g.canonical.append(row)
	g.customers.grow(row)
	g.visitors.grow(row)
	g.visitors.set(row, true)
	g.groups++
	return row
}

// Rows returns the number of rows.
func (g *Graph) Rows() int { return g.rows.n }

// Customers returns the number of rows that hold a user id.
func (g *Graph) Customers() int { return g.customerN }

// Profiles returns the number of groups: customers, and visitors that are linked to none.
func (g *Graph) Profiles() int { return g.groups }

// Find returns the row that the identifier is attached to. It allocates nothing.
func (g *Graph) Find(kind uint8, id []byte) (row uint32, ok bool) {
	row, _, ok = g.find(kind, id)
	return row, ok
}

func (g *Graph) find(kind uint8, id []byte) (row, address uint32, ok bool) {
	h := g.index.hash(kind, id)
	p := g.index.probe(h)
	for {
		at, ok := p.next()
		if !ok {
			return 0, 0, false
		}
		if at > g.until {
			continue
		}
		if a := g.ids.get(at); a.Kind == kind && bytes.Equal(a.ID, id) {
			return a.row, at, true
		}
	}
}

// Attach gives a row an identifier; id is copied. The row becomes a customer by its user id.
func (g *Graph) Attach(kind uint8, id []byte, row uint32) error {
	if len(id) == 0 || len(id) > MaxID {
		return fmt.Errorf("identity: an identifier of %d bytes: from 1 to %d are taken", len(id), MaxID)
	}
	if _, ok := g.Find(kind, id); ok {
		return ErrTaken
	}
	r := g.edit(row)
	if kind == UserID {
		switch {
		case g.IsCustomer(row):
			return ErrTwoCustomers
		case g.Canonical(row) != row:
			return ErrCustomerMoves
		}
		g.customers.set(row, true)
		g.visitors.set(row, false)
		g.customerN++
	}
	r.lastID = g.ids.put(attached{Identifier: Identifier{kind, id}, row: row, before: r.lastID})
	g.index.add(g.index.hash(kind, id), r.lastID)
	return nil
}

// Canonical returns the row that this row belongs to now: a customer's, for every row linked into it.
func (g *Graph) Canonical(row uint32) uint32 { return *g.canonical.at(g.known(row)) }

// IsCustomer says whether the row's group is a customer's.
func (g *Graph) IsCustomer(row uint32) bool {
	return g.customers.has(g.Canonical(row))
}

// Members returns all rows of the row's group: the canonical one, then the others in the order in which they joined.
func (g *Graph) Members(row uint32) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		first := g.Canonical(row)
		for m := first; yield(m); {
			if m = g.row(m).next; m == first {
				return
			}
		}
	}
}

// Identifiers returns all identifiers of the row's group in order of attachment. The caller does not change them.
func (g *Graph) Identifiers(row uint32) []Identifier {
	var order []uint32
	for m := range g.Members(row) {
		for at := g.row(m).lastID; at != 0; at = g.ids.get(at).before {
			if at <= g.until {
				order = append(order, at)
			}
		}
	}
	slices.Sort(order)
	out := make([]Identifier, len(order))
	for i, at := range order {
		out[i] = g.ids.get(at).Identifier
	}
	return out
}

// From returns the rows of a group from one of them on, in the order in which they joined.
func (g *Graph) From(row uint32) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		first := g.Canonical(row)
		for m := row; yield(m); {
			if m = g.row(m).next; m == first {
				return
			}
		}
	}
}

// Links returns how many links were made.
func (g *Graph) Links() int { return g.links }

// Link puts the whole group of row into the group of into, whose canonical row stays. Linking rows of one group changes
// nothing. The cost is the number of rows that move.
func (g *Graph) Link(row, into uint32) error {
	from, to := g.Canonical(row), g.Canonical(into)
	if from == to {
		return nil
	}
	if g.IsCustomer(from) {
		if g.IsCustomer(to) {
			return ErrTwoCustomers
		}
		return ErrCustomerMoves
	}
	last, end := g.row(from).tail, g.row(to).tail
	for m := range g.Members(from) {
		*g.canonical.edit(m) = to
	}
	g.visitors.set(from, false)
	g.edit(end).next = from
	g.edit(last).next = to
	g.edit(to).tail = last
	g.groups--
	g.links++
	return nil
}

// Canonicals says whom each row belongs to, for who looks up many. It is read for as long as the graph may be read.
type Canonicals []*[pageSize]uint32

// Of returns whom a row belongs to.
func (c Canonicals) Of(row uint32) uint32 { return c[row>>pageBits][row&(pageSize-1)] }

// Canonicals returns whom each row belongs to now, nil when every row is its own.
func (g *Graph) Canonicals() Canonicals {
	if g.links == 0 {
		return nil
	}
	return g.canonical.pages.All()
}

// People returns the canonical rows of customers, or of visitors who are linked to none, as bits: row r is bit r%64 of word
// r/64. The caller does not change it, and reads it for as long as the graph may be read.
func (g *Graph) People(visitors bool) []uint64 {
	if visitors {
		return g.visitors.words
	}
	return g.customers.words
}

// End returns the row behind the last canonical one.
func (g *Graph) End() uint32 {
	for w := len(g.visitors.words) - 1; w >= 0; w-- {
		if word := g.visitors.words[w] | g.customers.words[w]; word != 0 {
			return uint32(w<<6 + bits.Len64(word))
		}
	}
	return 0
}

// Freeze returns a read-only copy as of now, which may be read while the graph changes. It shares memory with the graph,
// which from then on copies what it changes, 16 to 64 KiB at a time. Find does not work on it.
func (g *Graph) Freeze() *Graph {
	return &Graph{rows: g.rows.freeze(), canonical: g.canonical.freeze(), ids: arena{slices.Clone(g.ids.blocks)},
		customers: g.customers.freeze(), visitors: g.visitors.freeze(),
		customerN: g.customerN, groups: g.groups, links: g.links, until: g.until}
}

func (g *Graph) edit(row uint32) *rowState {
	return g.rows.edit(g.known(row))
}

func (g *Graph) row(row uint32) *rowState { return g.rows.at(g.known(row)) }

func (g *Graph) known(row uint32) uint32 {
	if int(row) >= g.rows.n {
		panic(fmt.Sprintf("identity: row %d of %d", row, g.rows.n))
	}
	return row
}
