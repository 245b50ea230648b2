package journey

// The scripts in testdata are the readable spec of what a journey does. A script is lines:
//
//	define … end               save a journey (JSON between the two); a name defined again is its next version
//	at 01 10:00                the clock goes to 10:00 on 1 March 2026; timers due by then fire in order
//	event ana buy #1 sku=x     ana's event of type buy with id 1, now
//	late 01 09:50 ana buy #1   the same with a time of its own
//	set ana age=30             ana's attribute changes
//	flip ana entered vip       ana enters (or left: leaves) a segment
//	expect                     what happened since the last expect, on the indented lines that follow
//
// Conditions are clauses joined by && and made of customer.x, event.x, e.x, "text", numbers and == != >= <= > <.

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		for _, recode := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/recode=%v", strings.TrimSuffix(filepath.Base(file), ".txt"), recode), func(t *testing.T) {
				runScript(t, file, recode)
			})
		}
	}
}

func runScript(t *testing.T, file string, recode bool) {
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, recode)
	lines := strings.Split(string(src), "\n")
	expects := 0
	for i := 0; i < len(lines); i++ {
		line := strings.TrimSpace(lines[i])
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "", "#":
		case "define":
			var body []string
			for i++; strings.TrimSpace(lines[i]) != "end"; i++ {
				body = append(body, lines[i])
			}
			w.define(strings.Join(body, "\n"))
		case "expect":
			line, want := i+1, []string{}
			for i+1 < len(lines) && strings.HasPrefix(lines[i+1], " ") {
				i++
				want = append(want, strings.TrimSpace(lines[i]))
			}
			if !slices.Equal(w.log, want) {
				t.Fatalf("%s:%d\ngot:\n  %s\nwant:\n  %s", file, line, strings.Join(w.log, "\n  "), strings.Join(want, "\n  "))
			}
			w.log = []string{}
			expects++
		default:
			w.do(word, rest)
		}
	}
	if expects == 0 || len(w.log) > 0 {
		t.Fatalf("%s: %d expects, and nobody expected %q", file, expects, w.log)
	}
}

// world is the smallest fold that can drive journeys: everything in maps, timers found by looking at all.
type world struct {
	t        failer
	recode   bool // every enrolment and history goes through its binary form between two steps
	now      int64
	journeys map[string][]*Journey // versions, oldest first
	people   map[string]attrs
	inside   []*inside
	history  map[string]History
	log      []string
	emits    []Emit
}

// failer is what a world needs of testing.T and rapid.T.
type failer interface {
	Fatal(...any)
	Fatalf(string, ...any)
}

type attrs map[string]any

type inside struct {
	who     string
	e       Enrolment
	trigger attrs
}

func newWorld(t failer, recode bool) *world {
	return &world{t: t, recode: recode, log: []string{}, journeys: map[string][]*Journey{}, people: map[string]attrs{}, history: map[string]History{}}
}

func (w *world) define(src string) {
	def, err := Decode([]byte(src))
	if err == nil {
		def.Version = uint32(len(w.journeys[def.Name]) + 1)
		var j *Journey
		if j, err = Compile(def, testHooks()); err == nil {
			w.journeys[def.Name] = append(w.journeys[def.Name], j)
			return
		}
	}
	w.log = append(w.log, strings.Split(err.Error(), "\n")...)
}

func (w *world) do(word, rest string) {
	f := strings.Fields(rest)
	switch word {
	case "at":
		w.until(w.clock(f[0] + " " + f[1]))
	case "event":
		w.event(f[0], f[1], f[2], w.now, w.attrs(f[3:]))
	case "late":
		w.event(f[2], f[3], f[4], w.clock(f[0]+" "+f[1]), w.attrs(f[5:]))
	case "set":
		w.person(f[0])
		maps.Copy(w.people[f[0]], w.attrs(f[1:]))
		for _, in := range slices.Clone(w.inside) {
			if in.who == f[0] {
				w.apply(in, func(j *Journey, e Enrolment, p Person) (Result, error) { return j.OnChange(e, w.now, p) })
			}
		}
	case "flip":
		for _, name := range slices.Sorted(maps.Keys(w.journeys)) {
			entry := w.latest(name).def.Entry
			if f[1] == "entered" && entry.Entered == f[2] || f[1] == "left" && entry.Left == f[2] {
				w.enter(w.latest(name), f[0], fmt.Sprintf("%s-%s-%s", f[1], f[2], w.print(w.now)), "", w.now, nil)
			}
		}
	default:
		w.t.Fatalf("unknown word %q", word)
	}
}

