package whynot

import (
	"cmp"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/roweval"
	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/value"
)

var bruteCases = flag.Int("brute-cases", 400, "how many random cases TestNothingSmaller asks")

// now is when everybody here is asked about.
const now = int64(20_000) * day

// plainBuy is one event: kind is "" and amount NaN where it has none.
type plainBuy struct {
	id     string
	time   int64
	kind   string
	amount float64
}

func (b plainBuy) Time() int64    { return b.time }
func (b plainBuy) ID() string     { return b.id }
func (b plainBuy) Source() string { return "" }
func (b plainBuy) Attr(name string) value.Value {
	switch {
	case name == "kind" && b.kind != "":
		return value.Str(b.kind)
	case name == "amount" && !math.IsNaN(b.amount):
		return value.Num(b.amount)
	}
	return value.Value{}
}

// plainPerson has an age, NaN where it is absent, a city, "" where it is absent, and events, oldest first.
type plainPerson struct {
	age  float64
	city string
	buys []plainBuy
}

func (p plainPerson) Attr(name string) value.Value {
	switch {
	case name == "age" && !math.IsNaN(p.age):
		return value.Num(p.age)
	case name == "city" && p.city != "":
		return value.Str(p.city)
	}
	return value.Value{}
}

func (p plainPerson) Events(string) (out []roweval.Event) {
	for _, b := range p.buys {
		out = append(out, b)
	}
	return out
}

func (plainPerson) InSegment(string) bool { return false }

// plainAtom is a comparison with its literals, and what it means as a plain loop: 't', 'f', or 'e' for an absent value.
type plainAtom struct {
	text  string // with %v for each literal
	lits  []any  // float64 for a number, string for a text, int for days
	means func(p plainPerson, lits []any) byte
}

func (a plainAtom) String() string {
	var written []any
	for _, l := range a.lits {
		switch l := l.(type) {
		case float64:
			written = append(written, strconv.FormatFloat(l, 'f', -1, 64))
		case int:
			written = append(written, fmt.Sprintf("%q", fmt.Sprint(l, "d")))
		case string:
			written = append(written, fmt.Sprintf("%q", l))
		}
	}
	return fmt.Sprintf(a.text, written...)
}

func says(b bool) byte {
	if b {
		return 't'
	}
	return 'f'
}

func count(p plainPerson, which func(plainBuy) bool) float64 {
	n := 0.0
	for _, b := range p.buys {
		if which(b) {
			n++
		}
	}
	return n
}

