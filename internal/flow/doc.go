// Package flow runs dataflows: a source file, actions on its rows, destinations for what comes out.
//
//	def, err := flow.Decode(stored)                        // a Def is data; its JSON is the stored form
//	f, err := flow.Compile(ctx, def, hooks)                // opens the source, types every node, compiles expressions
//	nodes := f.Nodes()                                     // the typed columns of each node
//	look, err := f.Preview(ctx, 10)                        // what each node would give, nothing written
//	result, err := f.Run(ctx, sink, flow.RunOptions{})     // streams the rows in batches into the sink
//
// A graph is a line for now: source, actions in order, then every destination gets each row that is left. Every action
// and destination is a node with an id, so that a later form can name its inputs.
//
// Memory is bounded whatever the file's size: a batch ends at a number of rows or of source bytes, and at most three
// batches exist at once (one being read, one waiting, one being written).
//
// Nothing is lost and nothing comes twice. Each Batch carries its items, its dead letters and the Cursor behind them,
// and the sink stores the three in one commit. A run that was killed goes on from the stored cursor. A row that cannot
// be used is a dead letter with its line, its reason and its text.
//
// The engine knows neither the log nor CEL: both come in through Sink and Hooks.
package flow
