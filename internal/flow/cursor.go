package flow

import "fmt"

// Cursor is the place between two rows where a run stands, with what it counted up to there. Its JSON is the stored
// form. A sink stores it in the same commit as the batch that it belongs to.
type Cursor struct {
	Def    string `json:"def"`    // fingerprint of the definition
	Offset int64  `json:"offset"` // of the next row, in bytes
	Line   int64  `json:"line"`   // of the next row, from 1

	// Head and Tail are hashes of the file's first HeadLen bytes and of the last bytes before Offset. A run that goes on
	// makes sure that they are still the same. The file may have grown behind Offset.
	Head    string `json:"head"`
	HeadLen int64  `json:"head_len"`
	Tail    string `json:"tail"`

	// Nodes counts rows for each node. What the sink refused of this cursor's own batch is not in it: the sink has not
	// spoken yet when it gets the cursor. What it refused of earlier batches is.
	Nodes []Count `json:"nodes"`
	Done  bool    `json:"done,omitempty"` // the file was read to its end
}

// Count is what a node did. Of a filter, In less Out and Rejected are the rows it left out.
type Count struct {
	ID       string `json:"id"`
	In       int64  `json:"in"`
	Out      int64  `json:"out"`
	Rejected int64  `json:"rejected,omitempty"` // dead letters and what the sink refused
}

func (f *Flow) checkCursor(c *Cursor) error {
	if c.Def != f.def.fingerprint() {
		return fmt.Errorf("the dataflow was changed since the run stopped: start a new run")
	}
	if c.Offset < 0 || len(c.Nodes) != len(f.nodes) {
		return fmt.Errorf("the cursor is damaged; start a new run")
	}
	return nil
}

// mark fills in where the input stands.
func (c *Cursor) mark(in *input) {
	c.Offset, c.Line = in.offset(), in.line
	if n := min(c.Offset, int64(len(in.head))); n != c.HeadLen || c.Head == "" {
		c.Head, c.HeadLen = sum(in.head[:n]), n
	}
	c.Tail = sum(in.tail())
}
