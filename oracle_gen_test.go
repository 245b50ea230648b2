package cdp_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// termMaker makes random expressions that are right: every piece has the type that its place wants.
type termMaker struct {
	r        *rand.Rand
	s        *naiveSchema
	subjects []termSubject
	deep     int // and, or and not nest
	bound    int // variables of macros in scope
	now      int64
	earlier  []*naiveSegment // that inSegment may name
	seg      *naiveSegment   // what is being made
}

// termSubject is what attributes are selected from.
type termSubject struct {
	text    string
	attrs   []naiveAttr
	get     func(*naiveFrame) any // a profile, an event, or keys
	event   bool
	inEvent bool // macros over its lists absorb what is absent
}

func (m *termMaker) chance(one int) bool { return m.r.IntN(one) == 0 }

// segment makes a condition that nests and, or and not up to deep.
func (m *termMaker) segment(name string, earlier []*naiveSegment, now int64) *naiveSegment {
	m.seg = &naiveSegment{name: name, visitors: m.chance(5)}
	m.earlier, m.now = earlier, now
	m.subjects = []termSubject{{text: pick(m.r, "customer", "customer", "visitor"), attrs: m.s.profile, get: func(f *naiveFrame) any { return f.p }}}
	m.seg.term = m.algebra(m.r.IntN(m.deep + 1))
	return m.seg
}

func (m *termMaker) algebra(depth int) naiveTerm {
	if depth == 0 {
		return m.boolean(2)
	}
	switch m.r.IntN(6) {
	case 0, 1:
		return and(m.algebra(depth-1), m.algebra(depth-1))
	case 2, 3:
		return or(m.algebra(depth-1), m.algebra(depth-1))
	case 4:
		return not(m.algebra(depth - 1))
	}
	return conditional(m.boolean(1), m.algebra(depth-1), m.algebra(depth-1))
}

func (m *termMaker) op() string { return pick(m.r, "==", "!=", "<", "<=", ">", ">=") }

// boolean is a condition without and, or and not on top; depth bounds what it is made of.
func (m *termMaker) boolean(depth int) naiveTerm {
	switch m.r.IntN(20) {
	case 16:
		if depth > 0 {
			return comparison(m.boolean(depth-1), pick(m.r, "==", "!="), m.boolean(depth-1))
		}
	case 17:
		return m.listMember(depth)
	case 18:
		if depth > 0 {
			return m.mapped(depth)
		}
	case 0, 1:
		return comparison(m.number(depth), m.op(), m.number(depth))
	case 2:
		return comparison(m.str(depth), pick(m.r, "==", "!=", "<"), m.str(depth))
	case 3:
		return m.memberOf(depth)
	case 4:
		return m.has()
	case 5:
		if t, ok := m.attribute("boolean"); ok {
			return t
		}
	case 6, 7:
		return comparison(m.time(depth), pick(m.r, "<", "<=", ">", ">=", "==", "!="), m.time(depth))
	case 8:
		return m.difference(depth)
	case 9:
		return m.textTest(depth)
	case 10:
		return m.listTest(depth)
	case 11, 12:
		if depth > 0 {
			return m.quantifier(depth)
		}
	case 13:
		if depth > 0 {
			return m.perUnit(depth)
		}
	case 14:
		if depth > 0 {
			return m.sequence(depth)
		}
	case 15:
		if len(m.earlier) > 0 {
			return m.inSegment()
		}
	default:
		return comparison(m.count(depth), m.op(), literalNumber(float64(m.r.IntN(4))))
	}
	return comparison(m.number(0), m.op(), m.number(0))
}

func literalNumber(n float64) naiveTerm {
	return literalTerm(strconv.FormatFloat(n, 'f', -1, 64), n)
}

func literalText(s string) naiveTerm { return literalTerm(strconv.Quote(s), s) }

