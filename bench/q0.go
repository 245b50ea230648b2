package main

// q0: age 18 to 35 in one city. Columns of attributes only.

const (
	q0City  = 0
	q0Where = `customer.age >= 18 && customer.age <= 35 && customer.city == "Ho Chi Minh City"`
	q0SQL   = `age BETWEEN 18 AND 35 AND city = 'Ho Chi Minh City'`
)

var q0 = segment("q0", "age 18-35 in one city", q0Where, `SELECT id FROM customers WHERE `+q0SQL, loopQ0)

// loopQ0 compares eight customers at a time: all bytes are below 128, so bit 7 of byte+(128-n) says whether byte >= n.
func loopQ0(l *Loops, m Members) {
	const (
		ones = 0x0101010101010101
		top  = 0x80 * ones
		city = q0City * ones
	)
	age, cities := l.age, l.city[:len(l.age)]
	for w := range m {
		var word uint64
		a, c := age[w*8:w*8+8:w*8+8], cities[w*8:w*8+8:w*8+8]
		for k := range 8 {
			from18 := a[k] + (128-18)*ones
			from36 := a[k] + (128-36)*ones
			otherCity := (c[k] ^ city) + 0x7f*ones
			hit := from18 &^ from36 &^ otherCity & top
			word |= (hit >> 7) * 0x0102040810204080 >> 56 << (k * 8) // the eight top bits side by side
		}
		m[w] = word
	}
}
