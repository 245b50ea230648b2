package cdp_test

import (
	"bytes"
	"context"
	"iter"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/store/memstore"
)

// Every verb of a client that was closed, and with a context that has ended. The verbs are found by reflection, so that a
// new one is held to the same.

// pureMethods take no context and answer from the client itself.
var pureMethods = map[string]bool{"Now": true, "NextDue": true, "Close": true, "At": true}

// callAll calls every verb of the client and of its families, and yields the verb's name and its error.
func callAll(t *testing.T, ctx context.Context, c *cdp.Client) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		v := reflect.ValueOf(c)
		for i := range v.NumMethod() {
			m := v.Type().Method(i)
			if family, ok := familyOf(m); ok {
				at := []reflect.Value{}
				if family == reflect.TypeFor[cdp.Past]() {
					at = append(at, reflect.ValueOf(noon))
				}
				bundle := v.Method(i).Call(at)[0]
				for j := range family.NumMethod() {
					if !pureMethods[family.Method(j).Name] && !yield(m.Name+"."+family.Method(j).Name, call(t, ctx, family.Method(j).Name, bundle.Method(j))) {
						return
					}
				}
				continue
			}
			if !pureMethods[m.Name] && !yield(m.Name, call(t, ctx, m.Name, v.Method(i))) {
				return
			}
		}
	}
}

// call calls one verb with arguments that would do on a good day, and returns the error it ends in.
func call(t *testing.T, ctx context.Context, name string, verb reflect.Value) error {
	t.Helper()
	args := []reflect.Value{}
	for i := range verb.Type().NumIn() {
		typ := verb.Type().In(i)
		if typ == reflect.TypeFor[context.Context]() {
			args = append(args, reflect.ValueOf(ctx))
			continue
		}
		args = append(args, argument(typ))
	}
	var results []reflect.Value
	if verb.Type().IsVariadic() {
		results = verb.CallSlice(args)
	} else {
		results = verb.Call(args)
	}
	require.NotEmpty(t, results, name)
	last := results[len(results)-1]
	if err, ok := last.Interface().(error); ok || last.Type() == reflect.TypeFor[error]() {
		return err
	}
	switch stream := last.Interface().(type) {
	case iter.Seq2[cdp.Profile, error]:
		return lastError(stream)
	case iter.Seq2[cdp.Flip, error]:
		return lastError(stream)
	}
	t.Fatalf("%s returns a %s, which this test cannot read an error from", name, last.Type())
	return nil
}

func lastError[T any](stream iter.Seq2[T, error]) (err error) {
	for _, err = range stream {
	}
	return err
}

func argument(typ reflect.Type) reflect.Value {
	switch typ {
	case reflect.TypeFor[[]cdp.Event]():
		return reflect.ValueOf([]cdp.Event{{Name: "purchase", UserID: "ann"}})
	case reflect.TypeFor[[]cdp.Identity]():
		return reflect.ValueOf([]cdp.Identity{{UserID: "ann"}})
	case reflect.TypeFor[[]cdp.ObjectRecord]():
		return reflect.ValueOf([]cdp.ObjectRecord{{Type: "product", ID: "P"}})
	case reflect.TypeFor[[]string]():
		return reflect.ValueOf([]string{"s", "t"})
	case reflect.TypeFor[cdp.Trend]():
		return reflect.ValueOf(cdp.Trend{Series: []cdp.Series{{Event: "purchase"}}, Range: cdp.Between(daysAgo(1), noon)})
	}
	if typ.Kind() == reflect.Interface { // io.Writer
		return reflect.ValueOf(&bytes.Buffer{})
	}
	return reflect.Zero(typ)
}

// The number of verbs is a floor: reflection that finds nothing must not pass.
const atLeastVerbs = 90

func TestClosedClient(t *testing.T) {
	c := strictShop(t, memstore.New())
	_, err := c.Track(t.Context(), cdp.Event{Name: "purchase", UserID: "ann", Attributes: cdp.Attrs{"amount": 1}})
	require.NoError(t, err)
	require.NoError(t, c.Segments().Save(t.Context(), cdp.Segment{Name: "s", Where: "true"}))
	set, err := c.Segments().Set(t.Context(), "s")
	require.NoError(t, err)
	products, err := cdp.EventOf[struct{ Amount float64 }](t.Context(), c, "sale")
	require.NoError(t, err)
	require.NoError(t, c.Close())

	verbs := 0
	for name, err := range callAll(t, t.Context(), c) {
		verbs++
		assert.ErrorIs(t, err, cdp.ErrClosed, name)
	}
	require.GreaterOrEqual(t, verbs, atLeastVerbs)
	for _, err := range set.Members(t.Context()) {
		require.ErrorIs(t, err, cdp.ErrClosed)
	}
	_, err = products.Track(t.Context(), cdp.Event{UserID: "ann"}, struct{ Amount float64 }{1})
	require.ErrorIs(t, err, cdp.ErrClosed)
	_, err = cdp.EventOf[struct{ Amount float64 }](t.Context(), c, "sale")
	require.ErrorIs(t, err, cdp.ErrClosed)
	c.Now()
	c.NextDue()
	require.NoError(t, c.Close(), "a second Close")
}

func TestEndedContext(t *testing.T) {
	c := strictShop(t, memstore.New())
	before, err := c.Segments().List(t.Context())
	require.NoError(t, err)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	late, stop := context.WithDeadline(t.Context(), time.Now().Add(-time.Hour))
	defer stop()
	for _, bad := range []struct {
		ctx  context.Context
		want error
	}{{cancelled, context.Canceled}, {late, context.DeadlineExceeded}} {
		verbs := 0
		for name, err := range callAll(t, bad.ctx, c) {
			verbs++
			assert.ErrorIs(t, err, bad.want, name)
		}
		require.GreaterOrEqual(t, verbs, atLeastVerbs)
	}
	// Nothing happened, and the client goes on.
	after, err := c.Segments().List(t.Context())
	require.NoError(t, err)
	require.Equal(t, before, after)
	n, err := c.Events().Count(t.Context(), "purchase")
	require.NoError(t, err)
	require.Zero(t, n)
	_, err = c.Track(t.Context(), cdp.Event{Name: "purchase", UserID: "ann", Attributes: cdp.Attrs{"amount": 1}})
	require.NoError(t, err)
}
