package celenv

import (
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
)

// numbers settles what integer literals are. A Number is a double, and CEL has no arithmetic or equality between an
// int and a double, so `customer.age == 18` would not compile. A literal that meets a double becomes one; a count that
// meets a double, as in `events.a.size() / customer.n`, is converted. What meets only integers stays an int.
type numbers struct {
	*resolver
	types *nodeTypes // by the first check, in which literals fit anything
	over  []overVar  // macros' variables and the lists they run over
	known []settled  // by id, so far, which keeps the work linear
}

type overVar struct {
	name string
	list ast.Expr
}

type numKind uint8

const (
	noNumber numKind = iota
	flexible         // made of literals alone
	integer
	double
)

// kinds is the kind of a number, or of a list's elements.
type kinds struct{ self, elem numKind }

type settled struct {
	yes bool
	as  kinds
}

// run settles the whole expression. The second pass reaches literals beside a variable whose list turned out, later in
// the text, to hold doubles.
func (n *numbers) run(root ast.Expr) {
	for range 2 {
		n.known = make([]settled, n.next+1)
		n.settle(root)
	}
}

func (n *numbers) settle(e ast.Expr) kinds {
	if id := e.ID(); int(id) < len(n.known) && n.known[id].yes {
		return n.known[id].as
	}
	k := n.look(e)
	n.know(e, k)
	return k
}

func (n *numbers) know(e ast.Expr, k kinds) {
	for int(e.ID()) >= len(n.known) {
		n.known = append(n.known, settled{})
	}
	n.known[e.ID()] = settled{true, k}
}

func (n *numbers) look(e ast.Expr) kinds {
	switch e.Kind() {
	case ast.LiteralKind:
		switch e.AsLiteral().(type) {
		case types.Int:
			if n.literals[e.ID()] != nil {
				return kinds{self: flexible}
			}
			return kinds{self: integer}
		case types.Double:
			return kinds{self: double}
		}
		return kinds{}
	case ast.IdentKind:
		return n.ident(e)
	case ast.SelectKind:
		n.settle(e.AsSelect().Operand())
		return n.declared(e)
	case ast.ListKind:
		return kinds{elem: n.unify(e.AsList().Elements())}
	case ast.MapKind:
		var values []ast.Expr
		for _, entry := range e.AsMap().Entries() {
			n.settle(entry.AsMapEntry().Key())
			values = append(values, entry.AsMapEntry().Value())
		}
		return kinds{elem: n.unify(values)}
	case ast.ComprehensionKind:
		return n.comprehension(e)
	case ast.CallKind:
		return n.call(e)
	}
	return kinds{}
}

// declared is what the checker found.
func (n *numbers) declared(e ast.Expr) kinds {
	if n.counts[e.ID()] != nil {
		return kinds{self: integer}
	}
	t := n.types.of(e.ID())
	k := kinds{self: kindOf(t)}
	if t != nil && (t.Kind() == types.ListKind || t.Kind() == types.MapKind) {
		k.elem = kindOf(t.Parameters()[len(t.Parameters())-1])
	}
	return k
}

func kindOf(t *types.Type) numKind {
	switch {
	case t == nil:
	case t.Kind() == types.IntKind, t.Kind() == types.DynKind:
		return integer // what the first check leaves open are literals in lists of lists: whole numbers, or nothing
	case t.Kind() == types.DoubleKind:
		return double
	}
	return noNumber
}

func (n *numbers) ident(e ast.Expr) kinds {
	for i := len(n.over) - 1; i >= 0; i-- {
		if n.over[i].name == e.AsIdent() {
			if k := n.settle(n.over[i].list); k.elem != noNumber {
				return kinds{self: k.elem}
			}
			break
		}
	}
	return n.declared(e)
}

func (n *numbers) comprehension(e ast.Expr) kinds {
	c := e.AsComprehension()
	n.settle(c.IterRange())
	n.over = append(n.over, overVar{c.IterVar(), c.IterRange()})
	n.settle(c.AccuInit())
	n.settle(c.LoopStep())
	k := n.declared(e)
	if elem := appended(e); elem != nil {
		k.elem = n.settle(elem).self
	}
	n.over = n.over[:len(n.over)-1]
	n.settle(c.Result())
	return k
}

// appended is what a macro that makes a list puts into it, or nil.
func appended(e ast.Expr) ast.Expr {
	step := e.AsComprehension().LoopStep()
	for _, want := range []string{operators.Conditional, operators.Add} {
		if step.Kind() == ast.CallKind && step.AsCall().FunctionName() == want {
			step = step.AsCall().Args()[1]
		}
	}
	if step.Kind() != ast.ListKind || step.AsList().Size() != 1 {
		return nil
	}
	return step.AsList().Elements()[0]
}

