package identity

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const email, phone = uint8(2), uint8(3)

var letters = map[byte]uint8{'u': UserID, 'a': AnonymousID, 'e': email, 'p': phone}

// parse reads "u1 a1": the letter is the kind.
func parse(s string) (ids []Identifier) {
	for f := range strings.FieldsSeq(s) {
		ids = append(ids, Identifier{letters[f[0]], []byte(f)})
	}
	return ids
}

func show(res *Resolution) string {
	var b strings.Builder
	fmt.Fprint(&b, res.Row)
	for _, s := range res.Steps {
		switch s.Do {
		case DoNewRow:
			fmt.Fprintf(&b, " new:%d", s.Row)
		case DoAttach:
			fmt.Fprintf(&b, " %s:%d", s.Identifier.ID, s.Row)
		case DoLink:
			fmt.Fprintf(&b, " %d>%d", s.Row, s.Into)
		}
	}
	for _, c := range res.Conflicts {
		fmt.Fprintf(&b, " conflict:%s(%d,%d)", c.Identifier.ID, c.Row, c.Holder)
	}
	return b.String()
}

// Each case is a list of events, "identifiers -> row steps conflicts", worked out by hand from the table at Resolve.
func TestResolveTable(t *testing.T) {
	for name, events := range map[string][]string{
		"new customer with a new device": {
			"u1 a1 -> 0 new:0 u1:0 new:1 a1:1 1>0",
			"a1 -> 1", // the visitor's own row, though it is the customer's now
			"u1 -> 0",
			"a1 u1 -> 0", // order does not matter
		},
		"visitor becomes a customer": {
			"a1 -> 0 new:0 a1:0",
			"u1 a1 -> 1 new:1 u1:1 0>1",
			"a1 -> 0",
		},
		"device shared by two customers": {
			"u1 a1 -> 0 new:0 u1:0 new:1 a1:1 1>0",
			"u2 a1 -> 2 new:2 u2:2 conflict:a1(2,1)",
			"u1 a1 -> 0",
			"u2 a1 -> 2 conflict:a1(2,1)",
		},
		"unknown email goes to the strongest row that is known": {
			"a1 -> 0 new:0 a1:0",
			"a1 e1 -> 0 e1:0",
			"e1 -> 0",
			"u1 -> 1 new:1 u1:1",
			"u1 e2 p2 -> 1 e2:1 p2:1",
			"p2 -> 1",
		},
		"nothing known and no user id: one row": {
			"a1 e1 p1 -> 0 new:0 e1:0 p1:0 a1:0",
		},
		"visitor's email links the visitor": {
			"e1 a1 -> 0 new:0 e1:0 a1:0",
			"u1 e1 -> 1 new:1 u1:1 0>1",
			"e1 -> 0",
			"u2 e1 -> 2 new:2 u2:2 conflict:e1(2,0)",
		},
		"email of another customer": {
			"u1 e1 -> 0 new:0 u1:0 e1:0",
			"u2 e1 -> 1 new:1 u2:1 conflict:e1(1,0)",
		},
		"new device of a known email": {
			"u1 e1 -> 0 new:0 u1:0 e1:0",
			"e1 a1 -> 0 new:1 a1:1 1>0",
			"e2 -> 2 new:2 e2:2",
			"e2 a2 -> 2 new:3 a2:3 3>2",
			"a2 -> 3",
		},
		"two visitors by email": {
			"a1 -> 0 new:0 a1:0",
			"e1 -> 1 new:1 e1:1",
			"a1 e1 -> 1 0>1",
			"u1 a1 -> 2 new:2 u1:2 0>2", // moves the whole group
			"u2 e1 -> 3 new:3 u2:3 conflict:e1(3,1)",
		},
		"a visitor's email and a customer's phone": {
			"e1 -> 0 new:0 e1:0",
			"u1 p1 -> 1 new:1 u1:1 p1:1",
			"e1 p1 -> 0 0>1",
		},
		"a visitor's email on a customer's device": {
			"e1 -> 0 new:0 e1:0",
			"u1 a1 -> 1 new:1 u1:1 new:2 a1:2 2>1",
			"e1 a1 -> 0 conflict:a1(0,2)",
			"a1 e2 -> 2 e2:2",
		},
		"email and phone of two customers": {
			"u1 e1 -> 0 new:0 u1:0 e1:0",
			"u2 p1 -> 1 new:1 u2:1 p1:1",
			"p1 e1 -> 1 conflict:e1(1,0)", // the order given is the order of strength
		},
		"a second user id": {
			"u1 u2 -> 0 new:0 u1:0 conflict:u2(0,0)",
			"u2 -> 1 new:1 u2:1",
			"u1 u2 -> 0 conflict:u2(0,1)",
		},
		"the same identifier twice": {
			"u1 e1 e1 u1 a1 a1 -> 0 new:0 u1:0 e1:0 new:1 a1:1 1>0",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := New()
			var res Resolution
			for _, event := range events {
				ids, want, _ := strings.Cut(event, " -> ")
				rows := g.Rows()
				g.Resolve(parse(ids), &res)
				require.Equal(t, want, show(&res), event)
				require.Equal(t, int(res.Row) >= rows, res.Created, event)
			}
		})
	}
	require.Panics(t, func() { New().Resolve(nil, &Resolution{}) })
}