// attribute selects a random attribute of a type from what is in scope, sometimes through a reference or from keys.
func (m *termMaker) attribute(typ string) (naiveTerm, bool) {
	s := pick(m.r, m.subjects...)
	if m.chance(2) {
		s = m.subjects[len(m.subjects)-1]
	}
	switch {
	case m.chance(5) && m.ref(s) != "":
		ref := m.ref(s)
		if !s.inEvent {
			m.seg.elsewise = true
		}
		get := s.get
		s = termSubject{text: s.text + "." + ref, attrs: m.s.thing, inEvent: s.inEvent, get: func(f *naiveFrame) any {
			id, ok := naiveSelect(get(f), ref)
			if !ok {
				return map[string]any(nil)
			}
			at := f.now
			if e, ok := get(f).(*naiveEvent); ok {
				at = e.at
			}
			return f.w.thing(id.(string), at)
		}}
	case m.chance(6) && (typ == "number" || typ == "string"):
		if o := m.named(s, "object"); o != "" {
			get := s.get
			s = termSubject{text: s.text + "." + o, attrs: naiveKeys, inEvent: s.inEvent, get: func(f *naiveFrame) any {
				keys, ok := naiveSelect(get(f), o)
				if !ok {
					return map[string]any(nil)
				}
				return keys
			}}
		}
	}
	name := m.named(s, typ)
	if name == "" {
		return naiveTerm{}, false
	}
	return naiveTerm{s.text + "." + name, func(f *naiveFrame) (any, bool) { return naiveSelect(s.get(f), name) }}, true
}

func naiveSelect(from any, name string) (any, bool) {
	switch from := from.(type) {
	case *naivePerson:
		v, ok := from.attrs[name]
		return v, ok
	case *naiveEvent:
		v, ok := from.attrs[name]
		return v, ok
	}
	v, ok := from.(map[string]any)[name]
	return v, ok
}

