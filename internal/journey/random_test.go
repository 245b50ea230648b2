package journey

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/embedcdp/cdp/internal/value"
	"pgregory.net/rapid"
)

// Random inputs, applied with and without the binary form between two steps, give the same effects; and whatever the
// inputs, an enrolment begins once, ends at most once, and its instants never go backwards.
func TestRandomInputs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plain, coded := newWorld(t, false), newWorld(t, true)
		both := func(f func(*world)) { f(plain); f(coded) }
		both(func(w *world) { w.define(everything); w.now = w.clock("01 00:00") })
		minute := 0
		for i := range rapid.IntRange(1, 60).Draw(t, "inputs") {
			who := rapid.SampledFrom([]string{"ana", "bo"}).Draw(t, "who")
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0:
				a := fmt.Sprintf("%s age=%d tier=%s", who, rapid.SampledFrom([]int{17, 30, 70}).Draw(t, "age"),
					rapid.SampledFrom([]string{"gold", "gold", "gold", "lost"}).Draw(t, "tier"))
				both(func(w *world) { w.do("set", a) })
			case 1, 2, 3:
				minute += rapid.SampledFrom([]int{1, 30, 60, 120, 1500}).Draw(t, "minutes")
				both(func(w *world) { w.until(w.clock("01 00:00") + int64(minute)*60*second) })
			default:
				typ := rapid.SampledFrom([]string{"add_to_cart", "add_to_cart", "view", "view", "purchase", "logout"}).Draw(t, "type")
				late := int64(rapid.SampledFrom([]int{0, 0, 0, 15, 50}).Draw(t, "late")) * 60 * second
				data := attrs{"cart": fmt.Sprint("c", rapid.IntRange(1, 2).Draw(t, "cart")), "value": float64(rapid.IntRange(0, 9).Draw(t, "value"))}
				if rapid.Bool().Draw(t, "has sku") {
					data["sku"] = "x"
				}
				both(func(w *world) { w.event(who, typ, fmt.Sprint("#", i), w.now-late, data) })
			}
		}
		if !slices.Equal(plain.log, coded.log) {
			t.Fatalf("the binary form changed what happened:\n%s\n\n%s", strings.Join(plain.log, "\n"), strings.Join(coded.log, "\n"))
		}
		checkEmits(t, plain.emits)
	})
}

func checkEmits(t *rapid.T, emits []Emit) {
	began, ended, last := map[string]int{}, map[string]int{}, map[string]int64{}
	for _, x := range emits {
		id := value.ObjectOf(slices.Clone(x.Attributes)).Field("enrolment").Str
		switch x.Name {
		case EventEntered:
			began[id]++
			last[id] = x.At
		case EventExited, EventFinished:
			ended[id]++
		}
		if began[id] != 1 || ended[id] > 1 || ended[id] == 1 && x.Name != EventExited && x.Name != EventFinished {
			t.Fatalf("%+v: began %d times, ended %d times", x, began[id], ended[id])
		}
		if x.At < last[id] {
			t.Fatalf("%+v: the journey went back in time", x)
		}
		last[id] = x.At
	}
}

func TestCodecRandom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := Enrolment{
			ID: newID(rapid.String().Draw(t, "id"), 0, "", ""), Journey: rapid.String().Draw(t, "journey"),
			Version: rapid.Uint32().Draw(t, "version"), Row: rapid.Uint32().Draw(t, "row"), Node: rapid.String().Draw(t, "node"),
			Entered: rapid.Int64Range(-1<<60, 1<<60).Draw(t, "entered"), Trigger: rapid.String().Draw(t, "trigger"),
			Key: rapid.String().Draw(t, "key"), Steps: rapid.Uint32().Draw(t, "steps"),
		}
		e.Reached = e.Entered + rapid.Int64Range(0, 1<<60).Draw(t, "reached")
		if rapid.Bool().Draw(t, "due") {
			e.Due = e.Reached + rapid.Int64Range(0, 1<<60).Draw(t, "stay")
		}
		b := AppendEnrolment(nil, e)
		got, rest, err := DecodeEnrolment(b)
		if err != nil || len(rest) > 0 || got != e {
			t.Fatalf("%+v became %+v, %v", e, got, err)
		}
		for cut := range len(b) {
			if _, _, err := DecodeEnrolment(b[:cut]); err == nil {
				t.Fatalf("%d of %d bytes were accepted", cut, len(b))
			}
		}
	})
}

func FuzzDecodeEnrolment(f *testing.F) {
	e := Enrolment{Journey: "cart", Version: 1, Row: 5, Node: "ask", Entered: 1e15, Reached: 1e15 + 5, Due: 2e15, Trigger: "e1", Key: "c", Steps: 9}
	f.Add(AppendEnrolment(nil, e))
	f.Add([]byte{enrolmentFormat})
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, _, err := DecodeEnrolment(b); err == nil {
			again, rest, err := DecodeEnrolment(AppendEnrolment(nil, e))
			if err != nil || len(rest) > 0 || again != e || e.Reached < e.Entered {
				t.Errorf("%+v became %+v, %v", e, again, err)
			}
		}
	})
}

// What validates never hangs or panics the stepper, whatever the definition says.
func FuzzDef(f *testing.F) {
	f.Add([]byte(everything))
	f.Add([]byte(`{"name": "a", "entry": {"event": "view"}, "nodes": [{"id": "d", "type": "exit"}]}`))
	f.Add([]byte(`{"name": "a", "entry": {"left": "vip"}, "nodes": [{"id": "w", "type": "wait", "for": "1s", "else": "w", "branches": [{"event": "view", "next": "g"}]}, {"id": "g", "type": "goal", "goal": "x"}]}`))
	f.Add([]byte(`{"nodes": [{"type": "delay"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		def, err := Decode(b)
		if err != nil {
			return
		}
		_ = def.String()
		j, err := Compile(def, testHooks())
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without words")
			}
			return
		}
		p := Person{attrs{}, attrs{}}
		r, why := j.Enter(Entrance{At: 1, Trigger: "1", Key: "k"}, p)
		for i := 0; why == "" && !r.Ended && i < 50; i++ {
			e := r.Enrolment
			if e.Due <= e.Reached {
				t.Fatalf("stands still without time: %+v", e)
			}
			if r, err = j.OnTimer(e, e.Due, p); err != nil || !r.Changed {
				t.Fatal(r, err)
			}
		}
	})
}
