package roweval

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"sort"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/value"
)

// state is one evaluation. cel-go asks it for variables (it is the activation), and it stands itself behind the hidden
// variable celenv.Context, through which the dialect's functions reach it.
type state struct {
	in    Input
	cat   *schema.Catalogue
	scope celenv.Scope
	cal   celenv.Calendar

	next      int64 // the earliest noted instant
	budget    int64 // steps left
	spent     int64 // steps taken
	exhausted bool
	lists     map[string]ref.Val // events.NAME, built once
}

// Budget of an evaluation in steps: turns of loops, elements visited by functions, bytes joined. It grows with the
// person's events, so that a person with millions of them is counted like any other, while loops inside loops over them
// come to an end. It is counted, not timed: the same input gives the same answer everywhere.
const (
	baseBudget     = 300_000
	budgetPerEvent = 64
)

func (p *Program) run(prog cel.Program, in Input) (ref.Val, Result) {
	st := &state{
		in: in, cat: p.expr.Catalogue(), scope: p.expr.Scope(), cal: p.cal,
		next: math.MaxInt64, budget: baseBudget,
	}
	out, _, err := prog.Eval(st)
	if m, ok := out.(*moving); ok && err == nil {
		st.noteSoon()
		out = m.at
	}
	var panicked interpreter.EvalCancelledError
	switch {
	case st.exhausted:
		err = fmt.Errorf("%w: over %d", ErrBudget, baseBudget)
	case err == nil || errors.As(err, &panicked):
	default:
		if e, ok := err.(*types.Err); ok {
			err = e.Unwrap()
		} else {
			err = fmt.Errorf("%w: %w", ErrPanic, err)
		}
	}
	return out, Result{Err: err, Next: st.next, Steps: st.spent}
}

// note records that something could change at t.
func (st *state) note(t int64) {
	if t > st.in.Now && t < st.next {
		st.next = t
	}
}

// noteIn records that something could change after a while; a while too long to count is never.
func (st *state) noteIn(micros int64) {
	if micros > 0 && micros < math.MaxInt64-max(st.in.Now, 0) {
		st.note(st.in.Now + micros)
	}
}

// noteSoon is for values that change with every microsecond.
func (st *state) noteSoon() { st.note(st.in.Now + 1) }

// charge counts steps. Going over the budget ends the evaluation by the panic that cel-go itself uses for limits, so no
// operator can absorb it.
func (st *state) charge(n int) {
	st.budget -= int64(n)
	st.spent += int64(n)
	if st.budget < 0 {
		st.exhausted = true
		panic(interpreter.EvalCancelledError{Message: ErrBudget.Error(), Cause: interpreter.CostLimitExceeded})
	}
}

// ResolveName returns the variables of an expression.
func (st *state) ResolveName(name string) (any, bool) {
	switch name {
	case celenv.Context:
		return st, true
	case celenv.NowVar:
		return &moving{st: st, at: timestamp(st.in.Now), slope: 1}, true
	case celenv.ProfileVar:
		return &record{st: st, attrs: st.cat.Profile, from: profile{st.in.Person}, at: st.in.Now}, true
	case celenv.EventsVar:
		return eventRoot{st}, true
	case celenv.EventVar:
		if st.in.Event == nil {
			return types.WrapErr(absent("event")), true
		}
		return st.event(st.in.Event, st.cat.Events[st.scope.Event], 0), true
	case celenv.ArrivingVar:
		if st.in.Arriving == nil {
			return types.WrapErr(absent("e")), true
		}
		return st.event(st.in.Arriving, st.cat.Events[st.scope.Arriving], 0), true
	}
	at, ok := st.scope.Vars[name]
	if !ok {
		return nil, false
	}
	var v value.Value
	if st.in.Vars != nil {
		v = st.in.Vars(name)
	}
	if out, ok := st.toCEL(at, v, st.in.Now); ok {
		return out, true
	}
	return types.WrapErr(absent(name)), true
}

// events returns the list events.NAME: those up to now. The first one in the future will enter when its time comes.
func (st *state) events(typ string) ref.Val {
	if l, ok := st.lists[typ]; ok {
		return l
	}
	var all []Event
	if st.in.Person != nil {
		all = st.in.Person.Events(typ)
	}
	n := sort.Search(len(all), func(i int) bool { return all[i].Time() > st.in.Now })
	if n < len(all) {
		st.note(all[n].Time())
	}
	vals := make([]ref.Val, n)
	decl := st.cat.Events[typ]
	for i, ev := range all[:n] {
		vals[i] = st.event(ev, decl, i)
	}
	st.budget += int64(n) * budgetPerEvent
	l := listOf(vals)
	if st.lists == nil {
		st.lists = map[string]ref.Val{}
	}
	st.lists[typ] = l
	return l
}

// Parent is part of the activation: there is none.
func (st *state) Parent() interpreter.Activation { return nil }

// The rest makes the state a CEL value.

var contextType = cel.OpaqueType(celenv.Context)

func (st *state) Type() ref.Type { return contextType }
func (st *state) Value() any     { return st }

func (st *state) Equal(other ref.Val) ref.Val { return types.Bool(other == ref.Val(st)) }

func (st *state) ConvertToType(ref.Type) ref.Val { return types.NewErr("not a value") }

func (st *state) ConvertToNative(reflect.Type) (any, error) { return nil, errors.New("not a value") }
