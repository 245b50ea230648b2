package roweval

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/celenv"
	"github.com/embedcdp/cdp/internal/value"
)

// Expressions that would run for ever or fill the memory end with an error, soon, and nothing absorbs it.
func TestBombs(t *testing.T) {
	ten := "[0,1,2,3,4,5,6,7,8,9]"
	loops := func(depth int) string {
		s := "true"
		for i := range depth {
			s = fmt.Sprintf("%s.all(x%d, %s)", ten, i, s)
		}
		return s
	}
	double := `"aaaaaaaaaa"`
	for range 60 {
		double = "[" + double + "].map(x, x + x)[0]"
	}
	for _, src := range []string{
		loops(9),
		loops(9) + ` || true`,
		`events.view.filter(e, ` + loops(9) + `).size() == 0`,
		`events.view.exists(a, events.view.exists(b, events.view.exists(c, events.view.exists(d, ` + strings.Repeat(`events.view.exists(f, `, 6) + `a.id == "x"` + strings.Repeat(`)`, 6) + `))))`,
		double + ` == "b"`,
		strings.ReplaceAll(double, `"aaaaaaaaaa"`, ten) + ` == [1]`,
		`customer.tags.all(a, customer.tags.all(b, a in customer.tags))`,
	} {
		who := &testPerson{events: map[string][]Event{}, attrs: map[string]value.Value{}}
		var tags []string
		for i := range 2000 {
			tags = append(tags, fmt.Sprint(i))
		}
		who.attrs = attrs("tags", tags)
		for i := range 30 {
			who.add("view", testEvent{t: testNow - int64(i), id: "v"})
		}
		e, err := celenv.Compile(shopCatalogue(), person, src)
		if err != nil {
			continue // refused when written: just as well
		}
		p, err := New(e)
		require.NoError(t, err)
		begin := time.Now()
		r := p.Eval(Input{Person: who, Now: testNow})
		assert.Less(t, time.Since(begin), 2*time.Second, "%.60s", src)
		assert.False(t, r.True(), "%.60s", src)
		if !strings.Contains(src, `"aaaaaaaaaa"`) { // the text becomes too long before the steps run out
			assert.ErrorIs(t, r.Err, ErrBudget, "%.60s", src)
		}
	}
}

// The budget grows with the events: a person with very many is counted like any other.
func TestBusyPerson(t *testing.T) {
	who := &testPerson{events: map[string][]Event{}}
	evs := make([]Event, 100_000)
	for i := range evs {
		evs[i] = testEvent{t: testNow - int64(len(evs)-i), id: "v", attrs: map[string]value.Value{"seconds": value.Num(1)}}
	}
	who.events["view"] = evs
	r := program(t, shopCatalogue(), person, `events.view.filter(e, e.seconds > 0).within("1d").sum(e, e.seconds) == 100000`).Eval(Input{Person: who, Now: testNow})
	assert.NoError(t, r.Err)
	assert.True(t, r.True())
}

type panicking struct{ testPerson }

func (*panicking) Attr(string) value.Value { panic("broken index") }

func TestPanicIsReported(t *testing.T) {
	r := program(t, shopCatalogue(), person, `events.view.exists(e, true) || customer.age > 1 || true`).Eval(Input{Person: &panicking{}, Now: testNow})
	assert.ErrorIs(t, r.Err, ErrPanic)
	assert.ErrorContains(t, r.Err, "broken index")
}

func TestConcurrentUse(t *testing.T) {
	p := program(t, shopCatalogue(), person,
		`events.purchase.filter(e, e.category == "shoes").within("31d").size() == 1 && (customer.address.zip == "" || customer.last_seen < now)`)
	in := anna()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				r := p.Eval(in)
				assert.True(t, r.True())
				assert.Equal(t, testNow+day, r.Next)
			}
		})
	}
	wg.Wait()
}

func TestNothingGiven(t *testing.T) {
	for src, want := range map[string]bool{`events.view.size() == 0`: true, `inSegment("vip")`: false, `customer.age > 1`: false, `has(customer.age)`: false} {
		assert.Equal(t, want, program(t, shopCatalogue(), person, src).Eval(Input{Now: testNow}).True(), src)
	}
}
