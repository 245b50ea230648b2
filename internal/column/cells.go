package column

// smallRows is the room that a first chunk starts with. Portals have many small tables, so a first chunk doubles until it
// is full-sized; all later chunks are made full-sized and are never copied.
const smallRows = 64

// extent is the length that the columns of a table share.
type extent struct {
	rows     uint32 // rows there are
	room     uint32 // rows that fit without growing; ChunkRows or less in the first chunk, else a multiple of ChunkRows
	first    uint32 // rows first..first+writable-1 may be set: the last one of a table, all of a vector
	writable uint32
}

// makeRoom raises room to at least rows and says whether the first chunk became wider.
func (e *extent) makeRoom(rows uint32) (wider bool) {
	old := e.room
	if e.room < ChunkRows {
		e.room = max(e.room, smallRows)
		for e.room < rows && e.room < ChunkRows {
			e.room *= 2
		}
		wider = e.room > old && old > 0
	}
	if e.room < rows {
		e.room = (rows + chunkMask) &^ chunkMask
	}
	return wider
}

// rowsIn returns the number of rows in chunk k.
func (e *extent) rowsIn(k int) int {
	return max(0, min(int(e.rows)-k*ChunkRows, ChunkRows))
}

// cells are the values of one column: nil for a chunk without any.
type cells[T any] struct {
	absent T
	chunks [][]T
}

// slot returns the place of row i's cell, nil when its chunk has no memory.
func (s *cells[T]) slot(i uint32) *T {
	k := int(i >> chunkBits)
	if k >= len(s.chunks) {
		return nil
	}
	chunk, j := s.chunks[k], int(i&chunkMask)
	if j >= len(chunk) {
		return nil
	}
	return &chunk[j]
}

// get returns row i's cell.
func (s *cells[T]) get(i uint32) T {
	if p := s.slot(i); p != nil {
		return *p
	}
	return s.absent
}

// chunk returns the cells of chunk k, cut to the rows there are, nil when all are absent.
func (s *cells[T]) chunk(k int, e *extent) []T {
	if k < 0 || k >= len(s.chunks) || s.chunks[k] == nil {
		return nil
	}
	return s.chunks[k][:e.rowsIn(k)]
}

// make gives chunk k its memory.
func (s *cells[T]) make(k int, e *extent) []T {
	s.put(k, s.filled(nil, int(min(e.room-uint32(k)*ChunkRows, ChunkRows))))
	return s.chunks[k]
}

func (s *cells[T]) put(k int, chunk []T) {
	for len(s.chunks) <= k {
		s.chunks = append(s.chunks, nil)
	}
	s.chunks[k] = chunk
}

// widen gives the first chunk, where there is one, room for n cells.
func (s *cells[T]) widen(n int) {
	if len(s.chunks) > 0 && s.chunks[0] != nil && len(s.chunks[0]) < n {
		s.chunks[0] = s.filled(s.chunks[0], n)
	}
}

// filled returns n cells: those of old, then absent ones.
func (s *cells[T]) filled(old []T, n int) []T {
	chunk := make([]T, n)
	for i := copy(chunk, old); i < n; i++ {
		chunk[i] = s.absent
	}
	return chunk
}
