package fold_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/fold"
	"github.com/embedcdp/cdp/internal/record"
	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/value"
)

// learns applies one record that brings one attribute.
func (w *world) learns(kind record.Kind, name, attr string, v value.Value) {
	w.t.Helper()
	var e record.Encoder
	e.Begin(record.Head{Kind: kind, Name: name, ID: fmt.Sprint("id", w.s.Position)})
	if kind == record.KindObject {
		e.Idents(0)
	} else {
		e.Idents(1)
		e.Ident(fold.UserID, "ann")
	}
	e.Attrs(1)
	e.Attr(attr, v)
	e.End(nil)
	verdict := w.apply(e.Submission(nil))[0]
	require.Equal(w.t, fold.Accepted, verdict.Code, verdict.Reason)
}

// What event types, objects and profiles learn is in their definitions, version by version, also after a reload and beside
// what is declared in between. The model is a map for each, copied at each step.
func TestLearnedDefinitions(t *testing.T) {
	w := newWorld(t)
	number, text := schema.Attr{Type: schema.Number}, schema.Attr{Type: schema.String}
	keys := []fold.DefKey{{Kind: fold.DefEvent, Name: "view"}, {Kind: fold.DefObject, Name: "product"}, {Kind: fold.DefProfile}}
	records := []record.Kind{record.KindEvent, record.KindObject, record.KindIdentify}
	model := make([]schema.Attrs, len(keys))
	versions := make([][]schema.Attrs, len(keys))
	step := func(i int) { versions[i] = append(versions[i], maps.Clone(model[i])) }
	declare := func(i int) {
		def := obj{"policy": "learn", "attributes": model[i]}
		if keys[i].Name != "" {
			def["name"] = keys[i].Name
		}
		w.define(keys[i].Kind, keys[i].Name, def)
		step(i)
	}
	learn := func(i, n int, v value.Value, as schema.Attr) {
		name := fmt.Sprint("a", n)
		w.learns(records[i], keys[i].Name, name, v)
		model[i][name] = as
		step(i)
	}
	attributes := func(body []byte) schema.Attrs {
		var d struct {
			Policy     schema.Policy
			Attributes schema.Attrs
		}
		require.NoError(t, json.Unmarshal(body, &d))
		require.Equal(t, schema.Learn, d.Policy)
		return d.Attributes
	}
	check := func() {
		t.Helper()
		for i, key := range keys {
			d := w.s.Definition(key.Kind, key.Name)
			require.Equal(t, len(versions[i]), d.Version, key.Kind)
			require.Equal(t, model[i], attributes(d.Body()))
			body, ok := w.s.BodyOf(key.Kind, key.Name)
			require.True(t, ok)
			require.Equal(t, d.Body(), body)
			for n, want := range versions[i] {
				old, _, ok := w.s.VersionBody(d, n+1)
				require.True(t, ok)
				require.Equal(t, want, attributes(old), "%s version %d", key.Kind, n+1)
			}
		}
		require.Equal(t, model[0], w.s.Catalogue.Events["view"].Attributes)
		require.Equal(t, model[1], w.s.Catalogue.Objects["product"].Attributes)
		require.Equal(t, model[2], w.s.Catalogue.Profile)
	}
	reload := func() {
		loaded, err := save(t, w.s).load()
		require.NoError(t, err)
		w.s = loaded
	}

	for i := range keys {
		model[i] = schema.Attrs{"declared": text}
		declare(i)
		for n := range 20 {
			if n%2 == 0 {
				learn(i, n, value.Num(1), number)
			} else {
				learn(i, n, value.Str("x"), text)
			}
		}
	}
	check()
	reload()
	check()
	for i := range keys {
		learn(i, 100, value.Num(1), number)
		model[i]["later"] = text
		declare(i)
		learn(i, 101, value.Str("x"), text)
	}
	check()

	// Keys of an object attribute, one after the other.
	for n := range 3 {
		w.learns(record.KindEvent, "view", "to", value.ObjectOf([]value.Field{{Name: fmt.Sprint("k", n), Value: value.Num(1)}}))
		fields := schema.Attrs{}
		for k := range n + 1 {
			fields[fmt.Sprint("k", k)] = number
		}
		model[0]["to"] = schema.Attr{Type: schema.Object, Fields: fields}
		step(0)
	}
	check()
	reload()
	check()
}

// Learning keeps what is new, not all of the definition again: 400 attributes take four times the bytes of 100.
func TestLearningIsLinear(t *testing.T) {
	w := newWorld(t)
	w.define(fold.DefObject, "product", obj{"name": "product", "policy": "learn"})
	w.define(fold.DefEvent, "view", obj{"name": "view", "policy": "learn"})
	size := func() (n int) {
		for _, chunk := range save(t, w.s).chunks["definitions"] {
			n += len(chunk)
		}
		return n
	}
	grow := func(from, to int) int {
		before := size()
		for n := from; n < to; n++ {
			w.learns(record.KindObject, "product", fmt.Sprintf("attribute_%04d", n), value.Num(1))
			w.learns(record.KindEvent, "view", fmt.Sprintf("attribute_%04d", n), value.Num(1))
		}
		return size() - before
	}
	first := grow(0, 100)
	require.Greater(t, first, 100)
	require.Less(t, grow(100, 400), 4*first)
}