var plainAtoms = []func(r *rand.Rand) plainAtom{
	func(r *rand.Rand) plainAtom {
		return plainAtom{"customer.age >= %v", []any{number(r)}, func(p plainPerson, l []any) byte {
			if math.IsNaN(p.age) {
				return 'e'
			}
			return says(p.age >= l[0].(float64))
		}}
	},
	func(r *rand.Rand) plainAtom {
		return plainAtom{"customer.age == %v", []any{number(r)}, func(p plainPerson, l []any) byte {
			if math.IsNaN(p.age) {
				return 'e'
			}
			return says(p.age == l[0].(float64))
		}}
	},
	func(r *rand.Rand) plainAtom {
		return plainAtom{"customer.city == %v", []any{text(r)}, func(p plainPerson, l []any) byte {
			if p.city == "" {
				return 'e'
			}
			return says(p.city == l[0].(string))
		}}
	},
	func(r *rand.Rand) plainAtom {
		return plainAtom{"events.buy.filter(e, e.kind == %v).size() >= %v", []any{text(r), number(r)}, func(p plainPerson, l []any) byte {
			return says(count(p, func(b plainBuy) bool { return b.kind == l[0].(string) }) >= l[1].(float64))
		}}
	},
	func(r *rand.Rand) plainAtom {
		return plainAtom{"events.buy.exists(e, e.kind == %v && e.amount > %v)", []any{text(r), number(r)}, func(p plainPerson, l []any) byte {
			return says(count(p, func(b plainBuy) bool { return b.kind == l[0].(string) && b.amount > l[1].(float64) }) > 0)
		}}
	},
	func(r *rand.Rand) plainAtom {
		return plainAtom{"events.buy.within(%v).size() >= %v", []any{1 + r.IntN(20), number(r)}, func(p plainPerson, l []any) byte {
			return says(count(p, func(b plainBuy) bool { return now-b.time < int64(l[0].(int))*day }) >= l[1].(float64))
		}}
	},
	func(r *rand.Rand) plainAtom {
		return plainAtom{"events.buy.filter(e, e.kind == %v).sum(e, e.amount) >= %v", []any{text(r), 1 + number(r)}, func(p plainPerson, l []any) byte {
			sum := 0.0
			for _, b := range p.buys {
				if b.kind == l[0].(string) && !math.IsNaN(b.amount) {
					sum += b.amount
				}
			}
			return says(sum >= l[1].(float64))
		}}
	},
	func(r *rand.Rand) plainAtom {
		return plainAtom{"events.buy.size() == %v", []any{number(r)}, func(p plainPerson, l []any) byte {
			return says(float64(len(p.buys)) == l[0].(float64))
		}}
	},
	func(r *rand.Rand) plainAtom {
		return plainAtom{"events.buy.size() >= %v", []any{number(r)}, func(p plainPerson, l []any) byte {
			return says(float64(len(p.buys)) >= l[0].(float64))
		}}
	},
	func(r *rand.Rand) plainAtom {
		return plainAtom{"events.buy.exists(e, e.amount > %v)", []any{number(r)}, func(p plainPerson, l []any) byte {
			return says(count(p, func(b plainBuy) bool { return b.amount > l[0].(float64) }) > 0)
		}}
	},
	func(r *rand.Rand) plainAtom {
		return plainAtom{"events.buy.sum(e, e.amount) > %v", []any{number(r)}, func(p plainPerson, l []any) byte {
			sum := 0.0
			for _, b := range p.buys {
				if !math.IsNaN(b.amount) {
					sum += b.amount
				}
			}
			return says(sum > l[0].(float64))
		}}
	},
}

// The atoms from eventAtoms on are about events. The first of them have two literals, then comes one of an exact number.
const (
	eventAtoms  = 3
	twoLiterals = 4
	exactly     = eventAtoms + twoLiterals
)

func number(r *rand.Rand) float64 { return float64(r.IntN(4)) }
func text(r *rand.Rand) string    { return string(rune('a' + r.IntN(3))) }

// plainTree is a condition: an atom, or others joined by op.
type plainTree struct {
	op   string // "", "&&", "||", "!"
	atom int
	of   []plainTree
}

func randomTree(r *rand.Rand, atoms *[]plainAtom, depth int) plainTree {
	if depth == 0 || r.IntN(3) == 0 {
		*atoms = append(*atoms, plainAtoms[r.IntN(len(plainAtoms))](r))
		return plainTree{atom: len(*atoms) - 1}
	}
	if r.IntN(4) == 0 {
		return plainTree{op: "!", of: []plainTree{randomTree(r, atoms, depth-1)}}
	}
	return plainTree{op: []string{"&&", "||"}[r.IntN(2)], of: []plainTree{randomTree(r, atoms, depth-1), randomTree(r, atoms, depth-1)}}
}

// allOf is up to so many conditions on events of one type, which one change seldom meets.
func allOf(r *rand.Rand, atoms *[]plainAtom, from []func(*rand.Rand) plainAtom, most int) (t plainTree) {
	for n := range 1 + r.IntN(most) {
		*atoms = append(*atoms, from[r.IntN(len(from))](r))
		part := plainTree{atom: n}
		if r.IntN(4) == 0 {
			part = plainTree{op: "!", of: []plainTree{part}}
		}
		if n == 0 {
			t = part
		} else {
			t = plainTree{op: "&&", of: []plainTree{t, part}}
		}
	}
	return t
}

