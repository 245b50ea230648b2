package live

// Long is past how many events a walk is long.
func (b *Busy) Long() int { return b.long }

// Holders is for how many people something is kept, counted once for each aggregate.
func (b *Busy) Holders() (n int) {
	for _, t := range b.tables {
		n += len(t.people)
	}
	return n
}
