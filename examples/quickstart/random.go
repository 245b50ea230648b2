package main

// random is splitmix64 (Steele, Lea, Flood 2014): the same seed gives the same shop on every machine and Go version.
type random struct{ state uint64 }

// seeded mixes several numbers into one generator, so that each person has chances of their own.
func seeded(parts ...uint64) *random {
	r := &random{}
	for _, p := range parts {
		r.state ^= p
		r.state = r.next()
	}
	return r
}

func (r *random) next() uint64 {
	r.state += 0x9e3779b97f4a7c15
	z := r.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below returns a number from 0 to n-1.
func (r *random) below(n int) int { return int(r.next() % uint64(n)) }

// chance is true with probability p.
func (r *random) chance(p float64) bool { return float64(r.next()>>11)/(1<<53) < p }

func pick[T any](r *random, from []T) T { return from[r.below(len(from))] }
