package fold_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/fold"
	"github.com/embedcdp/cdp/internal/record"
	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/value"
)

// Tests that what definitions learn comes from accepted records only. The model is plain maps, of which a copy is changed
// while a record is read, and put in place when it is accepted.

// sample is a value as the model sees it: what it suggests, and whether it fits that.
type sample struct {
	v       value.Value
	absent  bool
	empty   bool // an array without elements, which suggests nothing
	suggest schema.Attr
	misfit  bool // it fits no declaration: an array of a number and a string
}

func randomSample(r *rand.Rand) sample {
	number, text := schema.Attr{Type: schema.Number}, schema.Attr{Type: schema.String}
	switch r.IntN(16) {
	case 0:
		return sample{absent: true}
	case 1:
		return sample{v: value.ListOf(nil), empty: true}
	case 2:
		return sample{v: value.ListOf([]value.Value{value.Num(1), value.Str("x")}), suggest: schema.Attr{Type: schema.NumberList}, misfit: true}
	case 3:
		return sample{v: value.ListOf([]value.Value{value.Num(1)}), suggest: schema.Attr{Type: schema.NumberList}}
	case 4:
		return sample{v: value.Bool(true), suggest: schema.Attr{Type: schema.Boolean}}
	case 5, 6:
		fields, keys := []value.Field{}, schema.Attrs{}
		for _, k := range r.Perm(4)[:r.IntN(3)] {
			f := value.Field{Name: fmt.Sprint("k", k), Value: value.Num(1)}
			keys[f.Name] = number
			if r.IntN(8) == 0 {
				f.Value, keys[f.Name] = value.Str("x"), text
			}
			fields = append(fields, f)
		}
		return sample{v: value.ObjectOf(fields), suggest: schema.Attr{Type: schema.Object, Fields: keys}}
	case 7, 8:
		return sample{v: value.Str("x"), suggest: text}
	}
	return sample{v: value.Num(1), suggest: number}
}

// fits says whether the sample may stand under a declaration.
func (x sample) fits(decl schema.Attr) bool {
	switch {
	case x.misfit:
		return false
	case x.empty:
		return decl.Type == schema.NumberList
	case x.suggest.Type != decl.Type:
		return false
	}
	for k, f := range x.suggest.Fields {
		if declared, ok := decl.Fields[k]; !ok || declared.Type != f.Type {
			return false
		}
	}
	return true
}

// teach is one record of the test.
type teach struct {
	kind   record.Kind
	name   string
	idents [][2]string
	attrs  []string
	values []sample
}

func (x teach) encode(id int) []byte {
	var e record.Encoder
	e.Begin(record.Head{Kind: x.kind, Name: x.name, ID: fmt.Sprint("id", id)})
	e.Idents(len(x.idents))
	for _, i := range x.idents {
		e.Ident(i[0], i[1])
	}
	e.Attrs(len(x.attrs))
	for i, name := range x.attrs {
		e.Attr(name, x.values[i].v)
	}
	e.End(nil)
	return e.Submission(nil)
}

func badName(name string) bool { return strings.Contains(name, "-") }

// learnModel is what has been learned.
type learnModel struct {
	events  map[string]schema.Attrs
	object  schema.Attrs
	profile schema.Attrs
}

const learnLimit = 500

