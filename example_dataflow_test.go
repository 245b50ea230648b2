package cdp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/store/memstore"
)

// orders is a dataflow that makes purchases of the lines of a CSV file.
func orders(path string) cdp.Dataflow {
	return cdp.Dataflow{
		Name:   "orders",
		Source: cdp.Source{Type: "csv", Path: path, Types: map[string]string{"at": "datetime", "cents": "number"}},
		Actions: []cdp.Action{
			{Filter: &cdp.Filter{Where: `status == "paid"`}},
			{Add: &cdp.Add{Column: "amount", Type: "number", Value: "cents / 100"}},
		},
		Destinations: []cdp.Destination{{Events: &cdp.ToEvents{Name: "purchase", ID: "order", Time: "at", UserID: "customer",
			Attributes: map[string]string{"amount": "amount", "category": "category"}}}},
	}
}

const ordersCSV = `order,at,customer,category,cents,status
1,2026-01-05T10:00:00Z,ann,shoes,4250,paid
2,2026-01-06T11:00:00Z,bob,hats,1500,open
3,2026-01-07T12:00:00Z,ann,hats,many,paid
4,2026-01-08T13:00:00Z,cem,shoes,7000,paid
`

func ExampleDataflows_Run() {
	ctx := context.Background()
	c := shop()
	defer c.Close()
	dir, err := os.MkdirTemp("", "orders")
	check(err)
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "orders.csv")
	check(os.WriteFile(path, []byte(ordersCSV), 0o600))

	check(c.Dataflows().Save(ctx, orders(path)))
	run, err := c.Dataflows().Run(ctx, "orders", nil)
	check(err)
	p := run.Progress
	fmt.Println(run.State, p.Rows, "rows,", p.Accepted, "accepted,", p.Filtered, "filtered,", p.Rejected, "rejected")

	dead, err := c.Dataflows().DeadLetters(ctx, "orders", run.ID)
	check(err)
	for _, d := range dead {
		fmt.Printf("line %d: %s\n", d.Line, d.Reason)
	}
	n, err := c.Events().Count(ctx, "purchase")
	check(err)
	fmt.Println(n, "purchases")
	// Output:
	// done 4 rows, 2 accepted, 1 filtered, 1 rejected
	// line 4: source: column "cents": "many" is not a number
	// 2 purchases
}

func ExampleDataflows_Preview() {
	ctx := context.Background()
	open := func(_ context.Context, name string) (io.ReadCloser, error) { // a product opens a bucket or a URL
		return io.NopCloser(strings.NewReader(ordersCSV)), nil
	}
	c, err := cdp.New(memstore.New(), cdp.Config{Now: fixed, Openers: map[string]cdp.Opener{"bucket": open}})
	check(err)
	defer c.Close()
	check(c.Events().Define(ctx, cdp.EventType{Name: "purchase", Attributes: cdp.Schema{"category": cdp.String, "amount": cdp.Number}}))

	def := orders("2026/orders.csv")
	def.Source.Opener = "bucket"
	nodes, err := c.Dataflows().Preview(ctx, def, 3)
	check(err)
	for _, n := range nodes {
		fmt.Println(n.ID, len(n.Rows), "rows,", len(n.Columns), "columns")
	}
	// Output:
	// source 3 rows, 6 columns
	// action-1 2 rows, 6 columns
	// action-2 2 rows, 7 columns
	// destination-1 2 rows, 2 columns
}

// A run that broke off goes on where it stopped.
func ExampleRunOptions() {
	ctx := context.Background()
	lines := []string{"order,at,customer,category,cents,status"}
	for i := range 20_000 {
		lines = append(lines, fmt.Sprintf("%d,2026-01-05T10:00:00Z,customer-%d,shoes,4250,paid", i, i%1000))
	}
	file := strings.Join(lines, "\n")
	lost := true
	open := func(context.Context, string) (io.ReadCloser, error) {
		if lost {
			return io.NopCloser(io.MultiReader(strings.NewReader(file[:len(file)/2]), brokenReader{})), nil
		}
		return io.NopCloser(strings.NewReader(file)), nil
	}
	c, err := cdp.New(memstore.New(), cdp.Config{Now: fixed, Openers: map[string]cdp.Opener{"net": open}})
	check(err)
	defer c.Close()
	check(c.Events().Define(ctx, cdp.EventType{Name: "purchase", Attributes: cdp.Schema{"category": cdp.String, "amount": cdp.Number}}))
	def := orders("orders.csv")
	def.Source.Opener = "net"
	check(c.Dataflows().Save(ctx, def))

	first, err := c.Dataflows().Run(ctx, "orders", nil)
	fmt.Println(first.State, err)

	lost = false
	second, err := c.Dataflows().Run(ctx, "orders", &cdp.RunOptions{Resume: true})
	check(err)
	fmt.Println(second.State, second.Progress.Rows, "rows, the same run:", second.ID == first.ID)

	runs, err := c.Dataflows().Runs(ctx, "orders")
	check(err)
	n, err := c.Events().Count(ctx, "purchase")
	check(err)
	fmt.Println(len(runs), "run,", n, "purchases")
	// Output:
	// failed dataflow "orders": source: reading at byte 553364: connection lost
	// done 20000 rows, the same run: true
	// 1 run, 20000 purchases
}

// brokenReader is a connection that was lost.
type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("connection lost") }

func ExampleDataflows_Save() {
	ctx := context.Background()
	c := shop()
	defer c.Close()
	customers := cdp.Dataflow{Name: "customers", Source: cdp.Source{Type: "csv", Path: "customers.csv"},
		Destinations: []cdp.Destination{{Profiles: &cdp.ToProfiles{UserID: "id", Attributes: map[string]string{"city": "city"}}}}}
	check(c.Dataflows().Save(ctx, customers))
	all, err := c.Dataflows().List(ctx)
	check(err)
	def, err := c.Dataflows().Get(ctx, "customers")
	check(err)
	fmt.Println(len(all), def.Source.Path)
	check(c.Dataflows().Remove(ctx, "customers"))

	customers.Source.Type = "xls"
	fmt.Println(c.Dataflows().Save(ctx, customers))
	// Output:
	// 1 customers.csv
	// dataflow "customers": source: unknown type "xls": use csv or jsonl
}
