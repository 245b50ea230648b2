package roweval

import "testing"

func BenchmarkEval(b *testing.B) {
	in := anna()
	for _, c := range []struct{ name, src string }{
		{"attribute", `customer.age >= 18 && customer.city == "Hue"`},
		{"events", `events.purchase.filter(e, e.category == "shoes").within("31d").size() >= 1`},
		{"now", `customer.last_seen < ago("2d")`},
	} {
		p := program(b, shopCatalogue(), person, c.src)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !p.Eval(in).True() {
					b.Fatal("no")
				}
			}
		})
	}
}
