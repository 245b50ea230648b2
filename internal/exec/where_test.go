package exec

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/plan"
	"github.com/embedcdp/cdp/internal/roweval"
)

// What a report's Where has in bulk keeps the events that the row path keeps, chunk by chunk; what looks beyond the event has
// no bulk path.
func TestWhereEqualsRowPath(t *testing.T) {
	w := newWorld(rand.New(rand.NewPCG(31, 32)), 50, 8192+700)
	rows := map[*event]uint32{} // by event: its row in the table
	for _, p := range w.people {
		for _, e := range p.events["purchase"] {
			rows[e] = uint32(e.seq / 2)
		}
	}
	for _, c := range []struct {
		where string
		bulk  bool
	}{
		{`e.amount > 1`, true},
		{`!(e.amount > 1)`, true},
		{`e.category == "shoes" && !(e.amount < 2) || e.gift`, true},
		{`e.category in ["hats", "bags"]`, true},
		{`e.source == ""`, true},
		{`e.due > e.time`, true},
		{`has(e.due) && e.time > ago("30d")`, true},
		{`!has(e.note)`, true},
		{`e.note.contains("x") && e.amount * 2.0 > 1`, true},
		{`e.id.endsWith("4") || "red" in e.colors`, true},
		{`e.note == e.category`, false},
	} {
		expr, err := celenv.Compile(w.cat, celenv.Scope{Arriving: "purchase", Want: celenv.Bool}, c.where)
		require.NoError(t, err, c.where)
		ev := w.Events("purchase")
		bulk, ok := NewWhere(plan.Logical(expr), ev, w.Calendar(), w.now)
		if assert.Equal(t, c.bulk, ok, c.where); !ok {
			continue
		}
		program, err := roweval.New(expr)
		require.NoError(t, err)
		marked := [][]uint64{bulk.Mark(0), bulk.Mark(1)}
		kept := 0
		for e, row := range rows {
			want := program.Eval(roweval.Input{Arriving: e, Objects: w, Now: w.now}).True()
			got := marked[row/8192][row%8192/64]>>(row%64)&1 == 1
			require.Equal(t, want, got, "%s: event %d", c.where, row)
			kept += int(b2u(got))
		}
		assert.Positive(t, kept, c.where)
		assert.Less(t, kept, len(rows), c.where)
	}
}
