package journey

import (
	"errors"
	"flag"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/embedcdp/cdp/internal/value"
)

var update = flag.Bool("update", false, "write the golden files anew")

const everything = `{
  "name": "everything", "version": 7,
  "entry": {"event": "add_to_cart", "where": "event.value >= 1", "key": "cart"},
  "audience": "customer.age >= 18",
  "reentry": "1d",
  "goals": [
    {"name": "bought", "event": "purchase", "where": "e.cart == event.cart"},
    {"name": "seen", "event": "view", "where": "e.value >= 9"}
  ],
  "exits": [
    {"event": "logout", "reason": "gone"},
    {"when": "customer.tier == \"lost\"", "reason": "lost"}
  ],
  "nodes": [
    {"id": "pause", "type": "delay", "for": "1h", "next": "which"},
    {"id": "which", "type": "if", "else": "mail", "branches": [
      {"name": "old", "where": "customer.age >= 60", "next": "sms"},
      {"where": "event.value >= 5", "next": "ask"}
    ]},
    {"id": "sms", "type": "send", "channel": "sms", "template": "hello", "next": "ask"},
    {"id": "ask", "type": "wait", "for": "2h", "else": "mail", "branches": [
      {"event": "view", "where": "e.sku == event.sku", "next": "pause"},
      {"name": "another", "event": "add_to_cart", "next": "sold"},
      {"name": "late", "event": "view", "where": "e.value >= 3", "next": "done"}
    ]},
    {"id": "mail", "type": "send", "channel": "email", "template": "reminder", "next": "done"},
    {"id": "sold", "type": "goal", "goal": "another"},
    {"id": "done", "type": "exit", "reason": "over"}
  ]
}`

