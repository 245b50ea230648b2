package flow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/value"
)

// memory opens a text as a file that can seek.
func memory(text string) Opener {
	return func(context.Context, string) (io.ReadCloser, error) {
		return struct {
			io.ReadSeeker
			io.Closer
		}{strings.NewReader(text), io.NopCloser(nil)}, nil
	}
}

// pipe opens a text as a stream that cannot seek and gives one byte less than asked for.
func pipe(text string) Opener {
	return func(context.Context, string) (io.ReadCloser, error) {
		return io.NopCloser(&grudging{strings.NewReader(text)}), nil
	}
}

type grudging struct{ r io.Reader }

func (g *grudging) Read(b []byte) (int, error) { return g.r.Read(b[:max(1, min(len(b), 7))]) }

// hooksFor gives the text as the opener "file" and a filter language of two forms: `column` is true, `column=text` and
// `column>number`.
func hooksFor(open Opener) Hooks {
	return Hooks{Openers: map[string]Opener{"file": open}, CompileFilter: testFilter}
}

func testFilter(where string, columns schema.Attrs) (Predicate, error) {
	name, want, equal := strings.Cut(where, "=")
	if _, ok := columns[name]; !ok {
		return nil, fmt.Errorf("1:1: unknown column %q%s", name, schema.DidYouMean(name, columns.Names()))
	}
	return func(column func(string) value.Value) (bool, error) {
		v := column(name)
		if v.Kind == value.String && v.Str == "explode" {
			return false, errors.New("exploded")
		}
		if equal {
			return !v.IsAbsent() && v.String() == want, nil
		}
		return v.True(), nil
	}, nil
}

// store is a sink that keeps what was committed, the cursor in its stored form.
type store struct {
	items   []Item
	dead    []DeadLetter
	cursor  []byte
	writes  int
	failAt  int // the write that fails, from 1
	after   bool
	refuse  func(Item) string
	refused int
}

var errKilled = errors.New("killed")

func (s *store) Write(_ context.Context, b Batch) ([]Rejection, error) {
	s.writes++
	if s.writes == s.failAt && !s.after {
		return nil, errKilled
	}
	s.items = append(s.items, b.Items...)
	s.dead = append(s.dead, b.Dead...)
	var err error
	if s.cursor, err = json.Marshal(b.Cursor); err != nil {
		return nil, err
	}
	if s.writes == s.failAt {
		return nil, errKilled
	}
	var refused []Rejection
	for i, it := range b.Items {
		if s.refuse == nil {
			break
		}
		if reason := s.refuse(it); reason != "" {
			refused = append(refused, Rejection{i, reason})
			s.refused++
		}
	}
	return refused, nil
}

// stored decodes the cursor as a later process would.
func (s *store) stored(t testing.TB) *Cursor {
	t.Helper()
	if s.cursor == nil {
		return nil
	}
	var c Cursor
	require.NoError(t, json.Unmarshal(s.cursor, &c))
	return &c
}

func compile(t testing.TB, def Def, open Opener) *Flow {
	t.Helper()
	f, err := Compile(context.Background(), def, hooksFor(open))
	require.NoError(t, err)
	return f
}

// run compiles and runs a definition over a text.
func run(t testing.TB, def Def, text string) (*store, Result) {
	t.Helper()
	s := &store{}
	result, err := compile(t, def, memory(text)).Run(context.Background(), s, RunOptions{})
	require.NoError(t, err)
	return s, result
}

// people is a definition that reads user,n,at and writes objects, so that every good row is an item.
func people(types map[string]schema.Type) Def {
	return Def{Name: "people", Source: Source{Type: "csv", Opener: "file", Types: types},
		Destinations: []Destination{{Objects: &Objects{Type: "person", ObjectID: "id", Attributes: map[string]string{"n": "n"}}}}}
}

// lines prints dead letters as "line: reason".
func lines(dead []DeadLetter) []string {
	out := []string{}
	for _, d := range dead {
		out = append(out, fmt.Sprintf("%d: %s", d.Line, d.Reason))
	}
	return out
}

// pairs prints items as "line id n".
func pairs(items []Item) []string {
	out := []string{}
	for _, it := range items {
		out = append(out, fmt.Sprintf("%d %s %s", it.Line, it.ID, it.Attributes.Field("n")))
	}
	return out
}

func formatMicros(t int64) string { return time.UnixMicro(t).UTC().Format(time.DateTime) }
