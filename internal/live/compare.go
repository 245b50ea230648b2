package live

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/embedcdp/cdp/internal/plan"
	"github.com/embedcdp/cdp/internal/value"
)

// scalar is a value without a list in it. The zero scalar is absent.
type scalar struct {
	kind value.Kind
	num  float64 // Number; Boolean as 0 or 1
	time int64   // Datetime, microseconds
	text string
	// moving: a Datetime that advances with now. It is false for what is kept, so scalars of data are comparable.
	moving bool
}

func scalarOf(v value.Value) scalar {
	switch v.Kind {
	case value.Number, value.Boolean:
		return scalar{kind: v.Kind, num: v.Num}
	case value.String:
		return scalar{kind: v.Kind, text: v.Str}
	case value.Datetime:
		return scalar{kind: v.Kind, time: v.Time}
	}
	return scalar{}
}

// reading is a value of a person or of an event, and until when it is what it is, apart from moving with now.
type reading interface {
	get(who *Person) (v scalar, next int64)
	kind() value.Kind
	cost() int
}

// comparison compares a value with others: literals, or one other value.
type comparison struct {
	of   reading
	op   plan.Op
	with []scalar // literals
	or   reading  // instead of with
}

func (c *comparison) cost() int {
	if c.or != nil {
		return max(c.of.cost(), c.or.cost())
	}
	return c.of.cost()
}

func (c *comparison) moved() (rises, falls bool) {
	any := readsEvents(c.of) || c.or != nil && readsEvents(c.or)
	return any, any
}

func readsEvents(v reading) bool {
	_, yes := v.(*aggregate)
	return yes
}

func (c *comparison) holds(who *Person, side plan.Outcome) (bool, int64) {
	v, next := c.of.get(who)
	if c.op == plan.Has {
		return (v.kind != value.Absent) == (side == plan.IsTrue), next
	}
	if v.kind == value.Absent {
		return false, next // an error is on neither side
	}
	if c.or == nil && (c.op == plan.In || c.op == plan.NotIn) {
		found := false
		for _, lit := range c.with {
			is, turn := compare(v, plan.Equal, lit, who.Now)
			found, next = found || is == plan.IsTrue, min(next, turn)
		}
		return (found == (c.op == plan.In)) == (side == plan.IsTrue), next
	}
	var w scalar
	if c.or == nil {
		w = c.with[0]
	} else {
		var until int64
		if w, until = c.or.get(who); w.kind == value.Absent {
			return false, min(next, until)
		}
		next = min(next, until)
	}
	outcome, turn := compare(v, c.op, w, who.Now)
	return outcome == side, min(next, turn)
}

// compare compares two values that are there, and says when the outcome turns.
func compare(a scalar, op plan.Op, b scalar, now int64) (plan.Outcome, int64) {
	switch a.kind {
	case value.Datetime:
		return compareTimes(a, op, b, now)
	case value.String:
		return outcomeOf(compareTexts(a.text, op, b.text)), Never
	}
	if math.IsNaN(a.num) || math.IsNaN(b.num) { // of sums beyond the range; they have no order
		switch op {
		case plan.Equal, plan.NotEqual:
			return outcomeOf(op == plan.NotEqual), Never
		}
		return plan.IsError, Never
	}
	return outcomeOf(stands(cmp.Compare(a.num, b.num), op)), Never
}

func outcomeOf(b bool) plan.Outcome {
	if b {
		return plan.IsTrue
	}
	return plan.IsFalse
}

func compareTexts(a string, op plan.Op, b string) bool {
	switch op {
	case plan.Equal:
		return a == b
	case plan.NotEqual:
		return a != b
	case plan.StartsWith:
		return strings.HasPrefix(a, b)
	case plan.EndsWith:
		return strings.HasSuffix(a, b)
	case plan.Contains:
		return strings.Contains(a, b)
	case plan.NoStartsWith:
		return !strings.HasPrefix(a, b)
	case plan.NoEndsWith:
		return !strings.HasSuffix(a, b)
	case plan.NoContains:
		return !strings.Contains(a, b)
	}
	return stands(cmp.Compare(a, b), op)
}

// compareTimes: where one side moves and the other does not, the difference crosses zero once, and the outcome can turn
// there or a microsecond later.
func compareTimes(a scalar, op plan.Op, b scalar, now int64) (plan.Outcome, int64) {
	is := stands(cmp.Compare(a.time, b.time), op)
	if a.moving == b.moving {
		return outcomeOf(is), Never
	}
	still, moves, way := b.time, a.time, 1
	if b.moving {
		still, moves, way = a.time, b.time, -1
	}
	for _, ahead := range [2]int64{still - moves, still - moves + 1} { // when they meet, and when the moving one is past
		if ahead < 1 || ahead > Never-max(now, 0) {
			continue
		}
		if stands(way*cmp.Compare(moves+ahead, still), op) != is {
			return outcomeOf(is), now + ahead
		}
	}
	return outcomeOf(is), Never
}

// stands tells whether an order of two values is the one that an operator asks for.
func stands(sign int, op plan.Op) bool {
	switch op {
	case plan.Equal:
		return sign == 0
	case plan.NotEqual:
		return sign != 0
	case plan.Less:
		return sign < 0
	case plan.LessEqual:
		return sign <= 0
	case plan.Greater:
		return sign > 0
	}
	return sign >= 0
}

// ordered tells whether values of a kind can be compared by an operator.
func ordered(kind value.Kind, op plan.Op) bool {
	texts := []plan.Op{plan.StartsWith, plan.EndsWith, plan.Contains, plan.NoStartsWith, plan.NoEndsWith, plan.NoContains}
	return kind == value.String || !slices.Contains(texts, op)
}
