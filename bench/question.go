package main

import (
	"context"
	"fmt"
	"time"

	"github.com/embedcdp/cdp"
)

// Question is asked of the library, of the peer and of the loop. Each answers with the same counts. A question about a
// segment is also compared customer by customer.
type Question struct {
	ID, What string
	Note     string // what a reader must know of the figures

	// CDP asks through the public API. name is one that was not used before.
	CDP func(ctx context.Context, c *cdp.Client, name string) ([]int64, error)

	// Where is the condition of a segment question, which is also saved and kept up to date; "" for others.
	Where string

	// SQL gives one row of counts, or rows that Cells puts in their places.
	SQL   string
	Cells func(rows []int64) []int64

	// MembersSQL gives the ids of the members of a segment question.
	MembersSQL string

	// Loop answers from bare slices. A segment question leaves its members in m, which comes with any content.
	Loop func(l *Loops, m Members) []int64
}

// Questions are all questions, in the order of their ids.
var Questions = []Question{q0, q1, q2, q3, q4, q5, q6, q7, q8, q9}

// segment makes the question of how many people meet a condition. It is asked as a new segment: compiled and
// its members found from nothing. members is the SQL of the members' ids.
func segment(id, what, where, members string, loop func(l *Loops, m Members)) Question {
	return Question{ID: id, What: what, Where: where,
		CDP: func(ctx context.Context, c *cdp.Client, name string) ([]int64, error) {
			who, err := c.Segments().Preview(ctx, cdp.Segment{Name: name, Where: where})
			return []int64{int64(who.Len())}, err
		},
		SQL:        "SELECT count(*) FROM (" + members + ")",
		MembersSQL: members,
		Loop: func(l *Loops, m Members) []int64 {
			loop(l, m)
			return []int64{m.Len()}
		}}
}

// sqlNow and sqlBegin are the instant of the questions and the begin of the data as SQL.
var (
	sqlNow   = sqlTime(now)
	sqlBegin = sqlTime(begin)
)

func sqlTime(t time.Time) string { return fmt.Sprintf("TIMESTAMP '%s'", t.Format(time.DateTime)) }
