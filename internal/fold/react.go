package fold

// This file is the order in which one thing leads to another: an event changes segments, a segment's flip starts a
// journey, a journey's step is an event again. What follows is queued and handled one by one, so the order is plain.

// stimulus is something that segments or journeys may react to.
type stimulus struct {
	kind  stimulusKind
	typ   *eventType // onEvent
	seg   *segment   // onFlip
	in    bool       // onFlip: entered
	index uint32     // of the event in its type's table, or of the flip
	row   uint32     // canonical
	at    int64      // when it happened, by its own time
	cause Cause
	asked bool // onEvent: the segments know already
	depth int  // how many steps from the record that began it
}

type stimulusKind uint8

const (
	onEvent stimulusKind = 1
	onFlip  stimulusKind = 2
	onMerge stimulusKind = 3
)

// maxDepth ends journeys that start each other for ever: beyond it nobody enters a journey.
const maxDepth = 16

// touched is a row whose segments are asked at the end of the batch.
type touched struct {
	row    uint32
	typ    *eventType
	cause  Cause
	change change
}

// change is what a record does to who its person is.
type change uint8

const (
	changeNone   change = iota
	changeNew           // the person was not known
	changeMerged        // somebody else's history became theirs
)

type touchKey struct{ row, typ uint32 }

func (s *State) stimulate(x stimulus) {
	x.depth = s.batch.depth + 1
	s.batch.queue = append(s.batch.queue, x)
}

// settle handles what is queued until nothing is left.
func (s *State) settle() {
	if s.batch.settling {
		return
	}
	s.batch.settling = true
	for i := 0; i < len(s.batch.queue); i++ {
		x := s.batch.queue[i]
		s.batch.depth = x.depth
		s.react(x)
	}
	s.batch.queue = s.batch.queue[:0]
	s.batch.depth = 0
	s.batch.settling = false
}

func (s *State) react(x stimulus) {
	switch x.kind {
	case onFlip:
		s.journeys.onFlip(s, x)
		return
	case onMerge:
		row := s.ids.Canonical(x.row) // one record may merge several times
		s.dropUnsubscribed(row)
		s.journeys.merged(s, row)
		return
	}
	if !x.asked {
		s.ask(x.typ, x.index, x.row, x.cause, changeNone)
	}
	if x.typ.def.Name == Unsubscribed {
		s.dropUnsubscribed(x.row)
	}
	s.journeys.onEvent(s, x)
}
