package roweval

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestExplain(t *testing.T) {
	p := program(t, shopCatalogue(), person, `customer.age >= 18 && customer.address.zip == "1" || events.purchase.filter(e, e.category == "shoes").within("31d").size() >= 1 && customer.last_seen < ago("2d") && customer.favourite_store.city == "Hanoi" && events.view.filter(v, false).size() == 0`)
	want := strings.TrimLeft(`
customer.age >= 18 && customer.address.zip == "1" || events.purchase.filter(e, e.category == "shoes").within("31d").size() >= 1 && customer.last_seen < ago("2d") && customer.favourite_store.city == "Hanoi" && events.view.filter(v, false).size() == 0 = true
  customer.age >= 18 && customer.address.zip == "1" = absent
    customer.age >= 18 = true
      customer.age = 34
    customer.address.zip == "1" = absent
      customer.address.zip = absent
        customer.address = {"street":"Le Loi"}
  events.purchase.filter(e, e.category == "shoes").within("31d").size() >= 1 && customer.last_seen < ago("2d") && customer.favourite_store.city == "Hanoi" && events.view.filter(v, false).size() == 0 = true
    events.purchase.filter(e, e.category == "shoes").within("31d").size() >= 1 && customer.last_seen < ago("2d") = true
      events.purchase.filter(e, e.category == "shoes").within("31d").size() >= 1 = true
        events.purchase.filter(e, e.category == "shoes").within("31d").size() = 1
          events.purchase.filter(e, e.category == "shoes").within("31d") = 1 event: p3
            events.purchase.filter(e, e.category == "shoes") = 2 events: p2, p3
              events.purchase = 5 events: p1, p2, p3, p4, p5
      customer.last_seen < ago("2d") = true
        customer.last_seen = 2026-05-12T10:00:00Z
        ago("2d") = 2026-05-13T10:00:00Z
    customer.favourite_store.city == "Hanoi" && events.view.filter(v, false).size() == 0 = true
      customer.favourite_store.city == "Hanoi" = true
        customer.favourite_store.city = Hanoi
          customer.favourite_store = {"city":"Hanoi","size":3}
      events.view.filter(v, false).size() == 0 = true
        events.view.filter(v, false).size() = 0
          events.view.filter(v, false) = 0 events
            events.view = 2 events: v1, v2
`, "\n")
	assert.Equal(t, want, p.Explain(anna()).String())
}

// lookups is a person that counts how often their events are looked up.
type lookups struct {
	Person
	n int
}

func (l *lookups) Events(typ string) []Event {
	l.n++
	return l.Person.Events(typ)
}

// A person's events are looked up once for an explanation, not once for each part: with 50,000 events that is what takes
// the time.
func TestExplainLooksEventsUpOnce(t *testing.T) {
	p := program(t, shopCatalogue(), person, `events.purchase.within("31d").size() >= 100 || now.getMinutes() > 100`)
	in := anna()
	counted := &lookups{Person: in.Person}
	in.Person = counted
	assert.Equal(t, p.Explain(anna()).String(), p.Explain(in).String())
	assert.Equal(t, 1, counted.n)
}