func (w *world) latest(name string) *Journey { return w.journeys[name][len(w.journeys[name])-1] }

func (w *world) person(who string) attrs {
	if w.people[who] == nil {
		w.people[who] = attrs{}
	}
	return w.people[who]
}

// until fires the timers due by then, earliest first, each at its exact instant.
func (w *world) until(then int64) {
	for {
		var next *inside
		for _, in := range w.inside {
			if in.e.Due != 0 && in.e.Due <= then && (next == nil || in.e.Due < next.e.Due) {
				next = in
			}
		}
		if next == nil {
			break
		}
		w.apply(next, func(j *Journey, e Enrolment, p Person) (Result, error) { return j.OnTimer(e, e.Due, p) })
	}
	w.now = then
}

func (w *world) event(who, typ, id string, at int64, data attrs) {
	for _, in := range slices.Clone(w.inside) {
		if in.who == who {
			w.apply(in, func(j *Journey, e Enrolment, p Person) (Result, error) {
				return j.OnEvent(e, Event{Type: typ, ID: id, Time: at, Data: data}, p)
			})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.journeys)) {
		j := w.latest(name)
		if j.def.Entry.Event == typ {
			key := ""
			if v, ok := data[j.def.Entry.Key]; ok {
				key = fmt.Sprint(v)
			}
			w.enter(j, who, id, key, at, data)
		}
	}
}

func (w *world) enter(j *Journey, who, trigger, key string, at int64, data attrs) {
	slot := j.def.Name + "/" + who + "/" + key
	row := uint32(len(who)) // any number that depends on the person alone
	r, refused := j.Enter(Entrance{Row: row, At: at, Trigger: trigger, Key: key, History: w.history[slot]}, Person{w.person(who), data})
	if refused != "" {
		w.log = append(w.log, fmt.Sprintf("%s %s refused %s: %s", w.print(at), who, j.def.Name, refused))
		return
	}
	w.history[slot] = w.history[slot].Enter()
	in := &inside{who: who, trigger: data}
	w.inside = append(w.inside, in)
	w.take(in, r)
}

func (w *world) apply(in *inside, step func(*Journey, Enrolment, Person) (Result, error)) {
	j := w.journeys[in.e.Journey][in.e.Version-1]
	before := in.e
	r, err := step(j, in.e, Person{w.person(in.who), in.trigger})
	if err != nil {
		w.t.Fatal(err)
	}
	if !r.Changed && (len(r.Effects) > 0 || r.Enrolment != before || r.Ended) {
		w.t.Fatalf("a step that changed nothing did something: %+v", r)
	}
	w.take(in, r)
}

func (w *world) take(in *inside, r Result) {
	in.e = w.again(r.Enrolment)
	for _, x := range r.Effects {
		w.log = append(w.log, w.describe(in.who, x))
	}
	if r.Ended {
		slot := in.e.Journey + "/" + in.who + "/" + in.e.Key
		w.history[slot] = w.history[slot].End(r.EndedAt)
		w.inside = slices.DeleteFunc(w.inside, func(x *inside) bool { return x == in })
	}
}

func (w *world) again(e Enrolment) Enrolment {
	if !w.recode {
		return e
	}
	got, rest, err := DecodeEnrolment(append(AppendEnrolment(nil, e), "rest"...))
	if err != nil || string(rest) != "rest" || got != e {
		w.t.Fatalf("enrolment through its binary form: %+v became %+v, rest %q, %v", e, got, rest, err)
	}
	return got
}