func (t plainTree) write(atoms []plainAtom) string {
	switch t.op {
	case "":
		return atoms[t.atom].String()
	case "!":
		return "!(" + t.of[0].write(atoms) + ")"
	}
	return "(" + t.of[0].write(atoms) + " " + t.op + " " + t.of[1].write(atoms) + ")"
}

// of three outcomes, as CEL joins them.
func (t plainTree) says(outcomes []byte) byte {
	if t.op == "" {
		return outcomes[t.atom]
	}
	a := t.of[0].says(outcomes)
	if t.op == "!" {
		return map[byte]byte{'t': 'f', 'f': 't', 'e': 'e'}[a]
	}
	b := t.of[1].says(outcomes)
	strong, weak := byte('f'), byte('t')
	if t.op == "||" {
		strong, weak = weak, strong
	}
	switch {
	case a == strong || b == strong:
		return strong
	case a == weak && b == weak:
		return weak
	}
	return 'e'
}

func outcomesOf(atoms []plainAtom, p plainPerson) []byte {
	var out []byte
	for _, a := range atoms {
		out = append(out, a.means(p, a.lits))
	}
	return out
}

// single is one change that the brute force tries, and what all atoms say after it.
type single struct {
	source   string // "age", "city", "more", "fewer", or the place of a literal as "2.0"
	atom     int    // of a literal
	size     float64
	outcomes []byte
	change   func(plainPerson) plainPerson // nil of a literal
	to       any                           // of a literal
	what     string                        // the kind and amount of events
}

// everySingle makes every single change of the kinds that Search promises to try, over all values of these small domains.
func everySingle(atoms []plainAtom, p plainPerson) (out []single) {
	person := func(source string, size float64, change func(plainPerson) plainPerson) {
		out = append(out, single{source, -1, size, outcomesOf(atoms, change(p)), change, nil, ""})
	}
	numbers := []float64{math.NaN()}
	for n := -2.0; n <= 6; n++ {
		numbers = append(numbers, n)
	}
	for _, n := range numbers {
		person("age", math.Abs(n-p.age), func(q plainPerson) plainPerson {
			q.age = n
			return q
		})
	}
	for _, city := range []string{"", "a", "b", "c", "other"} {
		person("city", 1, func(q plainPerson) plainPerson {
			q.city = city
			return q
		})
	}
	for n := 1; n <= 3; n++ {
		for _, ago := range []int64{0, 1, 8, 35} {
			for _, kind := range []string{"", "a", "b", "c", "other"} {
				for _, amount := range numbers {
					if amount < -1 || amount > 4 || !named(atoms, kind, amount) {
						continue
					}
					person("more", float64(n), func(q plainPerson) plainPerson {
						q.buys = slices.Clone(q.buys)
						for range n {
							q.buys = append(q.buys, plainBuy{"new", now - ago*day, kind, amount})
						}
						return q
					})
					out[len(out)-1].what = fmt.Sprint(kind, amount)
				}
			}
		}
	}
	for _, b := range p.buys {
		person("fewer", 1, func(q plainPerson) plainPerson {
			q.buys = slices.DeleteFunc(slices.Clone(q.buys), func(c plainBuy) bool { return c.id == b.id })
			return q
		})
	}
	before := outcomesOf(atoms, p)
	for i, a := range atoms {
		for j, l := range a.lits {
			literal := func(size float64, to any) {
				lits := slices.Clone(a.lits)
				lits[j] = to
				after := slices.Clone(before)
				after[i] = a.means(p, lits)
				out = append(out, single{fmt.Sprint(i, ".", j), i, size, after, nil, to, ""})
			}
			switch l := l.(type) {
			case float64:
				for n := -3.0; n <= 16; n++ {
					literal(math.Abs(n-l), n)
				}
			case string:
				for _, to := range []string{"a", "b", "c", "other"} {
					literal(1, to)
				}
			case int:
				for n := 1; n <= 60; n++ {
					literal(math.Abs(float64(n-l)), n)
				}
			}
		}
	}
	return out
}

