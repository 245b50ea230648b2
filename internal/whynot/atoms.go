package whynot

import (
	"slices"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/roweval"
)

// atom is a condition that is not made of others by and, or, not or a choice.
type atom struct {
	reading
	expr ast.Expr
	prog *roweval.Program
	said map[byte]bool   // what it says as things are, or after a change of one literal
	more map[string]byte // what it says of a person with more events, by what it sees of these
}

// split takes a condition apart.
func split(e *celenv.Expr) (out []*atom, err error) {
	var walk func(ast.Expr)
	walk = func(n ast.Expr) {
		if n.Kind() == ast.CallKind {
			switch c := n.AsCall(); c.FunctionName() {
			case operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot, operators.Conditional:
				for _, arg := range c.Args() {
					walk(arg)
				}
				return
			}
		}
		prog, problem := compile(e, e.Text(n))
		if problem != nil {
			err = problem
		}
		out = append(out, &atom{expr: n, prog: prog})
	}
	walk(e.Surface())
	return out, err
}

// compile makes a part of a condition, or a changed one, a program of its own.
func compile(of *celenv.Expr, text string) (*roweval.Program, error) {
	e, err := celenv.Compile(of.Catalogue(), of.Scope(), text)
	if err != nil {
		return nil, err
	}
	return roweval.New(e)
}

// outcome is what a condition says: 't', 'f', or 'e' for an error, which absent values are.
func (s *search) outcome(p *roweval.Program, in roweval.Input) byte {
	r := p.Eval(in)
	s.steps += s.each + int(r.Steps/turnsAStep)
	switch {
	case r.Err != nil:
		return 'e'
	case r.True():
		return 't'
	}
	return 'f'
}

// outcomes is what every atom says of a person after changes. What a change does not touch is not asked again.
func (s *search) outcomes(in roweval.Input, changes ...Change) string {
	out := make([]byte, len(s.atoms))
	for i, a := range s.atoms {
		switch {
		case s.base != "" && !slices.ContainsFunc(changes, a.reads):
			out[i] = s.base[i]
		case len(changes) == 1 && changes[0].Kind == MoreEvents:
			out[i] = s.withMore(a, in, changes[0])
		default:
			out[i] = s.outcome(a.prog, in)
		}
	}
	return string(out)
}

// withMore asks once about all additions that look the same to the atom.
func (s *search) withMore(a *atom, in roweval.Input, c Change) byte {
	key := a.sees(c)
	said, known := a.more[key]
	if !known {
		said = s.outcome(a.prog, in)
		a.more[key] = said
	}
	return said
}

// turns tells whether changes of the person turn the answer. The whole is asked only for outcomes it was not asked for.
func (s *search) turns(changes ...Change) (outcomes string, turns bool) {
	in := s.in
	in.Person = s.changed(changes)
	outcomes = s.outcomes(in, changes...)
	now, known := s.truth[outcomes]
	if !known {
		now = s.outcome(s.prog, in) == 't'
		s.truth[outcomes] = now
	}
	return outcomes, now != s.member
}
