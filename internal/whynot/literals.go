package whynot

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"time"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/value"
)

// use is how a literal of the condition is used; those used in another way (names of segments, units) are not changed.
type use uint8

const (
	compared use = iota + 1
	span         // a duration: "30d"
	instant      // the argument of timestamp()
)

// literal is a literal that may be changed.
type literal struct {
	node, parent ast.Expr
	use          use
}

var comparisons = map[string]bool{operators.Equals: true, operators.NotEquals: true, operators.Less: true, operators.LessEquals: true,
	operators.Greater: true, operators.GreaterEquals: true, operators.In: true}

// literalsIn lists the literals of a part that may be changed.
func literalsIn(part ast.Expr) (out []literal) {
	var walk func(n, parent ast.Expr)
	walk = func(n, parent ast.Expr) {
		switch n.Kind() {
		case ast.LiteralKind:
			if u := useOf(n, parent); u != 0 {
				out = append(out, literal{n, parent, u})
			}
		case ast.SelectKind:
			walk(n.AsSelect().Operand(), n)
		case ast.CallKind:
			c := n.AsCall()
			if c.IsMemberFunction() {
				walk(c.Target(), n)
			}
			for _, arg := range c.Args() {
				walk(arg, n)
			}
		case ast.ListKind:
			if parent != nil && parent.Kind() == ast.CallKind && parent.AsCall().FunctionName() == operators.In {
				for _, e := range n.AsList().Elements() {
					walk(e, parent)
				}
			}
		}
	}
	walk(part, nil)
	return out
}

func useOf(n, parent ast.Expr) use {
	if parent == nil || parent.Kind() != ast.CallKind {
		return 0
	}
	switch f := parent.AsCall().FunctionName(); {
	case comparisons[f]:
		return compared
	case f == "within" || f == "ago" || f == "duration" || f == "sequence":
		if _, _, ok := parseSpan(n.AsLiteral()); ok {
			return span
		}
	case f == "timestamp":
		return instant
	}
	return 0
}

var units = map[byte]int64{'s': 1e6, 'm': 60e6, 'h': 3600e6, 'd': 86400e6, 'w': 7 * 86400e6}

// parseSpan reads a duration of one unit.
func parseSpan(v ref.Val) (n int64, unit byte, ok bool) {
	s, isText := v.(types.String)
	if !isText || len(s) < 2 {
		return 0, 0, false
	}
	unit = s[len(s)-1]
	n, err := strconv.ParseInt(string(s[:len(s)-1]), 10, 32)
	return n, unit, err == nil && units[unit] != 0
}

// literalsOf puts the condition's literals into the pools.
func (p *pools) literalsOf(e *celenv.Expr) {
	for _, l := range literalsIn(e.Surface()) {
		switch v := l.node.AsLiteral().(type) {
		case types.Int:
			p.literals[value.Number] = append(p.literals[value.Number], value.Num(float64(v)))
		case types.Double:
			p.literals[value.Number] = append(p.literals[value.Number], value.Num(float64(v)))
		case types.String:
			switch l.use {
			case compared:
				p.literals[value.String] = append(p.literals[value.String], value.Str(string(v)))
			case span:
				n, unit, _ := parseSpan(v)
				p.spans = append(p.spans, n*units[unit])
			case instant:
				if t, ok := schema.ParseTime(string(v)); ok {
					p.literals[value.Datetime] = append(p.literals[value.Datetime], value.Micros(t))
				}
			}
		}
	}
}

// edits are the changes of one literal after which its atom says something else: for each literal and each thing the atom
// can say, the nearest value.
func (s *search) edits(stop func() bool) (out []Change) {
	for i, a := range s.atoms {
		a.said = map[byte]bool{s.base[i]: true}
		for _, l := range literalsIn(a.expr) {
			said := map[byte]bool{s.base[i]: true}
			for _, to := range s.alternatives(l) {
				if !s.goOn(stop) {
					return out
				}
				if o, ok := s.outcomeWith(a, []literal{l}, to); ok && !said[o] {
					said[o], a.said[o] = true, true
					out = append(out, s.edit(l, to))
				}
			}
		}
	}
	return out
}