// named says whether the condition names a value of an event, or one beside it: no others are promised.
func named(atoms []plainAtom, kind string, amount float64) bool {
	texts, near := kind == "" || kind == "other", math.IsNaN(amount)
	for _, a := range atoms {
		for _, l := range a.lits {
			switch l := l.(type) {
			case string:
				texts = texts || l == kind
			case float64:
				near = near || math.Abs(l-amount) <= 1
			}
		}
	}
	return texts && near
}

// TestNothingSmaller compares what Search finds with every change there is, over small domains. Where a single change turns the
// answer, no pair is proposed; of each attribute, of events and of each literal one is, and none smaller does: no fewer events,
// no nearer number. Where only pairs do, one is found if the two are of different things, of events of one type, or of literals of
// one comparison; and of events no fewer do.
func TestNothingSmaller(t *testing.T) {
	text, num := schema.Attr{Type: schema.String}, schema.Attr{Type: schema.Number}
	cat := &schema.Catalogue{Profile: schema.Attrs{"age": num, "city": text},
		Events: map[string]*schema.EventType{"buy": {Name: "buy", Attributes: schema.Attrs{"kind": text, "amount": num}}}}
	singles, pairs, nones, ofEvents, inAtoms, incomplete := 0, 0, 0, 0, 0, 0
	for seed := range uint64(*bruteCases) {
		r := rand.New(rand.NewPCG(seed, 1))
		var atoms []plainAtom
		var tree plainTree
		events := r.IntN(5)
		switch seed % 4 {
		case 0, 1:
			tree = randomTree(r, &atoms, 1+r.IntN(3))
		case 2:
			tree = allOf(r, &atoms, plainAtoms[eventAtoms:], 4)
		case 3:
			events = 1 + r.IntN(2) // one more or fewer breaks the second part, so that both literals of the first may have to change
			tree = allOf(r, &atoms, plainAtoms[eventAtoms:eventAtoms+twoLiterals], 1)
			atoms = append(atoms, plainAtoms[exactly](r))
			atoms[1].lits[0] = float64(events)
			tree = plainTree{op: "&&", of: []plainTree{tree, {atom: 1}}}
		}
		p := plainPerson{age: []float64{math.NaN(), 0, 1, 2, 3}[r.IntN(5)], city: []string{"", "a", "b", "c"}[r.IntN(4)]}
		for i := range events {
			p.buys = append(p.buys, plainBuy{fmt.Sprint("b", i), now - int64(r.IntN(30))*day - 1, []string{"", "a", "b", "c"}[r.IntN(4)],
				[]float64{math.NaN(), 0, 1, 2, 3}[r.IntN(5)]})
		}
		slices.SortFunc(p.buys, func(a, b plainBuy) int { return cmp.Compare(a.time, b.time) })
		where := tree.write(atoms)
		got := searched(t, cat, where, p)
		say := func(format string, args ...any) string {
			return fmt.Sprintf("seed %d: %s\n%+v\n%+v\n%s", seed, where, p, got, fmt.Sprintf(format, args...))
		}
		before := outcomesOf(atoms, p)
		member := tree.says(before) == 't'
		require.Equal(t, member, got.Member, say(""))

		least := map[string]float64{} // by source, of those that turn the answer
		all := everySingle(atoms, p)
		for _, s := range all {
			if (tree.says(s.outcomes) == 't') == member {
				continue
			}
			if size, any := least[s.source]; !any || s.size < size || math.IsNaN(size) {
				least[s.source] = s.size
			}
		}
		if len(least) == 0 {
			if len(got.Options) == 0 {
				nones++
			} else {
				pairs++ // TestWhyNotTurns of the root makes the changes
			}
			if !got.Complete {
				incomplete++
				continue
			}
			if len(got.Options) == 0 {
				require.False(t, pairTurns(tree, all, before, member), say("a pair turns it"))
			}
			if len(got.Options) > 0 && len(got.Options[0].Changes) == 1 {
				continue // several events fewer: the brute force takes one away
			}
			if size, a, b := pairOfEvents(tree, atoms, p, all, before, member); size < never {
				ofEvents++
				require.LessOrEqual(t, leastEvents(got), size, say("events: %+v and %+v", a.change(plainPerson{}), b.change(plainPerson{})))
			}
			if a, b, any := pairInAtom(tree, atoms, p, all, before, member); any && len(got.Options) < maxOptions {
				inAtoms++
				require.True(t, slices.ContainsFunc(got.Options, func(o Option) bool { return o.Where != "" }), say("%s to %v and %s to %v", a.source, a.to, b.source, b.to))
			}
			continue
		}
		singles++
		if !got.Complete {
			continue
		}
		found := map[string]float64{}
		for _, o := range got.Options {
			require.Len(t, o.Changes, 1, say("a single change turns it"))
			source, size := sizeOf(t, cat, atoms, tree, o)
			found[source] = size
		}
		if len(got.Options) == maxOptions {
			continue
		}
		for source, size := range least {
			gotSize, any := found[source]
			require.True(t, any, say("nothing of %s is found", source))
			if !math.IsNaN(size) {
				require.LessOrEqual(t, gotSize, size, say("%s could be smaller", source))
			}
		}
	}
	t.Logf("single changes turn %d, pairs %d, nothing %d; pairs of events of one type %d, of literals of one comparison %d; not complete %d",
		singles, pairs, nones, ofEvents, inAtoms, incomplete)
	require.Less(t, incomplete, (pairs+nones)/10)
	require.Greater(t, singles, *bruteCases/2)
	require.Greater(t, ofEvents, *bruteCases/50)
	require.NotZero(t, inAtoms)
}