func (m *termMaker) named(s termSubject, typ string) string {
	var names []string
	for _, a := range s.attrs {
		if a.decl.Type == typ || typ == "string" && a.decl.Type == "text" {
			names = append(names, a.name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return pick(m.r, names...)
}

func (m *termMaker) ref(s termSubject) string {
	for _, a := range s.attrs {
		if a.decl.Refers != "" {
			return a.name
		}
	}
	return ""
}

func (m *termMaker) has() naiveTerm {
	t, ok := m.attribute(pick(m.r, "datetime", "boolean", "[]string", "[]number", "object", "[]object"))
	if !ok {
		return literalTerm("true", true)
	}
	return naiveTerm{"has(" + t.text + ")", func(f *naiveFrame) (any, bool) { _, there := t.eval(f); return there, true }}
}

func (m *termMaker) number(depth int) naiveTerm {
	if depth > 0 {
		switch m.r.IntN(15) {
		case 8:
			return strict("(%s / "+pick(m.r, "2", "2.0")+")", func(_ *naiveFrame, v []any) (any, bool) { return v[0].(float64) / 2, true }, m.double(depth-1))
		case 9:
			return strict("int(%s)", func(_ *naiveFrame, v []any) (any, bool) { return math.Trunc(v[0].(float64)), true }, m.double(0))
		case 10, 11:
			return m.listNumber()
		case 12:
			return m.perUnitNumber(depth)
		case 13:
			return m.durationPart(depth)
		case 0:
			op := pick(m.r, "+", "-", "*")
			return strict("(%s "+op+" %s)", func(_ *naiveFrame, v []any) (any, bool) {
				x, y := v[0].(float64), v[1].(float64)
				return map[string]float64{"+": x + y, "-": x - y, "*": x * y}[op], true
			}, m.number(depth-1), m.number(depth-1))
		case 1, 2:
			return m.count(depth)
		case 3, 4, 5:
			return m.aggregate(depth, pick(m.r, "sum", "avg", "min", "max"), "number")
		case 6:
			return m.part(depth)
		case 7:
			return conditional(m.boolean(depth-1), m.number(depth-1), m.number(depth-1))
		}
	}
	if t, ok := m.attribute("number"); ok && !m.chance(3) {
		return t
	}
	return literalNumber(pick(m.r, naiveNumbers[1:]...))
}

// double is a number that is no whole one to CEL, so that dividing it does not drop the rest.
func (m *termMaker) double(depth int) naiveTerm {
	if depth > 0 && m.chance(2) {
		return m.aggregate(depth, pick(m.r, "sum", "avg"), "number") // min and max of whole numbers are whole
	}
	if t, ok := m.attribute("number"); ok {
		return t
	}
	return literalTerm("2.5", 2.5)
}

// durationPart is the whole hours between two times, towards zero.
func (m *termMaker) durationPart(depth int) naiveTerm {
	m.seg.hourly = true
	return strict("(%s - %s).getHours()", func(_ *naiveFrame, v []any) (any, bool) {
		return float64((v[0].(naiveTime) - v[1].(naiveTime)) / 3600e6), true
	}, m.time(0), m.time(0))
}

func (m *termMaker) str(depth int) naiveTerm {
	if depth > 0 && m.chance(4) {
		return m.aggregate(depth, "mostFrequent", "string")
	}
	if s := m.subjects[len(m.subjects)-1]; s.event && m.chance(6) {
		if m.chance(2) {
			return naiveTerm{s.text + ".id", func(f *naiveFrame) (any, bool) { return s.get(f).(*naiveEvent).id, true }}
		}
		return naiveTerm{s.text + ".source", func(f *naiveFrame) (any, bool) { return s.get(f).(*naiveEvent).source, true }}
	}
	if t, ok := m.attribute("string"); ok && !m.chance(3) {
		switch m.r.IntN(6) {
		case 0:
			return strict("%s.upperAscii()", func(_ *naiveFrame, v []any) (any, bool) { return strings.ToUpper(v[0].(string)), true }, t)
		case 1:
			return strict(`(%s + "d")`, func(_ *naiveFrame, v []any) (any, bool) { return v[0].(string) + "d", true }, t)
		}
		return t
	}
	return literalText(pick(m.r, naiveTexts...))
}

func (m *termMaker) textTest(depth int) naiveTerm {
	name := pick(m.r, "startsWith", "endsWith", "contains", "matches")
	arg := pick(m.r, "re", "e", "H", "d")
	if name == "matches" {
		arg = pick(m.r, "^re", "e$", "[Hh].", "x")
	}
	return strict("%s."+name+"("+strconv.Quote(arg)+")", func(_ *naiveFrame, v []any) (any, bool) {
		return naiveTextTests[name](v[0].(string), arg), true
	}, m.str(depth))
}

// span is a duration literal, which is remembered: the ends of windows are where answers change.
func (m *termMaker) span() (string, int64) {
	text := pick(m.r, "1d", "3d", "7d", "30d", "12h", "1w", "36h")
	n, _ := strconv.ParseInt(text[:len(text)-1], 10, 64)
	micros := n * map[byte]int64{'h': 3600e6, 'd': naiveDay, 'w': 7 * naiveDay}[text[len(text)-1]]
	m.seg.spans = append(m.seg.spans, micros)
	return text, micros
}

func (m *termMaker) time(depth int) naiveTerm {
	if depth > 0 {
		switch m.r.IntN(5) {
		case 0:
			return m.aggregate(depth, pick(m.r, "min", "max"), "datetime")
		case 1:
			unit := pick(m.r, "day", "week", "month", "quarter", "year")
			return strict(`%s.startOf("`+unit+`")`, func(f *naiveFrame, v []any) (any, bool) {
				return naiveTime(f.w.schema.start(int64(v[0].(naiveTime)), unit, 0)), true
			}, m.time(depth-1))
		case 2:
			text, span := m.span()
			op, sign := "+", int64(1)
			if m.chance(2) {
				op, sign = "-", -1
			}
			return strict("(%s "+op+` duration("`+text+`"))`, func(_ *naiveFrame, v []any) (any, bool) {
				return v[0].(naiveTime) + naiveTime(sign*span), true
			}, m.time(depth-1))
		case 3:
			if t, ok := m.attribute("datetime"); ok {
				return strict("%s.anniversary()", func(f *naiveFrame, v []any) (any, bool) {
					return naiveTime(f.w.schema.anniversary(int64(v[0].(naiveTime)), f.now)), true
				}, t)
			}
		}
	}
	s := m.subjects[len(m.subjects)-1]
	switch n := m.r.IntN(8); {
	case n < 2:
		text, span := m.span()
		return naiveTerm{`ago("` + text + `")`, func(f *naiveFrame) (any, bool) { return naiveTime(f.now - span), true }}
	case n < 3:
		return naiveTerm{"now", func(f *naiveFrame) (any, bool) { return naiveTime(f.now), true }}
	case n < 4:
		at := m.now - m.r.Int64N(20)*naiveDay/2
		return literalTerm(`timestamp("`+moment(at)+`")`, naiveTime(at))
	case n < 6 && s.event:
		return naiveTerm{s.text + ".time", func(f *naiveFrame) (any, bool) { return naiveTime(s.get(f).(*naiveEvent).at), true }}
	}
	if t, ok := m.attribute("datetime"); ok {
		return t
	}
	return naiveTerm{"now", func(f *naiveFrame) (any, bool) { return naiveTime(f.now), true }}
}

// difference of two times against a duration. CEL's durations are nanoseconds in 64 bits: a longer one is an error.
func (m *termMaker) difference(depth int) naiveTerm {
	text, span := m.span()
	op := pick(m.r, "<", "<=", ">", ">=")
	return strict("(%s - %s "+op+` duration("`+text+`"))`, func(_ *naiveFrame, v []any) (any, bool) {
		d := v[0].(naiveTime) - v[1].(naiveTime)
		if longest := naiveTime(math.MaxInt64 / 1000); d >= longest || d < -longest {
			return nil, false
		}
		return naiveCompare(d, op, naiveTime(span)), true
	}, m.time(depth), m.time(depth))
}

func (m *termMaker) part(depth int) naiveTerm {
	part, zone := pick(m.r, "getFullYear", "getMonth", "getDate", "getDayOfWeek", "getDayOfYear", "getHours"), pick(m.r, "", "Asia/Tokyo", "America/New_York")
	m.seg.hourly = true
	arg := ""
	if zone != "" {
		arg = strconv.Quote(zone)
	}
	return strict("%s."+part+"("+arg+")", func(_ *naiveFrame, v []any) (any, bool) {
		return naivePart(int64(v[0].(naiveTime)), part, zone), true
	}, m.time(0))
}

// events is a list of events, narrowed some times.
func (m *termMaker) events(depth int) (naiveTerm, naiveType) {
	typ := pick(m.r, m.s.events...)
	list := naiveTerm{"events." + typ.name, func(f *naiveFrame) (any, bool) {
		var out []*naiveEvent
		for _, e := range f.p.events[typ.name] {
			if e.at <= f.now {
				out = append(out, e)
			}
		}
		return out, true
	}}
	for range m.r.IntN(3) {
		list = m.narrowed(depth, list, typ)
	}
	return list, typ
}

func (m *termMaker) narrowed(depth int, list naiveTerm, typ naiveType) naiveTerm {
	keep := func(text string, keep func(*naiveFrame, *naiveEvent, []any) bool, args ...naiveTerm) naiveTerm {
		return strict("%s."+text, func(f *naiveFrame, v []any) (any, bool) {
			var out []*naiveEvent
			for _, e := range v[0].([]*naiveEvent) {
				if keep(f, e, v[1:]) {
					out = append(out, e)
				}
			}
			return out, true
		}, append([]naiveTerm{list}, args...)...)
	}
	switch m.r.IntN(6) {
	case 0, 1:
		text, span := m.span()
		return keep(`within("`+text+`")`, func(f *naiveFrame, e *naiveEvent, _ []any) bool { return f.now-span < e.at && e.at <= f.now })
	case 2:
		name := pick(m.r, slices.Sorted(mapKeys(naiveRanges))...)
		return keep(`during("`+name+`")`, func(f *naiveFrame, e *naiveEvent, _ []any) bool {
			from, to := naiveRanges[name](f.w.schema, f.now)
			return from <= e.at && e.at < to
		})
	case 3:
		if m.chance(2) {
			return keep("since(%s)", func(_ *naiveFrame, e *naiveEvent, v []any) bool { return e.at >= int64(v[0].(naiveTime)) }, m.time(min(depth, 1)))
		}
		return keep("until(%s)", func(_ *naiveFrame, e *naiveEvent, v []any) bool { return e.at < int64(v[0].(naiveTime)) }, m.time(min(depth, 1)))
	}
	name, cond := m.inside(typ, func() naiveTerm { return m.condition(depth - 1) })
	return keep("filter("+name+", "+escape(cond.text)+")", func(f *naiveFrame, e *naiveEvent, _ []any) bool { return f.holds(e, cond) })
}

// condition is one of a macro: sometimes two joined.
func (m *termMaker) condition(depth int) naiveTerm {
	depth = max(depth, 0)
	switch m.r.IntN(5) {
	case 0:
		return and(m.boolean(depth), m.boolean(depth))
	case 1:
		return or(m.boolean(depth), not(m.boolean(depth)))
	}
	return m.boolean(depth)
}

// inside makes a term with a macro's variable, an event of a type, in scope.
func (m *termMaker) inside(typ naiveType, body func() naiveTerm) (string, naiveTerm) {
	i := m.bound
	name := fmt.Sprintf("e%d", i)
	m.bound++
	m.subjects = append(m.subjects, termSubject{text: name, attrs: typ.attrs, event: true, inEvent: true, get: func(f *naiveFrame) any { return f.vars[i] }})
	t := body()
	m.subjects = m.subjects[:len(m.subjects)-1]
	m.bound--
	return name, t
}

func (m *termMaker) count(depth int) naiveTerm {
	list, typ := m.events(depth)
	if depth > 0 && m.chance(4) {
		name, value := m.inside(typ, func() naiveTerm { return m.plain(pick(m.r, "number", "string", "datetime"), depth-1) })
		return m.over(list, "countDistinct", name, value)
	}
	return strict(pick(m.r, "%s.size()", "size(%s)"), func(_ *naiveFrame, v []any) (any, bool) { return float64(len(v[0].([]*naiveEvent))), true }, list)
}

func (m *termMaker) plain(typ string, depth int) naiveTerm {
	switch typ {
	case "number":
		return m.number(max(depth, 0))
	case "string":
		return m.str(max(depth, 0))
	}
	if t, ok := m.attribute("datetime"); ok && m.chance(2) {
		return t
	}
	s := m.subjects[len(m.subjects)-1]
	return naiveTerm{s.text + ".time", func(f *naiveFrame) (any, bool) { return naiveTime(s.get(f).(*naiveEvent).at), true }}
}

// aggregate is one over events, or an attribute of the first or last of them.
func (m *termMaker) aggregate(depth int, function, typ string) naiveTerm {
	list, of := m.events(depth)
	if m.chance(4) {
		end := pick(m.r, ".first()", ".last()", "[0]")
		if attr := m.named(termSubject{attrs: of.attrs}, typ); attr != "" {
			return strict("%s"+end+"."+attr, func(_ *naiveFrame, v []any) (any, bool) {
				events := v[0].([]*naiveEvent)
				if len(events) == 0 {
					return nil, false
				}
				if end == ".last()" {
					return naiveSelect(events[len(events)-1], attr)
				}
				return naiveSelect(events[0], attr)
			}, list)
		}
	}
	name, value := m.inside(of, func() naiveTerm { return m.plain(typ, depth-1) })
	return m.over(list, function, name, value)
}

// over leaves out what is absent.
func (m *termMaker) over(list naiveTerm, function, name string, value naiveTerm) naiveTerm {
	return strict("%s."+function+"("+name+", "+escape(value.text)+")", func(f *naiveFrame, v []any) (any, bool) {
		var vals []any
		for _, e := range v[0].([]*naiveEvent) {
			if x, ok := f.with(e, value); ok {
				vals = append(vals, x)
			}
		}
		return naiveAggregate(function, vals)
	}, list)
}

func (m *termMaker) quantifier(depth int) naiveTerm {
	list, typ := m.events(depth - 1)
	name, cond := m.inside(typ, func() naiveTerm { return m.condition(depth - 1) })
	function := pick(m.r, "exists", "all", "exists_one")
	return strict("%s."+function+"("+name+", "+escape(cond.text)+")", func(f *naiveFrame, v []any) (any, bool) {
		events := v[0].([]*naiveEvent)
		n := 0
		for _, e := range events {
			if f.holds(e, cond) {
				n++
			}
		}
		return map[string]bool{"exists": n > 0, "all": n == len(events), "exists_one": n == 1}[function], true
	}, list)
}

// counts is perDay, perWeek or perMonth of a list.
func (m *termMaker) counts(depth int) (t naiveTerm, n int) {
	list, _ := m.events(depth - 1)
	function, n := pick(m.r, "perDay", "perWeek", "perMonth"), 1+m.r.IntN(4)
	unit := strings.ToLower(strings.TrimPrefix(function, "per"))
	return strict(fmt.Sprintf("%%s.%s(%d)", function, n), func(f *naiveFrame, v []any) (any, bool) {
		counts := make([]any, n)
		for i := range counts {
			count := 0.0
			for _, e := range v[0].([]*naiveEvent) {
				if f.w.schema.start(f.now, unit, i-n) <= e.at && e.at < f.w.schema.start(f.now, unit, i-n+1) {
					count++
				}
			}
			counts[i] = count
		}
		return counts, true
	}, list), n
}

func (m *termMaker) perUnit(depth int) naiveTerm {
	counts, _ := m.counts(depth)
	quantifier, low := pick(m.r, "all", "exists"), float64(m.r.IntN(3))
	return strict(fmt.Sprintf("%%s.%s(n, n >= %v)", quantifier, low), func(_ *naiveFrame, v []any) (any, bool) {
		good := 0
		for _, n := range v[0].([]any) {
			if n.(float64) >= low {
				good++
			}
		}
		return quantifier == "all" && good == len(v[0].([]any)) || quantifier == "exists" && good > 0, true
	}, counts)
}

func (m *termMaker) perUnitNumber(depth int) naiveTerm {
	counts, n := m.counts(depth)
	if m.chance(2) {
		i := m.r.IntN(n)
		return strict(fmt.Sprintf("double(%%s[%d])", i), func(_ *naiveFrame, v []any) (any, bool) { return v[0].([]any)[i], true }, counts)
	}
	function := pick(m.r, "sum", "avg", "min", "max", "countDistinct")
	text := "%s." + function + "(n, n)"
	if function == "min" || function == "max" { // == does not compare one of counts with a Number
		text = "double(" + text + ")"
	}
	return strict(text, func(_ *naiveFrame, v []any) (any, bool) { return naiveAggregate(function, v[0].([]any)) }, counts)
}

func (m *termMaker) sequence(depth int) naiveTerm {
	var lists []naiveTerm
	text := "sequence("
	for range 2 + m.r.IntN(2) {
		list, _ := m.events(depth - 1)
		lists = append(lists, list)
		text += "%s, "
	}
	spanText, span := m.span()
	return strict(text+`"`+spanText+`")`, func(_ *naiveFrame, v []any) (any, bool) {
		steps := make([][]*naiveEvent, len(v))
		for i := range v {
			steps[i] = v[i].([]*naiveEvent)
		}
		return naiveSequence(steps, span, nil, nil), true
	}, lists...)
}

func (m *termMaker) inSegment() naiveTerm {
	other := pick(m.r, m.earlier...)
	m.seg.uses = append(m.seg.uses, other.name)
	m.seg.elsewise = true
	return naiveTerm{`inSegment("` + other.name + `")`, func(f *naiveFrame) (any, bool) { return f.w.member(other, f.p, f.now), true }}
}
