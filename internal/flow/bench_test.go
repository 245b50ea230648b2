package flow

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/schema"
	"github.com/embedcdp/cdp/internal/value"
)

// transactions is the flow of the speed goal: every line through a filter, a computed column and a full mapping.
func transactions() Def {
	number := []string{"quantity", "sales_value", "retail_disc", "coupon_disc", "coupon_match_disc", "week"}
	types := map[string]schema.Type{"transaction_timestamp": schema.Datetime}
	attributes := map[string]string{"total": "total", "store": "store_id", "basket": "basket_id", "product": "product_id"}
	for _, n := range number {
		types[n] = schema.Number
		attributes[n] = n
	}
	return Def{Name: "transactions", Source: Source{Type: "csv", Opener: "file", Types: types},
		Actions: []Action{
			{Filter: &Filter{Where: "quantity > 0.0"}},
			{Add: &Add{Column: "total", Type: schema.Number, Value: "sales_value + coupon_disc"}},
		},
		Destinations: []Destination{{Events: &Events{Name: "purchase", Time: "transaction_timestamp", UserID: "household_id", Attributes: attributes}}}}
}

func quantityAboveZero(string, schema.Attrs) (Predicate, error) {
	return func(column func(string) value.Value) (bool, error) { return column("quantity").Num > 0, nil }, nil
}

// 75,000 lines of 11 columns into a sink that does nothing.
func BenchmarkTransactions(b *testing.B) {
	benchmark(b, transactions(), string(realFile(b, "completejourney/transactions_sample.csv")))
}

// The same rows as JSON objects.
func BenchmarkTransactionsJSONL(b *testing.B) {
	rows, err := readTwin(string(realFile(b, "completejourney/transactions_sample.csv")))
	require.NoError(b, err)
	def := transactions()
	def.Source.Type = "jsonl"
	var text strings.Builder
	for _, row := range rows[1:] {
		object := map[string]any{}
		for i, name := range rows[0] {
			object[name] = row[i]
			if def.Source.Types[name] == schema.Number {
				object[name] = json.Number(row[i])
			}
		}
		line, err := json.Marshal(object)
		require.NoError(b, err)
		text.Write(append(line, '\n'))
	}
	benchmark(b, def, text.String())
}

func benchmark(b *testing.B, def Def, text string) {
	hooks := hooksFor(memory(text))
	hooks.CompileFilter = quantityAboveZero
	f, err := Compile(context.Background(), def, hooks)
	require.NoError(b, err)
	nothing := sinkFunc(func(context.Context, Batch) ([]Rejection, error) { return nil, nil })
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		result, err := f.Run(context.Background(), nothing, RunOptions{})
		require.NoError(b, err)
		require.EqualValues(b, 75_000, result.Progress.Rows)
	}
	b.ReportMetric(75_000*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