func searched(t *testing.T, cat *schema.Catalogue, where string, p plainPerson) Answer {
	e, err := celenv.Compile(cat, celenv.Scope{Person: true, Want: celenv.Bool}, where)
	require.NoError(t, err, where)
	prog, err := roweval.New(e)
	require.NoError(t, err)
	got, err := Search(prog, e.Deps(), roweval.Input{Person: p, Now: now}, func(string) (*roweval.Program, bool) { return nil, false }, func() bool { return false })
	require.NoError(t, err)
	return got
}

// sizeOf says what a change is of, as single.source does, and how large it is.
func sizeOf(t *testing.T, cat *schema.Catalogue, atoms []plainAtom, tree plainTree, o Option) (source string, size float64) {
	c := o.Changes[0]
	switch c.Kind {
	case Attribute:
		if size = 1; c.Name == "age" {
			if size = math.Abs(c.Value.Num - c.Was.Num); c.Value.IsAbsent() || c.Was.IsAbsent() {
				size = 0 // any is as good
			}
		}
		return c.Name, size
	case MoreEvents:
		return "more", float64(c.Count)
	case FewerEvents:
		return "fewer", float64(len(c.IDs))
	}
	place := literalAt(t, cat, atoms, tree, c.at)
	if from, err := strconv.ParseFloat(strings.Trim(c.From, `"d`), 64); err == nil {
		to, err := strconv.ParseFloat(strings.Trim(c.To, `"d`), 64)
		require.NoError(t, err)
		return place, math.Abs(to - from)
	}
	return place, 1
}

// literalAt is the place of a literal: they stand in the condition in the order of the atoms.
func literalAt(t *testing.T, cat *schema.Catalogue, atoms []plainAtom, tree plainTree, id int64) string {
	e, err := celenv.Compile(cat, celenv.Scope{Person: true, Want: celenv.Bool}, tree.write(atoms))
	require.NoError(t, err)
	i := slices.IndexFunc(literalsIn(e.Surface()), func(l literal) bool { return l.node.ID() == id })
	for a := range atoms {
		if i < len(atoms[a].lits) {
			return fmt.Sprint(a, ".", i)
		}
		i -= len(atoms[a].lits)
	}
	t.Fatalf("no literal has the id %d", id)
	return ""
}