// outcomeWith is what an atom says with other values in the place of literals; false when one is of a type that does not fit.
func (s *search) outcomeWith(a *atom, literals []literal, to ...ref.Val) (byte, bool) {
	changed := factory.CopyExpr(a.expr)
	for i, l := range literals {
		replace(changed, l.node.ID(), to[i])
	}
	prog, err := compile(s.prog.Expr(), s.prog.Expr().Text(changed))
	if err != nil {
		return 0, false
	}
	return s.outcome(prog, s.in), true
}

func (s *search) edit(l literal, to ref.Val) Change {
	return Change{Kind: Literal, at: l.node.ID(), to: to, Part: s.prog.Expr().Text(l.parent), From: s.prog.Expr().Text(l.node), To: s.write(to)}
}

// alternatives are the values to try in the place of a literal, the nearest first.
func (s *search) alternatives(l literal) (out []ref.Val) {
	switch v := l.node.AsLiteral().(type) {
	case types.Bool:
		return []ref.Val{!v}
	case types.Int:
		return s.numbersNear(float64(v), true)
	case types.Double:
		return s.numbersNear(float64(v), false)
	case types.String:
		switch l.use {
		case compared:
			for _, t := range append(slices.Clone(s.texts), "other", "another") {
				if t != string(v) {
					out = append(out, types.String(t))
				}
			}
		case instant:
			if t, ok := schema.ParseTime(string(v)); ok {
				for _, u := range near(t, s.timesAround()) {
					out = append(out, types.String(time.UnixMicro(u).UTC().Format(time.RFC3339Nano)))
				}
			}
		case span:
			n, unit, _ := parseSpan(v)
			var counts []int64
			for _, t := range s.times {
				age := (s.in.Now - t) / units[unit]
				counts = append(counts, age, age+1)
			}
			for _, c := range near(n, counts) {
				if c > 0 {
					out = append(out, types.String(strconv.FormatInt(c, 10)+string(unit)))
				}
			}
		}
	}
	return out[:min(len(out), maxNumbers)]
}

func (s *search) timesAround() (out []int64) {
	for _, t := range append(s.times, s.in.Now) {
		out = append(out, t-1, t, t+1)
	}
	return out
}

func (s *search) numbersNear(l float64, whole bool) (out []ref.Val) {
	var all []float64
	for _, n := range append(slices.Clone(s.numbers), l) {
		all = append(all, math.Floor(n)-1, math.Floor(n), n, math.Ceil(n), math.Ceil(n)+1)
	}
	for _, n := range near(l, all) {
		if whole && n == math.Trunc(n) && math.Abs(n) < 1<<53 {
			out = append(out, types.Int(n))
		} else {
			out = append(out, types.Double(n))
		}
	}
	return out[:min(len(out), maxNumbers)]
}

// near sorts values by their distance, the lower first of two as near, and leaves out the one itself.
func near[T int64 | float64](from T, all []T) []T {
	all = slices.DeleteFunc(unique(all), func(v T) bool { return v == from })
	distance := func(v T) T { return max(v-from, from-v) }
	slices.SortStableFunc(all, func(a, b T) int { return cmp.Compare(distance(a), distance(b)) })
	return all
}

var factory = ast.NewExprFactory()

func replace(in ast.Expr, id int64, to ref.Val) {
	ast.PreOrderVisit(in, ast.NewExprVisitor(func(n ast.Expr) {
		if n.ID() == id && n.Kind() == ast.LiteralKind {
			n.SetKindCase(factory.NewLiteral(id, to))
		}
	}))
}

// write is a literal as CEL.
func (s *search) write(v ref.Val) string { return s.prog.Expr().Text(factory.NewLiteral(0, v)) }

// turnsWith tells whether the condition with these literals changed gives another answer, and how it is written then.
func (s *search) turnsWith(changes ...Change) (where string, turns bool) {
	whole := factory.CopyExpr(s.prog.Expr().Surface())
	for _, c := range changes {
		replace(whole, c.at, c.to)
	}
	where = s.prog.Expr().Text(whole)
	prog, err := compile(s.prog.Expr(), where)
	return where, err == nil && (s.outcome(prog, s.in) == 't') != s.member
}
