package celenv

import (
	"runtime"
	"strings"
	"sync"
	"weak"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/decls"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/embedcdp/cdp/internal/schema"
)

// Val is a CEL value.
type Val = ref.Val

var contextType = cel.OpaqueType(Context)

// base holds everything that does not depend on a catalogue: the standard library and the dialect's functions.
var base = sync.OnceValues(func() (*cel.Env, error) {
	opts := []cel.EnvOption{
		cel.ClearMacros(),
		cel.Macros(cel.HasMacro),
		cel.CrossTypeNumericComparisons(true),
		cel.DefaultUTCTimeZone(true),
		cel.EnableHiddenAccumulatorName(true),
		cel.ParserExpressionSizeLimit(MaxSource),
		cel.ParserRecursionLimit(maxDepth),
		cel.ExpressionNodeLimit(maxNodes),
		cel.RegexProgramSizeLimit(maxRegex),
		cel.Variable(Context, contextType),
		cel.Variable(NowVar, cel.TimestampType),
		stringFunction("lowerAscii", lowerASCII),
		stringFunction("upperAscii", upperASCII),
		stringFunction("trim", strings.TrimSpace),
	}
	return cel.NewEnv(append(opts, hiddenFunctions()...)...)
})

func stringFunction(name string, f func(string) string) cel.EnvOption {
	return cel.Function(name, cel.MemberOverload("string_"+name, []*cel.Type{cel.StringType}, cel.StringType,
		cel.UnaryBinding(func(v Val) Val { return types.String(f(string(v.(types.String)))) })))
}

func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

func upperASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' {
			return r + 'A' - 'a'
		}
		return r
	}, s)
}

// hiddenFunctions declares what the rewritten tree calls. Every call goes to the Runtime in its first argument.
func hiddenFunctions() []cel.EnvOption {
	var (
		a      = cel.TypeParamType("A")
		list   = cel.ListType(a)
		t, d   = cel.TimestampType, cel.DurationType
		b, s   = cel.BoolType, cel.StringType
		i, f   = cel.IntType, cel.DoubleType
		listOf = cel.ListType
	)
	type sig struct {
		result *cel.Type
		args   []*cel.Type
	}
	of := func(result *cel.Type, args ...*cel.Type) sig { return sig{result, args} }
	declared := []struct {
		name string
		sigs []sig
	}{
		{FnStep, []sig{of(b)}},
		{FnAbsorb, []sig{of(b, b)}},
		{FnOrAbsent, []sig{of(a, a)}},
		{FnCompact, []sig{of(list, list)}},
		{FnWithin, []sig{of(list, list, i)}},
		{FnDuring, []sig{of(list, list, s)}},
		{FnSince, []sig{of(list, list, t)}},
		{FnUntil, []sig{of(list, list, t)}},
		{FnPer, []sig{of(listOf(i), list, s, i)}},
		{FnSum, []sig{of(f, listOf(f)), of(f, listOf(i))}}, // ints are made doubles before the second check
		{FnAvg, []sig{of(f, listOf(f)), of(f, listOf(i))}},
		{FnMin, []sig{of(f, listOf(f)), of(i, listOf(i)), of(t, listOf(t)), of(d, listOf(d))}},
		{FnMax, []sig{of(f, listOf(f)), of(i, listOf(i)), of(t, listOf(t)), of(d, listOf(d))}},
		{FnDistinct, []sig{of(i, listOf(f)), of(i, listOf(i)), of(i, listOf(s)), of(i, listOf(b)), of(i, listOf(t))}},
		{FnMostFrequent, []sig{of(f, listOf(f)), of(i, listOf(i)), of(s, listOf(s)), of(b, listOf(b)), of(t, listOf(t))}},
		{FnFirst, []sig{of(a, list)}},
		{FnLast, []sig{of(a, list)}},
		{FnInSegment, []sig{of(b, s)}},
		{FnStartOf, []sig{of(t, t, s)}},
		{FnAnniversary, []sig{of(t, t)}},
		{FnConcat, []sig{of(a, a, a)}},
		{FnIn, []sig{of(b, a, list)}},
		{FnCompare, []sig{of(b, s, t, t), of(b, s, d, d)}},
		{FnAdd, []sig{of(t, t, d), of(t, d, t), of(d, d, d)}},
		{FnSubtract, []sig{of(d, t, t), of(t, t, d), of(d, d, d)}},
		{FnPart, []sig{of(i, t, s), of(i, t, s, s), of(i, d, s)}},
		{FnSequence, []sig{
			of(b, i, list, listOf(cel.TypeParamType("B"))),
			of(b, i, list, listOf(cel.TypeParamType("B")), listOf(cel.TypeParamType("C"))),
			of(b, i, list, listOf(cel.TypeParamType("B")), listOf(cel.TypeParamType("C")), listOf(cel.TypeParamType("D"))),
			of(b, i, list, listOf(cel.TypeParamType("B")), listOf(cel.TypeParamType("C")), listOf(cel.TypeParamType("D")), listOf(cel.TypeParamType("E"))),
		}},
	}
	var opts []cel.EnvOption
	for _, fn := range declared {
		// The checker has seen the types. A look at the first element of a list would also trip over a mark.
		overloads := []cel.FunctionOpt{decls.DisableTypeGuards(true)}
		for n, sg := range fn.sigs {
			id := fn.name + "_" + string(rune('a'+n))
			args := append([]*cel.Type{contextType}, sg.args...)
			bind := []cel.OverloadOpt{cel.FunctionBinding(forward(fn.name))}
			if len(args) == 1 {
				bind = []cel.OverloadOpt{cel.UnaryBinding(func(c Val) Val { return forward(fn.name)(c) })}
			}
			if len(args) == 2 {
				bind = []cel.OverloadOpt{cel.BinaryBinding(func(c, x Val) Val { return forward(fn.name)(c, x) })}
			}
			if fn.name == FnAbsorb || fn.name == FnOrAbsent {
				bind = append(bind, cel.OverloadIsNonStrict())
			}
			overloads = append(overloads, cel.Overload(id, args, sg.result, bind...))
		}
		opts = append(opts, cel.Function(fn.name, overloads...))
	}
	return opts
}