// json has how many attributes there are, and those that are not declared only to fill up to the limit.
func (m *learnModel) json() string {
	all := map[string]any{}
	for name, attrs := range m.events {
		all["event "+name] = attrs
	}
	all["object"], all["profile"] = m.object, m.profile
	for _, name := range slices.Collect(maps.Keys(all)) {
		shown := schema.Attrs{}
		for a, decl := range all[name].(schema.Attrs) {
			if a[0] != 'd' {
				shown[a] = decl
			}
		}
		all["number of "+name], all[name] = len(all[name].(schema.Attrs)), shown
	}
	b, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// takes reads a record, and reports whether it is accepted.
func (m *learnModel) takes(x teach) bool {
	switch x.kind {
	case record.KindEvent:
		return m.takesEvent(x)
	case record.KindObject:
		return m.takesObject(x)
	}
	return m.takesIdentify(x)
}

func identified(x teach) bool {
	for _, i := range x.idents {
		if badName(i[0]) || i[1] == "" {
			return false
		}
	}
	return len(x.idents) > 0
}

func (m *learnModel) takesEvent(x teach) bool {
	attrs, brought := maps.Clone(m.events[x.name]), map[string]bool{}
	if attrs == nil {
		attrs = schema.Attrs{}
	}
	for i, name := range x.attrs {
		v := x.values[i]
		if v.absent {
			continue
		}
		decl, known := attrs[name]
		switch {
		case !known && (x.name == "strict" || badName(name) || len(attrs) == learnLimit):
			return false
		case !known && v.empty:
			continue
		case !known:
			decl = v.suggest
		case decl.Type == schema.Object && v.suggest.Type == schema.Object && x.name != "strict":
			decl.Fields = maps.Clone(decl.Fields)
			for k, f := range v.suggest.Fields {
				if _, there := decl.Fields[k]; !there {
					decl.Fields[k] = f
				}
			}
		}
		if brought[name] || !v.fits(decl) {
			return false
		}
		attrs[name], brought[name] = decl, true
	}
	if attrs["must"].Required && !brought["must"] || badName(x.name) || !identified(x) {
		return false
	}
	m.events[x.name] = attrs
	return true
}

func (m *learnModel) takesObject(x teach) bool {
	attrs, there := maps.Clone(m.object), map[string]bool{}
	for i, name := range x.attrs {
		v := x.values[i]
		decl, known := attrs[name]
		if !known && (v.absent || v.empty || badName(name)) {
			continue
		}
		if !known {
			decl = v.suggest
			attrs[name] = decl
		}
		if !v.absent && !v.fits(decl) {
			return false
		}
		there[name] = !v.absent
	}
	if !there["must"] {
		return false
	}
	m.object = attrs
	return true
}

func (m *learnModel) takesIdentify(x teach) bool {
	attrs := maps.Clone(m.profile)
	for i, name := range x.attrs {
		v := x.values[i]
		decl, known := attrs[name]
		switch {
		case !known && (v.absent || badName(name) || len(attrs) == learnLimit):
			return false
		case !known && v.empty:
			continue
		case !known:
			decl = v.suggest
			attrs[name] = decl
		}
		if !v.absent && !v.fits(decl) {
			return false
		}
	}
	if !identified(x) {
		return false
	}
	m.profile = attrs
	return true
}

func randomTeach(r *rand.Rand) teach {
	x := teach{kind: []record.Kind{record.KindEvent, record.KindEvent, record.KindIdentify, record.KindObject}[r.IntN(4)]}
	switch x.kind {
	case record.KindEvent:
		x.name = []string{"wide", "wide", "must", "must", "strict", "new0", "new1", "new2", "new3", "no-name"}[r.IntN(10)]
	case record.KindObject:
		x.name = "product"
	}
	if x.kind != record.KindObject {
		for range 1 + r.IntN(2) {
			x.idents = append(x.idents, [2]string{[]string{fold.UserID, fold.Email, "card", "shop"}[r.IntN(4)], fmt.Sprint("i", r.IntN(30))})
		}
		switch r.IntN(16) {
		case 0:
			x.idents = nil
		case 1:
			x.idents = append(x.idents, [2]string{"no-name", "i"})
		case 2:
			x.idents = append(x.idents, [2]string{"new_kind", ""})
		}
	}
	if r.IntN(4) > 0 {
		x.attrs, x.values = []string{"must"}, []sample{{v: value.Num(1), suggest: schema.Attr{Type: schema.Number}}}
	}
	for range r.IntN(5) {
		name := fmt.Sprint("u", r.IntN(12))
		if r.IntN(30) == 0 {
			name = "no-name"
		}
		x.attrs, x.values = append(x.attrs, name), append(x.values, randomSample(r))
	}
	r.Shuffle(len(x.attrs), func(i, j int) {
		x.attrs[i], x.attrs[j] = x.attrs[j], x.attrs[i]
		x.values[i], x.values[j] = x.values[j], x.values[i]
	})
	return x
}

// trace is all that a checkpoint would keep but the rejected events, and what every record moves.
func trace(t *testing.T, s *fold.State) (tables map[string][][]byte, manifest map[string]any) {
	x := save(t, s)
	require.NoError(t, json.Unmarshal(x.manifest, &manifest))
	for name := range manifest {
		switch strings.ToLower(name) {
		case "position", "digest", "sequence", "tables", "seen": // seen: from when on ids are known, which time moves
			delete(manifest, name)
		}
	}
	delete(x.chunks, "rejected")
	return x.chunks, manifest
}

func TestRejectedTeachesNothing(t *testing.T) {
	accepted, rejected, untaught := 0, 0, 0
	for seed := range uint64(*learnSeeds) {
		r := rand.New(rand.NewPCG(seed, 3))
		w := newWorld(t)
		required := schema.Attr{Type: schema.Number, Required: true}
		many := schema.Attrs{"must": {Type: schema.Number}}
		for i := range 493 {
			many[fmt.Sprint("d", i)] = schema.Attr{Type: schema.Number}
		}
		m := &learnModel{profile: maps.Clone(many), object: schema.Attrs{"must": required}, events: map[string]schema.Attrs{
			"wide": maps.Clone(many), "must": {"must": required}, "strict": {"u0": {Type: schema.Object, Fields: schema.Attrs{"k0": {Type: schema.Number}}}}}}
		w.define(fold.DefPortal, "", obj{"learn_events": true})
		w.define(fold.DefProfile, "", obj{"policy": "learn", "attributes": m.profile})
		w.define(fold.DefObject, "product", obj{"name": "product", "policy": "learn", "attributes": m.object})
		for name, attrs := range m.events {
			policy := "learn"
			if name == "strict" {
				policy = "strict"
			}
			w.define(fold.DefEvent, name, obj{"name": name, "policy": policy, "attributes": attrs})
		}
		for step := range 120 {
			x := randomTeach(r)
			tables, manifest := trace(t, w.s)
			verdict := w.apply(x.encode(step))[0]
			if m.takes(x) {
				accepted++
				require.Equal(t, fold.Accepted, verdict.Code, "seed %d step %d: %+v: %s", seed, step, x, verdict.Reason)
			} else {
				rejected++
				if len(x.attrs) > 0 {
					untaught++
				}
				require.Equal(t, fold.Rejected, verdict.Code, "seed %d step %d: %+v", seed, step, x)
				tablesAfter, manifestAfter := trace(t, w.s)
				require.Equal(t, tables, tablesAfter, "seed %d step %d: %+v: %s", seed, step, x, verdict.Reason)
				require.Equal(t, manifest, manifestAfter)
			}
			got := &learnModel{events: map[string]schema.Attrs{}, object: w.s.Catalogue.Objects["product"].Attributes, profile: w.s.Catalogue.Profile}
			for name, d := range w.s.Catalogue.Events {
				if !d.System {
					got.events[name] = d.Attributes
				}
			}
			require.JSONEq(t, m.json(), got.json(), "seed %d step %d: %+v: %s", seed, step, x, verdict.Reason)
			if step%40 == 39 {
				w.reload()
			}
		}
	}
	t.Logf("%d accepted, %d rejected, %d of these with attributes", accepted, rejected, untaught)
	require.Greater(t, accepted, 30**learnSeeds)
	require.Greater(t, untaught, 20**learnSeeds)
}

var learnSeeds = flag.Int("learn-seeds", 8, "histories of TestRejectedTeachesNothing")

// Kinds of identifiers count towards the limit of 200 when a record that brings them is accepted.
func TestRejectedBringsNoKinds(t *testing.T) {
	w := newWorld(t)
	w.define(fold.DefEvent, "view", obj{"name": "view"})
	for _, kind := range []record.Kind{record.KindEvent, record.KindIdentify} {
		for round := range 3 {
			x := teach{kind: kind, name: "view"}
			for i := range 195 {
				x.idents = append(x.idents, [2]string{fmt.Sprintf("r%d_%d", round, i), "i"})
			}
			x.idents = append(x.idents, [2]string{fold.UserID, ""})
			require.Equal(t, fold.Rejected, w.apply(x.encode(0))[0].Code)
		}
	}
	x := teach{kind: record.KindIdentify}
	for i := range 195 { // beside the 5 that are known from the start
		x.idents = append(x.idents, [2]string{fmt.Sprint("kind", i), "i"}, [2]string{fmt.Sprint("kind", i), "j"})
	}
	over := teach{kind: record.KindIdentify, idents: append(x.idents[:len(x.idents):len(x.idents)], [2]string{"more", "i"})}
	verdict := w.apply(over.encode(0))[0]
	require.Equal(t, fold.Verdict{Code: fold.Rejected, Reason: `kind of identifier "more": there are 200 kinds already`}, verdict)
	verdict = w.apply(x.encode(0))[0]
	require.Equal(t, fold.Accepted, verdict.Code, verdict.Reason)
	w.reload()
}
