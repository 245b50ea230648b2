package insight

import "slices"

// pieces is a list that grows without being copied: what is full stays where it is, and lists are put together by
// taking over pieces.
type pieces[T any] struct {
	full [][]T
	last []T
}

const (
	firstPiece   = 64
	longestPiece = 1 << 16
)

func (p *pieces[T]) add(v T) {
	if len(p.last) == cap(p.last) {
		p.grow()
	}
	p.last = append(p.last, v)
}

func (p *pieces[T]) grow() {
	if len(p.last) > 0 {
		p.full = append(p.full, p.last)
	}
	p.last = make([]T, 0, min(max(firstPiece, 4*cap(p.last)), longestPiece))
}

// take appends what o holds. Neither may be added to while the other is read.
func (p *pieces[T]) take(o *pieces[T]) {
	if len(p.last) > 0 {
		p.full = append(p.full, p.last)
	}
	p.full = append(p.full, o.full...)
	p.last = o.last
}

// all returns the list as one that the caller may reorder.
func (p *pieces[T]) all() []T { return slices.Concat(append(slices.Clip(p.full), p.last)...) }
