package fold

// SetAskedAtOnce makes activations go in rounds when more than n people were touched, and returns what sets it back.
func SetAskedAtOnce(n uint64) (restore func()) {
	old := askedAtOnce
	askedAtOnce = n
	return func() { askedAtOnce = old }
}

// OwnersKept says whether it is kept whose the events of a full chunk are.
func (s *State) OwnersKept(typ string, k int) bool {
	return s.owners(s.typeNamed[typ], k, false) != nil
}