func (w *world) describe(who string, x Effect) string {
	switch x := x.(type) {
	case Timer:
		return who + " timer " + w.print(x.At)
	case SendMessage:
		return fmt.Sprintf("%s %s send %s by %s", w.print(x.At), who, x.Template, x.Channel)
	case Emit:
		w.emits = append(w.emits, x)
		a := map[string]string{}
		for _, f := range x.Attributes {
			a[f.Name] = f.Value.String()
		}
		words := []string{w.print(x.At), who, x.Name, a["journey"] + ".v" + a["version"]}
		for _, name := range []string{"key", "node", "type", "branch", "goal", "reason"} {
			if a[name] != "" {
				words = append(words, name+"="+a[name])
			}
		}
		return strings.Join(words, " ")
	}
	return fmt.Sprintf("%T", x)
}

const scriptLayout = "2006-01-02 15:04:05"

func (w *world) clock(s string) int64 {
	if strings.Count(s, ":") == 1 {
		s += ":00"
	}
	t, err := time.Parse(scriptLayout, "2026-03-"+s)
	if err != nil {
		w.t.Fatal(err)
	}
	return t.UnixMicro()
}

func (w *world) print(at int64) string {
	s := time.UnixMicro(at).UTC().Format("02 15:04:05.999999")
	return strings.TrimSuffix(s, ":00")
}

func (w *world) attrs(words []string) attrs {
	a := attrs{}
	for _, word := range words {
		name, v, ok := strings.Cut(word, "=")
		if !ok {
			w.t.Fatalf("%q is no attribute", word)
		}
		a[name] = literal(v)
	}
	return a
}

func literal(s string) any {
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		return f
	}
	return strings.Trim(s, `"`)
}

// testHooks know a small shop.
func testHooks() Hooks {
	return Hooks{
		Compile:    compileTest,
		Events:     func() []string { return []string{"add_to_cart", "purchase", "view", "logout"} },
		Attributes: func(string) []string { return []string{"cart", "value", "sku"} },
		Segments:   func() []string { return []string{"vip", "lapsed"} },
		Channels:   func() []string { return []string{"email", "sms"} },
		Templates:  func(string) []string { return []string{"hello", "reminder", "thanks"} },
	}
}

// compileTest compiles the scripts' conditions.
func compileTest(s Scope, src string) (Condition, error) {
	type clause struct{ left, op, right string }
	var clauses []clause
	for part := range strings.SplitSeq(src, " && ") {
		f := strings.Fields(part)
		if len(f) != 3 || !slices.Contains([]string{"==", "!=", ">=", "<=", ">", "<"}, f[1]) {
			return nil, fmt.Errorf("1:%d: not a comparison", 1+strings.Index(src, part))
		}
		for _, name := range []string{f[0], f[2]} {
			owner, attr, dotted := strings.Cut(name, ".")
			if !dotted || strings.HasPrefix(name, `"`) || strings.Trim(owner, "0123456789") == "" {
				continue
			}
			known := map[string]string{"customer": " age city tier ", "event": " cart value sku ", "e": " cart value sku "}[owner]
			if owner == "e" && s.Event == "" || owner == "event" && s.Trigger == "" {
				known = ""
			}
			if !strings.Contains(known, " "+attr+" ") {
				return nil, fmt.Errorf("1:%d: unknown attribute %q", 1+strings.Index(src, name), attr)
			}
		}
		clauses = append(clauses, clause{f[0], f[1], f[2]})
	}
	return func(m Moment) bool {
		for _, c := range clauses {
			a, b := operand(m, c.left), operand(m, c.right)
			if a == nil || b == nil || !compare(a, b, c.op) {
				return false
			}
		}
		return true
	}, nil
}

func operand(m Moment, s string) any {
	owner, attr, dotted := strings.Cut(s, ".")
	if from := map[string]any{"customer": m.Person, "event": m.Trigger, "e": m.Event}[owner]; dotted && from != nil {
		return from.(attrs)[attr]
	}
	return literal(s)
}

func compare(a, b any, op string) bool {
	order := 0
	switch a := a.(type) {
	case float64:
		bf, ok := b.(float64)
		if !ok {
			return false
		}
		order = cmp.Compare(a, bf)
	case string:
		bs, ok := b.(string)
		if !ok {
			return false
		}
		order = cmp.Compare(a, bs)
	}
	return strings.Contains(op, "=") && op != "!=" && order == 0 || op[0] == '>' && order > 0 || op[0] == '<' && order < 0 || op == "!=" && order != 0
}

func mustJSON(t testing.TB, x any) []byte {
	b, err := json.Marshal(x)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
