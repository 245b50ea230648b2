package celenv

import "testing"

// conditions are of the size that people write; the first is the one the README times.
var conditions = []struct{ name, src string }{
	{"age_city_purchase", `customer.age >= 18 && customer.age <= 35 && customer.city == "Ho Chi Minh City" && events.purchase.filter(e, e.category == "shoes").within("30d").size() >= 1`},
	{"age_city", `customer.age >= 18 && customer.age <= 35 && customer.city == "Ho Chi Minh City"`},
	{"now", `customer.birthday.anniversary() == now.startOf("day") && events.purchase.last().time > ago("3d")`},
	{"sum", `events.purchase.since(ago("90d")).sum(e, e.amount) > 100 || events.view.perMonth(6).all(n, n >= 3)`},
}

// BenchmarkCompile is what a condition costs before anybody is asked about; Program is made only when the oracle is.
func BenchmarkCompile(b *testing.B) {
	cat := shop()
	for _, c := range conditions {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Compile(cat, Scope{Person: true}, c.src); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCompileFirst is the first expression of a catalogue, whose environment has to be made.
func BenchmarkCompileFirst(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile(shop(), Scope{Person: true}, `customer.age > 1`); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkProgram(b *testing.B) {
	cat := shop()
	for _, c := range conditions {
		expr, err := Compile(cat, Scope{Person: true}, c.src)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := expr.Program(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
