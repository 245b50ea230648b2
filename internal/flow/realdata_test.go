package flow

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/schema"
)

// The expected figures were computed apart from this project with SQL over the same files.
func TestRealTransactions(t *testing.T) {
	def := transactions()
	def.Actions = def.Actions[1:]
	def.Actions[0].Add.Value = "round(sales_value * 100)" // cents, so that sums are exact
	text := string(realFile(t, "completejourney/transactions_sample.csv"))
	s, result := run(t, def, text)
	require.Empty(t, s.dead)
	require.EqualValues(t, 75_000, result.Progress.Accepted)
	cents, households, ids := 0.0, map[string]bool{}, map[string]bool{}
	first, last := int64(math.MaxInt64), int64(0)
	for _, it := range s.items {
		cents += it.Attributes.Field("total").Num
		households[it.UserID], ids[it.ID] = true, true
		first, last = min(first, it.Time), max(last, it.Time)
	}
	require.Equal(t, 23_393_524.0, cents)
	require.Len(t, households, 2377)
	require.Len(t, ids, 75_000)
	require.Equal(t, "2017-01-01 12:30:27", formatMicros(first))
	require.Equal(t, "2018-01-01 03:47:38", formatMicros(last))
}

// Sixty daily files of a shop, among them lines without a customer, cancellations and nulls.
func TestRealDailyFiles(t *testing.T) {
	paths, err := filepath.Glob("../../../shared/data/online-retail/*.csv")
	require.NoError(t, err)
	if len(paths) == 0 {
		t.Skip("the real data is not here: online-retail")
	}
	s := &store{}
	rows := int64(0)
	customers := map[string]bool{}
	for _, path := range paths {
		def := Def{Name: "daily", Source: Source{Type: "csv", Path: path, Types: map[string]schema.Type{
			"Quantity": schema.Number, "UnitPrice": schema.Number, "InvoiceDate": schema.Datetime, "CustomerID": schema.Number}},
			Actions: []Action{{Add: &Add{Column: "total", Type: schema.Number, Value: "Quantity * UnitPrice"}}},
			Destinations: []Destination{{Events: &Events{Name: "purchase", Time: "InvoiceDate", UserID: "CustomerID",
				Attributes: map[string]string{"total": "total", "invoice": "InvoiceNo", "sku": "StockCode", "name": "Description"}}}}}
		f, err := Compile(context.Background(), def, Hooks{})
		require.NoError(t, err)
		result, err := f.Run(context.Background(), s, RunOptions{})
		require.NoError(t, err)
		rows += result.Progress.Rows
	}
	require.Len(t, paths, 60)
	require.EqualValues(t, 95_054, rows)
	require.Len(t, s.dead, 33_643)
	for _, d := range s.dead {
		require.Equal(t, "has no user_id: it says whose it is", d.Reason)
	}
	ids := map[string]bool{}
	for _, it := range s.items {
		customers[it.UserID], ids[it.ID] = true, true
	}
	require.Len(t, customers, 1610)
	require.True(t, customers["17850"], "17850.0 is the customer 17850")
	require.Len(t, ids, 95_054-33_643)
}

// Literal NULL words, and rows whose commas nobody quoted.
func TestRealSuppliers(t *testing.T) {
	if _, err := os.Stat("../../../shared/data/northwind/suppliers.csv"); err != nil {
		t.Skip("the real data is not here: northwind")
	}
	nulls := []string{"", "NULL"}
	def := Def{Name: "suppliers", Source: Source{Type: "csv", Path: "../../../shared/data/northwind/suppliers.csv", Null: &nulls},
		Destinations: []Destination{{Objects: &Objects{Type: "supplier", ObjectID: "supplierID", Attributes: map[string]string{"region": "region", "fax": "fax"}}}}}
	f, err := Compile(context.Background(), def, Hooks{})
	require.NoError(t, err)
	s := &store{}
	_, err = f.Run(context.Background(), s, RunOptions{})
	require.NoError(t, err)
	require.Equal(t, "8: has 13 fields, the file has 12 columns", lines(s.dead)[0])
	require.Equal(t, "7,Pavlova, Ltd.,Ian Devling", s.dead[0].Row[:27])
	require.True(t, s.items[0].Attributes.Field("region").IsAbsent())
	require.Equal(t, "LA", s.items[1].Attributes.Field("region").Str)
}
