package fold

// KeepBusyFrom makes what segments keep begin with walks past n events, in states made from now on. It returns what undoes it.
func KeepBusyFrom(n int) (undo func()) {
	was := busyWalk
	busyWalk = n
	return func() { busyWalk = was }
}

// BusyBytes is how much is kept.
func (s *State) BusyBytes() int { return s.busy.Bytes() }
