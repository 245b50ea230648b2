package fold

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/embedcdp/cdp/internal/record"
	"github.com/embedcdp/cdp/internal/value"
)

// FlowRun is one run of a dataflow as the log knows it. Its cursor is stored in the same commit as the rows it stands
// for, so a run that was killed goes on exactly where it was.
type FlowRun struct {
	Flow    string          `json:"flow"`
	Run     string          `json:"run"`
	State   string          `json:"state"` // running, done, failed, cancelled
	Started int64           `json:"started"`
	Updated int64           `json:"updated"`
	Body    json.RawMessage `json:"body"` // the engine's cursor and counts
}

// progress folds how far a run has come.
func (s *State) progress(r *record.Record, names []string) Verdict {
	run := string(r.ID)
	if !json.Valid(r.Body) {
		return Verdict{Code: Rejected, Reason: "the cursor is no JSON"}
	}
	key := names[r.Name] + "/" + run
	f := s.flows[key]
	if f == nil {
		f = &FlowRun{Flow: names[r.Name], Run: run, Started: s.Now}
		s.flows[key] = f
	}
	f.State, f.Updated = names[r.Source], s.Now
	f.Body = append(json.RawMessage(nil), r.Body...)
	s.mix(uint64(len(s.flows)))
	return Verdict{}
}

// dead keeps a row that a dataflow could not use.
func (s *State) dead(r *record.Record, names []string) Verdict {
	t := s.deadLetters
	i := t.Append()
	t.Column("t").SetInt(i, s.Now)
	t.Column("flow").SetString(i, []byte(names[r.Name]))
	t.Column("run").SetString(i, r.ID)
	t.Column("line").SetInt(i, r.Time)
	if len(r.Attrs) == 1 {
		if v, _, err := value.Decode(r.Attrs[0].Value); err == nil {
			t.Column("reason").SetBytes(i, []byte(v.Str))
		}
	}
	t.Column("raw").SetBytes(i, r.Body)
	s.mix(uint64(i))
	return Verdict{}
}

// FlowRuns returns the runs of a dataflow, or of all when flow is "", by name and id.
func (s *State) FlowRuns(flow string) []FlowRun {
	var out []FlowRun
	for _, key := range slices.Sorted(maps.Keys(s.flows)) {
		f := s.flows[key]
		if flow == "" || f.Flow == flow {
			out = append(out, *f)
		}
	}
	return out
}

// DeadLetter is a row a dataflow could not use.
type DeadLetter struct {
	Run      string
	At, Line int64
	Reason   string
	Row      string
}

// DeadLetters returns what a run (or every run, when run is "") of a dataflow could not use, in order of arrival.
func (s *State) DeadLetters(flow, run string) []DeadLetter {
	var out []DeadLetter
	t := s.deadLetters
	for i := range uint32(t.Len()) {
		if t.Column("flow").Str(i) == flow && (run == "" || t.Column("run").Str(i) == run) {
			out = append(out, DeadLetter{t.Column("run").Str(i), t.Column("t").Int(i), t.Column("line").Int(i),
				string(t.Column("reason").Bytes(i)), string(t.Column("raw").Bytes(i))})
		}
	}
	return out
}
