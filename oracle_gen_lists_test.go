package cdp_test

import (
	"fmt"
	"strings"
)

func (m *termMaker) memberOf(depth int) naiveTerm {
	var item naiveTerm
	var among []naiveTerm
	if m.chance(2) {
		item = m.number(depth)
		for range 1 + m.r.IntN(3) {
			among = append(among, literalNumber(pick(m.r, naiveNumbers[1:]...)))
		}
	} else {
		item = m.str(depth)
		for range 1 + m.r.IntN(3) {
			among = append(among, literalText(pick(m.r, naiveTexts...)))
		}
	}
	texts := make([]string, len(among))
	for i, a := range among {
		texts[i] = a.text
	}
	return strict("(%s in ["+strings.Join(texts, ", ")+"])", func(f *naiveFrame, v []any) (any, bool) {
		for _, a := range among {
			if x, _ := a.eval(f); x == v[0] {
				return true, true
			}
		}
		return false, true
	}, item)
}

// listTest asks about a list attribute: of the profile with errors, of an event without.
func (m *termMaker) listTest(depth int) naiveTerm {
	typ := pick(m.r, "[]number", "[]string", "[]datetime", "[]object")
	s := m.subjects[len(m.subjects)-1]
	name := m.named(s, typ)
	if name == "" {
		return literalTerm("false", false)
	}
	list := naiveTerm{s.text + "." + name, func(f *naiveFrame) (any, bool) { return naiveSelect(s.get(f), name) }}
	if m.chance(3) {
		return comparison(strict("%s.size()", func(_ *naiveFrame, v []any) (any, bool) { return float64(len(v[0].([]any))), true }, list), m.op(), literalNumber(float64(m.r.IntN(3))))
	}
	i := m.bound
	item := fmt.Sprintf("i%d", i)
	element := naiveTerm{item, func(f *naiveFrame) (any, bool) { return f.vars[i], true }}
	m.bound++
	var cond naiveTerm
	switch typ {
	case "[]number":
		cond = comparison(element, m.op(), m.number(0))
	case "[]string":
		cond = comparison(element, pick(m.r, "==", "!="), m.str(0))
	case "[]datetime":
		cond = comparison(element, pick(m.r, "<", ">=", "=="), m.time(0))
	default:
		key := func(k naiveAttr) naiveTerm {
			return naiveTerm{item + "." + k.name, func(f *naiveFrame) (any, bool) { return naiveSelect(f.vars[i], k.name) }}
		}
		cond = comparison(key(naiveKeys[1]), m.op(), m.number(0))
		if m.chance(2) {
			cond = or(cond, comparison(key(naiveKeys[0]), "==", m.str(0)))
		}
	}
	m.bound--
	function := pick(m.r, "exists", "all")
	return strict("%s."+function+"("+item+", "+escape(cond.text)+")", func(f *naiveFrame, v []any) (any, bool) {
		decides := function == "exists"
		if !s.inEvent {
			return naiveQuantifier(f, v[0].([]any), cond, decides)
		}
		for _, el := range v[0].([]any) {
			if f.holds(el, cond) == decides {
				return decides, true
			}
		}
		return !decides, true
	}, list)
}

// listMember is whether a list attribute holds something, or is equal to a list that is written out.
func (m *termMaker) listMember(depth int) naiveTerm {
	if m.chance(3) {
		list, ok := m.attribute("[]number")
		if !ok {
			return literalTerm("true", true)
		}
		want := make([]any, 1+m.r.IntN(2))
		texts := make([]string, len(want))
		for i := range want {
			n := pick(m.r, naiveNumbers[1:]...)
			want[i], texts[i] = n, literalNumber(n).text
		}
		op := pick(m.r, "==", "!=")
		return strict("(%s "+op+" ["+strings.Join(texts, ", ")+"])", func(_ *naiveFrame, v []any) (any, bool) {
			return (fmt.Sprint(v[0]) == fmt.Sprint(want)) == (op == "=="), true
		}, list)
	}
	typ, item := "[]string", m.str(depth)
	if m.chance(2) {
		typ, item = "[]number", m.number(depth)
	}
	list, ok := m.attribute(typ)
	if !ok {
		return literalTerm("true", true)
	}
	return strict("(%s in %s)", func(_ *naiveFrame, v []any) (any, bool) {
		for _, x := range v[1].([]any) {
			if x == v[0] {
				return true, true
			}
		}
		return false, true
	}, item, list)
}

// mapped is a list of what events have: absent values are left out.
func (m *termMaker) mapped(depth int) naiveTerm {
	list, typ := m.events(depth - 1)
	name, value := m.inside(typ, func() naiveTerm { return m.plain("number", depth-1) })
	values := strict("%s.map("+name+", "+escape(value.text)+")", func(f *naiveFrame, v []any) (any, bool) {
		vals := []any{}
		for _, e := range v[0].([]*naiveEvent) {
			if x, ok := f.with(e, value); ok {
				vals = append(vals, x)
			}
		}
		return vals, true
	}, list)
	op, than := m.op(), pick(m.r, naiveNumbers[1:]...)
	switch m.r.IntN(3) {
	case 0:
		return comparison(strict("%s.size()", func(_ *naiveFrame, v []any) (any, bool) { return float64(len(v[0].([]any))), true }, values), op, literalNumber(float64(m.r.IntN(3))))
	case 1:
		return strict("("+literalNumber(than).text+" in %s)", func(_ *naiveFrame, v []any) (any, bool) {
			for _, x := range v[0].([]any) {
				if x == than {
					return true, true
				}
			}
			return false, true
		}, values)
	}
	return strict("%s.exists(v, v "+op+" "+literalNumber(than).text+")", func(_ *naiveFrame, v []any) (any, bool) {
		for _, x := range v[0].([]any) {
			if naiveCompare(x, op, than) {
				return true, true
			}
		}
		return false, true
	}, values)
}

// listNumber is an aggregate of a list attribute: of a profile's an absent element makes it absent, of an event's it is left
// out.
func (m *termMaker) listNumber() naiveTerm {
	s := m.subjects[len(m.subjects)-1]
	typ := pick(m.r, "[]number", "[]object")
	name := m.named(s, typ)
	if name == "" {
		return literalNumber(1)
	}
	list := naiveTerm{s.text + "." + name, func(f *naiveFrame) (any, bool) { return naiveSelect(s.get(f), name) }}
	function, what := pick(m.r, "sum", "avg", "min", "max"), "i"
	if typ == "[]object" {
		what = "i.m"
	}
	return strict("%s."+function+"(i, "+what+")", func(_ *naiveFrame, v []any) (any, bool) {
		var vals []any
		for _, x := range v[0].([]any) {
			if typ == "[]object" {
				var ok bool
				if x, ok = x.(map[string]any)["m"]; !ok && s.inEvent {
					continue
				} else if !ok {
					return nil, false
				}
			}
			vals = append(vals, x)
		}
		return naiveAggregate(function, vals)
	}, list)
}
