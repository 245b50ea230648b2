package flow

import "time"

// Progress is how far a run is. Counts include what earlier runs did that this one goes on from; Rate does not.
type Progress struct {
	Rows     int64         // rows read of the source
	Accepted int64         // items the sink took
	Rejected int64         // dead letters, and items the sink refused
	Filtered int64         // rows that filters left out
	Bytes    int64         // of the source read and written
	Total    int64         // size of the source in bytes, 0 when unknown
	Rate     float64       // rows a second in this run
	Left     time.Duration // estimate of the time to the end, 0 when unknown
	Elapsed  time.Duration // of this run
}

// meter turns counts into progress and calls the callback now and then.
type meter struct {
	options   RunOptions
	total     int64
	began     time.Time
	called    time.Time
	rows      int64 // when this run began
	startedAt int64 // offset when this run began
}

func newMeter(options RunOptions, total int64) meter {
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Every <= 0 {
		options.Every = time.Second
	}
	return meter{options: options, total: total}
}

func (m *meter) start(nodes []Count, f *Flow) {
	m.began = m.options.Now()
	m.called = m.began
	m.rows = tally(nodes, f).Rows
	if m.options.From != nil {
		m.startedAt = m.options.From.Offset
	}
}

func (m *meter) measure(nodes []Count, f *Flow, offset int64, last bool) Progress {
	now := m.options.Now()
	p := tally(nodes, f)
	p.Bytes, p.Total, p.Elapsed = offset, m.total, now.Sub(m.began)
	if seconds := p.Elapsed.Seconds(); seconds > 0 {
		p.Rate = float64(p.Rows-m.rows) / seconds
		if done := offset - m.startedAt; done > 0 && m.total > offset {
			p.Left = time.Duration(float64(p.Elapsed) * float64(m.total-offset) / float64(done))
		}
	}
	if m.options.Progress != nil && (last || now.Sub(m.called) >= m.options.Every) {
		m.called = now
		m.options.Progress(p)
	}
	return p
}

// tally adds the nodes' counts up.
func tally(nodes []Count, f *Flow) (p Progress) {
	p.Rows = nodes[0].In
	for i, n := range nodes {
		p.Rejected += n.Rejected
		if f.nodes[i].Kind == "filter" {
			p.Filtered += n.In - n.Out - n.Rejected
		}
	}
	for _, d := range f.dests {
		p.Accepted += nodes[d.node].Out
	}
	return p
}
