package identity

import "slices"

// Resolution is the answer of Resolve. Its slices are used again when it is given to Resolve again.
type Resolution struct {
	// Row is the row to record under. It is an original row: Canonical says whom it belongs to.
	Row uint32
	// Created is true when Row was made by this call.
	Created bool
	// Steps are the calls made on the graph, in order. The caller keeps them to rebuild it.
	Steps []Step
	// Conflicts are identifiers that were left with another customer.
	Conflicts []Conflict
}

// Step is one call on the graph.
type Step struct {
	Do         Do
	Row        uint32     // the new row, the row attached to, or the row linked
	Into       uint32     // of a link
	Identifier Identifier // of an attachment; its bytes are those given to Resolve
}

// Do says which call a Step is.
type Do uint8

const (
	DoNewRow Do = 1
	DoAttach Do = 2
	DoLink   Do = 3
)

// Conflict is an identifier that came with one person's event and belongs to another customer. Nothing is merged.
type Conflict struct {
	Identifier Identifier
	Row        uint32 // the row of the event
	Holder     uint32 // the row that the identifier stays with
}

// Resolve finds or makes the row of an event that carries these identifiers. The order of strength is user id, then
// the others in the order given, then the anonymous ids. An event has one user id and one anonymous
// id; a second user id that is not known is a conflict with the row itself.
//
// The row is that of the strongest identifier that is known. A user id that is not known gets a new row, whatever
// else is known, because a customer never takes a visitor's row. When nothing is known one new row takes the strongest.
// Then each of the rest, in order of strength:
//
//	the identifier is                  and it is not anonymous          and it is anonymous
//	not known                          attach it to the row             attach it to the row if that is a visitor's made by this call,
//	                                                                    else make a row for it and link that into the row's group
//	held in the same group             nothing                          nothing
//	held by a visitor                  link the holder into the row     link the holder into the row
//	held by a customer, row is a       link the row into the holder     conflict: devices are shared
//	  visitor's
//	held by a customer, row is         conflict                         conflict
//	  another customer's
//
// So an event with a user id and an anonymous id is the customer's and links the visitor; one with only the anonymous id is the
// visitor's own, also after that; and an anonymous id that is linked to one customer stays with it when another logs in.
//
// ids holds one identifier or more, each of 1 to MaxID bytes: the caller has checked that, and Resolve panics otherwise.
// ids is put into order of strength. A call that finds all it needs allocates nothing.
func (g *Graph) Resolve(ids []Identifier, res *Resolution) {
	res.Steps, res.Conflicts, res.Created = res.Steps[:0], res.Conflicts[:0], false
	if len(ids) == 0 {
		panic("identity: an event without identifiers has no row")
	}
	slices.SortStableFunc(ids, func(a, b Identifier) int { return strength(a.Kind) - strength(b.Kind) })

	first, known := 0, false
	for i := range ids {
		if res.Row, known = g.Find(ids[i].Kind, ids[i].ID); known || ids[i].Kind == UserID {
			first = i
			break
		}
	}
	if !known {
		res.Row, res.Created = g.newRow(res), true
		g.attach(ids[first], res.Row, res)
	}
	for i := range ids {
		if i != first {
			g.join(ids[i], res)
		}
	}
}

func strength(kind uint8) int {
	switch kind {
	case UserID:
		return 0
	case AnonymousID:
		return 2
	}
	return 1
}

// join brings one more identifier of the event together with its row, by the table above.
func (g *Graph) join(id Identifier, res *Resolution) {
	holder, known := g.Find(id.Kind, id.ID)
	anonymous := id.Kind == AnonymousID
	switch {
	case !known && anonymous && (!res.Created || g.IsCustomer(res.Row)):
		visitor := g.newRow(res)
		g.attach(id, visitor, res)
		g.link(visitor, res.Row, res)
	case !known && id.Kind == UserID:
		res.Conflicts = append(res.Conflicts, Conflict{Identifier: id, Row: res.Row, Holder: res.Row})
	case !known:
		g.attach(id, res.Row, res)
	case g.Canonical(holder) == g.Canonical(res.Row):
	case !g.IsCustomer(holder):
		g.link(holder, res.Row, res)
	case !g.IsCustomer(res.Row) && !anonymous:
		g.link(res.Row, holder, res)
	default:
		res.Conflicts = append(res.Conflicts, Conflict{Identifier: id, Row: res.Row, Holder: holder})
	}
}

func (g *Graph) newRow(res *Resolution) uint32 {
	row := g.NewRow()
	res.Steps = append(res.Steps, Step{Do: DoNewRow, Row: row})
	return row
}

func (g *Graph) attach(id Identifier, row uint32, res *Resolution) {
	if err := g.Attach(id.Kind, id.ID, row); err != nil {
		panic(err) // the case was decided before, so the graph or the rule is wrong
	}
	res.Steps = append(res.Steps, Step{Do: DoAttach, Row: row, Identifier: id})
}

func (g *Graph) link(row, into uint32, res *Resolution) {
	if err := g.Link(row, into); err != nil {
		panic(err)
	}
	res.Steps = append(res.Steps, Step{Do: DoLink, Row: row, Into: into})
}