func forward(name string) func(...Val) Val {
	return func(args ...Val) Val {
		rt, ok := args[0].(Runtime)
		if !ok {
			return types.NewErr("%s: no evaluator", name)
		}
		return rt.Call(name, args[1:])
	}
}

// An environment depends on the catalogue and on the event type of `event` alone, so it is made once for each pair and
// forgotten with the catalogue.
type envKey struct {
	catalogue weak.Pointer[schema.Catalogue]
	event     string
	arriving  string
}

var envs sync.Map // envKey → *cel.Env

func environment(cat *schema.Catalogue, sc Scope) (*cel.Env, error) {
	env, err := catalogueEnv(cat, sc.Event, sc.Arriving)
	if err != nil || len(sc.Vars) == 0 {
		return env, err
	}
	var opts []cel.EnvOption
	for _, name := range sc.Vars.Names() {
		opts = append(opts, cel.Variable(name, celType(sc.Vars[name], varsType+"/"+name)))
	}
	opts = append(opts, cel.CustomTypeProvider(&provider{cat: cat, vars: sc.Vars, Provider: types.NewEmptyRegistry()}))
	return env.Extend(opts...)
}

func catalogueEnv(cat *schema.Catalogue, event, arriving string) (*cel.Env, error) {
	key := envKey{weak.Make(cat), event, arriving}
	if env, ok := envs.Load(key); ok {
		return env.(*cel.Env), nil
	}
	b, err := base()
	if err != nil {
		return nil, err
	}
	// The cached environment must not keep the catalogue alive, or the cleanup would never run: the provider
	// holds a copy of the struct, which shares its maps.
	held := *cat
	opts := []cel.EnvOption{
		cel.CustomTypeProvider(&provider{cat: &held, Provider: types.NewEmptyRegistry()}),
		cel.Variable(ProfileVar, cel.ObjectType(profileType)),
		cel.Variable(EventsVar, cel.ObjectType(eventsType)),
	}
	if event != "" {
		opts = append(opts, cel.Variable(EventVar, cel.ObjectType(eventType+event)))
	}
	if arriving != "" {
		opts = append(opts, cel.Variable(ArrivingVar, cel.ObjectType(eventType+arriving)))
	}
	env, err := b.Extend(opts...)
	if err != nil {
		return nil, err
	}
	kept, loaded := envs.LoadOrStore(key, env)
	if !loaded {
		runtime.AddCleanup(cat, func(k envKey) { envs.Delete(k) }, key)
	}
	return kept.(*cel.Env), nil
}