func mustCompile(t testing.TB, src string) *Journey {
	t.Helper()
	def, err := Decode([]byte(src))
	if err != nil {
		t.Fatal(err)
	}
	j, err := Compile(def, testHooks())
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func TestStringGolden(t *testing.T) {
	got := mustCompile(t, everything).Def().String()
	const file = "testdata/everything.golden"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestJSONRoundTrip(t *testing.T) {
	def := mustCompile(t, everything).Def()
	again, err := Decode(mustJSON(t, def))
	if err != nil || !reflect.DeepEqual(def, again) {
		t.Errorf("%v\n%+v\n%+v", err, def, again)
	}
	for _, bad := range []string{``, `{`, `[]`, `{} {}`, `{"name": 1}`, `{"nodes": [{"nxt": "a"}]}`} {
		if _, err := Decode([]byte(bad)); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
	if _, err := Decode([]byte(`{"nodes": [{"nxt": "a"}]}`)); !strings.Contains(err.Error(), `unknown field "nxt" (did you mean "next"?)`) {
		t.Error(err)
	}
	if _, err := Decode(make([]byte, MaxSource+1)); err == nil || !strings.Contains(err.Error(), "limit") {
		t.Error(err)
	}
}

func TestWhatItListensTo(t *testing.T) {
	def := mustCompile(t, everything).Def()
	for node, want := range map[string][]string{"ask": {"view", "add_to_cart"}, "which": nil, "pause": nil, "nowhere": nil} {
		if got := def.Listens(node); !slices.Equal(got, want) {
			t.Errorf("%s listens to %v, want %v", node, got, want)
		}
	}
	if got := def.Ends(); !slices.Equal(got, []string{"purchase", "view", "logout"}) {
		t.Error(got)
	}
	if !def.WatchesProfile() {
		t.Error("an exit has a when")
	}
	def.Exits = def.Exits[:1]
	if def.WatchesProfile() {
		t.Error("no exit has a when")
	}
}

// The ids and keys below were computed outside Go from the documented form. They are what services downstream
// remember, so they never change.
func TestIDsAreStable(t *testing.T) {
	id := newID("cart", 300, "evt-1", "c1")
	if id.String() != "adb57003b1b0b11c93bcb9f70c569ba2" {
		t.Error(id)
	}
	e := Enrolment{ID: id, Journey: "cart", Version: 2, Node: "mail", Steps: 1}
	if key := e.sendKey(); key != "c73703085716a059eaec551ef54251be" {
		t.Error(key)
	}
	seen := map[ID]bool{id: true}
	for _, other := range []ID{newID("cart", 301, "evt-1", "c1"), newID("carts", 300, "evt-1", "c1"), newID("cart", 300, "evt-1c", "1"), newID("cart", 300, "evt-1", "")} {
		if seen[other] {
			t.Error("two enrolments have one id")
		}
		seen[other] = true
	}
}

func TestSendKeysDiffer(t *testing.T) {
	src := strings.Replace(`{"name": "daily", "version": V, "entry": {"event": "view"}, "nodes": [
		{"id": "mail", "type": "send", "channel": "email", "template": "reminder", "next": "also"},
		{"id": "also", "type": "send", "channel": "email", "template": "reminder", "next": "pause"},
		{"id": "pause", "type": "wait", "for": "1d", "branches": [{"event": "purchase", "next": "done"}], "else": "mail"},
		{"id": "done", "type": "exit"}]}`, "V", "3", 1)
	j := mustCompile(t, src)
	keys := map[string]bool{}
	count := func(r Result) {
		for _, x := range r.Effects {
			if s, ok := x.(SendMessage); ok {
				if keys[s.Key] || len(s.Key) != 32 {
					t.Errorf("key %q is used twice or short", s.Key)
				}
				keys[s.Key] = true
			}
		}
	}
	r, _ := j.Enter(Entrance{Row: 1, At: 1, Trigger: "1"}, Person{})
	count(r)
	for range 3 {
		r, _ = j.OnTimer(r.Enrolment, r.Enrolment.Due, Person{})
		count(r)
	}
	if len(keys) != 8 {
		t.Errorf("%d keys, want 8", len(keys))
	}
}

func TestEffectsAreSortedAndComplete(t *testing.T) {
	j := mustCompile(t, everything)
	p := Person{attrs{"age": 20.0}, attrs{"value": 1.0, "cart": "c1"}}
	r, why := j.Enter(Entrance{Row: 300, At: 5_000_000, Trigger: "evt-1", Key: "c1"}, p)
	if why != "" {
		t.Fatal(why)
	}
	want := Emit{Name: "journey_entered", At: 5_000_000, Attributes: []value.Field{
		{Name: "enrolment", Value: value.Str(r.Enrolment.ID.String())},
		{Name: "journey", Value: value.Str("everything")},
		{Name: "key", Value: value.Str("c1")},
		{Name: "trigger", Value: value.Str("evt-1")},
		{Name: "version", Value: value.Num(7)},
	}}
	if !reflect.DeepEqual(r.Effects, []Effect{want, Timer{3605_000_000}}) {
		t.Errorf("%+v", r.Effects)
	}
	e := r.Enrolment
	if e.Due != 3605_000_000 || e.Reached != 5_000_000 || e.Entered != 5_000_000 || e.Node != "pause" || e.Row != 300 || e.Steps != 1 || e.Version != 7 {
		t.Errorf("%+v", e)
	}
	for _, x := range r.Effects {
		if em, ok := x.(Emit); ok && !slices.IsSortedFunc(em.Attributes, func(a, b value.Field) int { return strings.Compare(a.Name, b.Name) }) {
			t.Error("attributes are out of order")
		}
	}
}

func TestTimerBeforeItsTime(t *testing.T) {
	j := mustCompile(t, everything)
	p := Person{attrs{"age": 20.0}, attrs{"value": 1.0, "cart": "c1"}}
	r, _ := j.Enter(Entrance{At: 10, Trigger: "1", Key: "c1"}, p)
	early, err := j.OnTimer(r.Enrolment, r.Enrolment.Due-1, p)
	if err != nil || early.Changed || len(early.Effects) > 0 || early.Enrolment != r.Enrolment {
		t.Errorf("%+v %v", early, err)
	}
	exact, _ := j.OnTimer(r.Enrolment, r.Enrolment.Due, p)
	late, _ := j.OnTimer(r.Enrolment, r.Enrolment.Due+12345, p)
	if !exact.Ended || !reflect.DeepEqual(exact, late) {
		t.Errorf("a timer that fires late did something else:\n%+v\n%+v", exact, late)
	}
}

func TestForeignEnrolment(t *testing.T) {
	j := mustCompile(t, everything)
	for _, e := range []Enrolment{
		{Journey: "other", Version: 7, Node: "ask"},
		{Journey: "everything", Version: 6, Node: "ask"},
		{Journey: "everything", Version: 7, Node: "gone"},
	} {
		_, err1 := j.OnEvent(e, Event{}, Person{})
		_, err2 := j.OnTimer(e, 1, Person{})
		_, err3 := j.OnChange(e, 1, Person{})
		for _, err := range []error{err1, err2, err3} {
			if !errors.Is(err, ErrNotMine) || !strings.Contains(err.Error(), `"everything" version 7`) {
				t.Error(err)
			}
		}
	}
}

// A definition that was never validated cannot hang the stepper.
func TestLoopGuard(t *testing.T) {
	def := &Def{Name: "spin", Nodes: []Node{{ID: "a", Type: If, Else: "a"}}}
	j := &Journey{def: def, nodes: map[string]*node{"a": {Node: &def.Nodes[0]}}}
	r, _ := j.Enter(Entrance{At: 1, Trigger: "1"}, Person{})
	last := r.Effects[len(r.Effects)-1].(Emit)
	if !r.Ended || len(r.Effects) != 1002 || last.Name != EventExited || value.ObjectOf(last.Attributes).Field("reason").Str != ReasonLoop {
		t.Errorf("ended %v after %d effects, last %+v", r.Ended, len(r.Effects), last)
	}
}

// The window of a wait is open at its start and closed at its end.
func TestWaitWindow(t *testing.T) {
	j := mustCompile(t, `{"name": "w", "entry": {"event": "view"}, "nodes": [
		{"id": "w", "type": "wait", "for": "10s", "branches": [{"event": "purchase", "next": "yes"}], "else": "no"},
		{"id": "yes", "type": "exit", "reason": "yes"}, {"id": "no", "type": "exit", "reason": "no"}]}`)
	r, _ := j.Enter(Entrance{At: 100, Trigger: "1"}, Person{})
	for at, want := range map[int64]bool{99: false, 100: false, 101: true, 10_000_100: true, 10_000_101: false} {
		got, err := j.OnEvent(r.Enrolment, Event{Type: "purchase", ID: "2", Time: at}, Person{})
		if err != nil || got.Ended != want || got.Ended && got.EndedAt != at {
			t.Errorf("at %d: %+v %v", at, got, err)
		}
	}
}

// A condition over the profile that has come to hold is seen at the next step, but a goal wins over it.
func TestExitOnStep(t *testing.T) {
	const src = `{"name": "w", "entry": {"event": "view"}, "exits": [{"when": "customer.tier == \"lost\"", "reason": "lost"}], "nodes": [
		{"id": "w", "type": "delay", "for": "10s", "next": "z"}, {"id": "z", "type": %s}]}`
	for kind, want := range map[string]string{`"exit", "reason": "over"`: "lost", `"goal", "goal": "won"`: ReasonGoal} {
		j := mustCompile(t, strings.Replace(src, "%s", kind, 1))
		profile := attrs{}
		r, _ := j.Enter(Entrance{At: 100, Trigger: "1"}, Person{Profile: profile})
		profile["tier"] = "lost"
		r, err := j.OnTimer(r.Enrolment, r.Enrolment.Due, Person{Profile: profile})
		last, ok := r.Effects[len(r.Effects)-1].(Emit)
		if err != nil || !ok || value.ObjectOf(last.Attributes).Field("reason").Str != want || r.EndedAt != 10_000_100 {
			t.Errorf("%s: %+v %v", kind, r, err)
		}
	}
}

func TestLimits(t *testing.T) {
	exit := Node{ID: "x", Type: ExitNode}
	for want, def := range map[string]Def{
		"has 501 nodes, the limit is 500":    {Nodes: make([]Node, 501)},
		"has 3 goals, the limit is 2":        {Nodes: []Node{exit}, Goals: make([]Goal, 3)},
		"has 11 exits, the limit is 10":      {Nodes: []Node{exit}, Exits: make([]Exit, 11)},
		"has 21 branches, the limit is 20":   {Nodes: []Node{{ID: "i", Type: If, Else: "x", Branches: make([]Branch, 21)}, exit}},
		`reentry: "9999d" is longer than`:    {Nodes: []Node{exit}, Reentry: "9999d"},
		`node "": id: "" is no name`:         {Nodes: []Node{{}}},
		`entry: name exactly one of event`:   {Nodes: []Node{exit}},
		`"loop" is what the platform itself`: {Nodes: []Node{{ID: "x", Type: ExitNode, Reason: "loop"}}},
	} {
		def.Name = "big"
		if _, err := Compile(&def, testHooks()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func TestParseDuration(t *testing.T) {
	for s, want := range map[string]int64{"1s": 1e6, "90m": 5400e6, "24h": 86400e6, "3d": 259200e6, "2w": 1209600e6, "3660d": 316224000e6} {
		if got, err := ParseDuration(s); err != nil || got != want {
			t.Errorf("%s: %d %v, want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "h", "0s", "-1h", "1", "1y", "1.5h", "1d12h", " 1h", "3661d", "99999999999w", "+1h"} {
		if got, err := ParseDuration(s); err == nil {
			t.Errorf("%q was read as %d", s, got)
		}
	}
}