func (n *numbers) call(e ast.Expr) kinds {
	c := e.AsCall()
	args := c.Args()
	switch c.FunctionName() {
	case operators.Add, operators.Subtract, operators.Multiply, operators.Divide, operators.Modulo:
		k := n.unify(args)
		if k == noNumber { // lists, strings, times
			return kinds{elem: n.settle(args[0]).elem}
		}
		return kinds{self: k}
	case operators.Negate:
		return n.settle(args[0])
	case operators.Equals, operators.NotEquals:
		n.branches(args[0], args[1])
		return kinds{}
	case operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		// int and double compare as they are; only what a literal stands for is settled
		a, b := n.settle(args[0]).self, n.settle(args[1]).self
		if a == double && b == flexible {
			n.toDouble(args[1])
		}
		if b == double && a == flexible {
			n.toDouble(args[0])
		}
		return kinds{}
	case operators.In:
		a, b := n.settle(args[0]), n.settle(args[1])
		if a.self == double && (b.elem == flexible || b.elem == integer) {
			n.elemsToDouble(args[1])
		}
		if b.elem == double && (a.self == flexible || a.self == integer) {
			n.toDouble(args[0])
		}
		return kinds{}
	case operators.Conditional:
		n.settle(args[0])
		return n.branches(args[1], args[2])
	case operators.Index:
		n.settle(args[1])
		if k := n.settle(args[0]); k.elem != noNumber {
			return kinds{self: k.elem}
		}
		return n.declared(e)
	case FnSum, FnAvg:
		if k := n.settle(args[1]).elem; k == flexible || k == integer {
			n.elemsToDouble(args[1])
		}
		return kinds{self: double}
	case FnOrAbsent, FnMin, FnMax, FnMostFrequent, FnFirst, FnLast, FnCompact:
		k := n.settle(args[1])
		switch c.FunctionName() {
		case FnOrAbsent, FnCompact:
			return k
		}
		return kinds{self: k.elem}
	}
	if c.IsMemberFunction() {
		n.settle(c.Target())
	}
	for _, arg := range args {
		n.settle(arg)
	}
	return n.declared(e)
}

// branches brings two values, numbers or lists of numbers, to one kind.
func (n *numbers) branches(a, b ast.Expr) kinds {
	ka, kb := n.settle(a), n.settle(b)
	if ka.elem != kb.elem {
		switch {
		case ka.elem == double:
			n.elemsToDouble(b)
		case kb.elem == double:
			n.elemsToDouble(a)
		}
		return kinds{elem: max(ka.elem, kb.elem)}
	}
	if ka.elem != noNumber {
		return ka
	}
	return kinds{self: n.unify([]ast.Expr{a, b})}
}

// unify makes all of several numbers doubles when one of them is.
func (n *numbers) unify(parts []ast.Expr) numKind {
	all := noNumber
	was := make([]numKind, len(parts))
	for i, p := range parts {
		was[i] = n.settle(p).self
		all = max(all, was[i])
	}
	if all == double {
		for i, p := range parts {
			if was[i] == flexible || was[i] == integer {
				n.toDouble(p)
			}
		}
	}
	return all
}

// toDouble makes an expression a double: its literals where it is made of them, else by conversion.
func (n *numbers) toDouble(e ast.Expr) {
	defer func() { n.know(e, kinds{self: double}) }()
	switch e.Kind() {
	case ast.LiteralKind:
		if v, ok := e.AsLiteral().(types.Int); ok && n.literals[e.ID()] != nil {
			e.SetKindCase(n.fac.NewLiteral(e.ID(), types.Double(v)))
			return
		}
	case ast.IdentKind:
		for i := len(n.over) - 1; i >= 0; i-- {
			if n.over[i].name == e.AsIdent() {
				if n.settle(n.over[i].list).elem == flexible {
					n.elemsToDouble(n.over[i].list)
					return
				}
				break
			}
		}
	case ast.CallKind:
		args := e.AsCall().Args()
		switch e.AsCall().FunctionName() {
		case operators.Add, operators.Subtract, operators.Multiply, operators.Divide:
			if n.settle(e).self == flexible {
				n.toDouble(args[0])
				n.toDouble(args[1])
				return
			}
		case operators.Negate:
			n.toDouble(args[0])
			return
		case operators.Conditional:
			n.branchToDouble(args[1])
			n.branchToDouble(args[2])
			return
		case FnOrAbsent:
			n.toDouble(args[1])
			return
		case FnMin, FnMax, FnMostFrequent, FnFirst, FnLast:
			if n.settle(args[1]).elem == flexible {
				n.elemsToDouble(args[1])
				return
			}
		}
	}
	inner := n.wrap(e, overloads.TypeConvertDouble)
	n.types.set(inner.ID(), n.types.of(e.ID()))
	n.types.set(e.ID(), types.DoubleType)
	delete(n.counts, e.ID())
}

func (n *numbers) branchToDouble(e ast.Expr) {
	if n.settle(e).self != double {
		n.toDouble(e)
	}
}

// elemsToDouble does so for the elements of a list.
func (n *numbers) elemsToDouble(e ast.Expr) {
	defer func() { n.know(e, kinds{elem: double}) }()
	switch e.Kind() {
	case ast.ListKind:
		for _, el := range e.AsList().Elements() {
			n.branchToDouble(el)
		}
	case ast.ComprehensionKind:
		if el := appended(e); el != nil {
			c := e.AsComprehension()
			n.over = append(n.over, overVar{c.IterVar(), c.IterRange()})
			n.branchToDouble(el)
			n.over = n.over[:len(n.over)-1]
		}
	case ast.CallKind:
		args := e.AsCall().Args()
		switch e.AsCall().FunctionName() {
		case FnCompact:
			n.elemsToDouble(args[1])
		case operators.Conditional:
			n.elemsToDouble(args[1])
			n.elemsToDouble(args[2])
		case operators.Add:
			n.elemsToDouble(args[0])
			n.elemsToDouble(args[1])
		}
	}
}
