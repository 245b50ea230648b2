package flow

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp/internal/schema"
)

const storedForm = `{"name":"shop",
 "source":{"type":"csv","path":"sales.csv","comma":";","types":{"amount":"number","at":"datetime"},"null":["","NULL"]},
 "actions":[{"id":"grocery","filter":{"where":"ok"}},{"add":{"column":"total","type":"number","value":"amount * 2"}},
  {"select":{"columns":["user","at","total"]}},{"rename":{"columns":{"user":"customer"}}}],
 "destinations":[{"events":{"name":"purchase","id":"user","time":"at","user_id":"customer","attributes":{"total":"total"}}},
  {"profiles":{"user_id":"customer","attributes":{},"mode":"add-update"}},{"objects":{"type":"order","id":"customer","attributes":{"t":"total"}}}]}`

func TestDefRoundTrip(t *testing.T) {
	def, err := Decode([]byte(storedForm))
	require.NoError(t, err)
	require.Equal(t, "amount * 2", def.Actions[1].Add.Value)
	require.Equal(t, []string{"source", "grocery", "action-2", "action-3", "action-4", "destination-1", "destination-2", "destination-3"}, def.nodeIDs())
	b, err := json.Marshal(def)
	require.NoError(t, err)
	require.JSONEq(t, storedForm, string(b))

	for text, want := range map[string]string{
		`{"name":"a","nmae":"b"}`: `dataflow: the definition is no valid JSON form: json: unknown field "nmae"`,
		storedForm + "{}":         "dataflow: something follows the definition",
		`{"name":1}`:              "dataflow: the definition is no valid JSON form",
		"":                        "dataflow: the definition is no valid JSON form: EOF",
	} {
		_, err := Decode([]byte(text))
		require.ErrorContains(t, err, want)
	}
}

// Each case breaks one thing of the sales flow. Its columns are user, sku, quantity, price, at, ok.
func TestErrorsNameNodeAndPlace(t *testing.T) {
	for _, c := range []struct {
		want   string
		change func(*Def)
	}{
		{`dataflow: "" is no name for a dataflow: use 1 to 255 bytes of text`, func(d *Def) { d.Name = "" }},
		{`dataflow "shop": source: unknown type "cvs" (did you mean "csv"?): use csv or jsonl`, func(d *Def) { d.Source.Type = "cvs" }},
		{`dataflow "shop": source: names no file: set path, or opener`, func(d *Def) { d.Source.Opener = "" }},
		{`dataflow "shop": source: no opener is registered as "flie" (did you mean "file"?)`, func(d *Def) { d.Source.Opener = "flie" }},
		{`dataflow "shop": source: comma: ";;" cannot separate fields: use one ASCII character, such as ";", "|" or a tab`, func(d *Def) { d.Source.Comma = ";;" }},
		{`dataflow "shop": source: types: column "price": type "numbr" is not possible here (did you mean "number"?): use one of ["number" "string" "text" "datetime" "boolean"]`,
			func(d *Def) { d.Source.Types = map[string]schema.Type{"price": "numbr"} }},
		{`dataflow "shop": source: types: unknown column "prcie" (did you mean "price"?)`, func(d *Def) { d.Source.Types = map[string]schema.Type{"prcie": schema.Number} }},
		{`dataflow "shop": source: columns: the columns 1 and 2 are both named "a"`, func(d *Def) { d.Source.Columns = []string{"a", "a"} }},
		{`dataflow "shop": action 2 (empty): has 0 of filter, add, select and rename: give exactly one`, func(d *Def) { d.Actions[1] = Action{} }},
		{`dataflow "shop": action 1 (filter): where: 1:1: unknown column "quantty" (did you mean "quantity"?)`, func(d *Def) { d.Actions[0].Filter.Where = "quantty" }},
		{`dataflow "shop": action 1 (filter): where is empty`, func(d *Def) { d.Actions[0].Filter.Where = "" }},
		{`dataflow "shop": action 2 (add): value: 1:12: unknown column "pric" (did you mean "price"?)`, func(d *Def) { d.Actions[1].Add.Value = "quantity * pric" }},
		{`dataflow "shop": action 2 (add): the column "sku" is already there: choose another name, or rename the old one first`, func(d *Def) { d.Actions[1].Add.Column = "sku" }},
		{`dataflow "shop": action 2 (add): "a b" is no name for a column: use letters, digits and underscores, not starting with a digit, at most 64`, func(d *Def) { d.Actions[1].Add.Column = "a b" }},
		{`dataflow "shop": action 2 (add): value: the expression gives a number, declared is text: use string(...)`, func(d *Def) { d.Actions[1].Add.Type = schema.Text }},
		{`dataflow "shop": action 3 (rename): unknown column "usr" (did you mean "user"?)`, func(d *Def) { d.Actions[2].Rename.Columns = map[string]string{"usr": "u"} }},
		{`dataflow "shop": action 3 (rename): the columns 1 and 2 are both named "sku"`, func(d *Def) { d.Actions[2].Rename.Columns = map[string]string{"user": "sku"} }},
		{`dataflow "shop": action 4 (select): unknown column "user" (did you mean`, func(d *Def) {
			d.Actions[2].Rename.Columns = map[string]string{"user": "users"}
			d.Actions[3].Select.Columns = []string{"user"}
		}},
		{`dataflow "shop": destination 1 (events "purchase"): time: the column "sku" is text: declare it as datetime in the source's types`, func(d *Def) { d.Destinations[0].Events.Time = "sku" }},
		{`dataflow "shop": destination 1 (events "purchase"): attribute "total": unknown column "price"; the columns here are ["customer" "at" "total" "sku"]`,
			func(d *Def) { d.Destinations[0].Events.Attributes = map[string]string{"total": "price"} }},
		{`dataflow "shop": destination 1 (events "purchase"): names no column for user_id or anonymous_id`, func(d *Def) { d.Destinations[0].Events.UserID = "" }},
		{`dataflow "shop": destination 2 (profiles): user_id: the column "at" is datetime: an id is a string or a number`, func(d *Def) { d.Destinations[1].Profiles.UserID = "at" }},
		{`dataflow "shop": destination 2 (profiles): unknown mode "remove": use add-update`, func(d *Def) { d.Destinations[1].Profiles.Mode = "remove" }},
		{`dataflow "shop": has no destination: add events, profiles or objects`, func(d *Def) { d.Destinations = nil }},
		{`dataflow "shop": destination 2 (events "purchase"): another destination writes events "purchase" too: give both an id`, func(d *Def) { d.Destinations[1] = d.Destinations[0] }},
		{`dataflow "shop": two nodes have the id "action-2"`, func(d *Def) { d.Actions[0].ID = "action-2" }},
	} {
		def := sales()
		c.change(&def)
		_, err := Compile(context.Background(), def, hooksFor(memory(salesText(1))))
		require.ErrorContains(t, err, c.want)
	}
}

func TestTypedColumns(t *testing.T) {
	f := compile(t, sales(), memory(salesText(1)))
	text := func(n string) Column { return Column{n, schema.Text} }
	at, total := Column{"at", schema.Datetime}, Column{"total", schema.Number}
	source := []Column{text("user"), text("sku"), {"quantity", schema.Number}, {"price", schema.Number}, at, {"ok", schema.Boolean}}
	renamed := append([]Column{text("customer")}, append(source[1:6:6], total)...)
	require.Equal(t, []Node{
		{"source", "csv", source}, {"action-1", "filter", source}, {"action-2", "add", append(source[:6:6], total)}, {"action-3", "rename", renamed},
		{"action-4", "select", []Column{text("customer"), at, total, text("sku")}},
		{"destination-1", "events", []Column{text("sku"), total}}, {"destination-2", "profiles", []Column{text("last_sku")}},
	}, f.Nodes())
}

func TestSwapNames(t *testing.T) {
	def := people(nil)
	def.Actions = []Action{{Rename: &Rename{Columns: map[string]string{"id": "n", "n": "id"}}}}
	s, _ := run(t, def, "id,n\na,1\n")
	require.Equal(t, []string{"2 1 a"}, pairs(s.items))
}

func TestMissingFile(t *testing.T) {
	def := sales()
	def.Source.Opener, def.Source.Path = "", t.TempDir()+"/none.csv"
	_, err := Compile(context.Background(), def, hooksFor(nil))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, `dataflow "shop": source: open `)
	def.Source.Path = t.TempDir()
	_, err = Compile(context.Background(), def, hooksFor(nil))
	require.ErrorContains(t, err, "is a directory: name one file")
}

func TestColumnsChangedBeforeRun(t *testing.T) {
	texts := []string{salesText(4), "x" + salesText(4)}
	opens := 0
	f := compile(t, sales(), func(ctx context.Context, path string) (io.ReadCloser, error) {
		opens++
		return memory(texts[min(opens-1, 1)])(ctx, path)
	})
	_, err := f.Run(context.Background(), &store{}, RunOptions{})
	require.EqualError(t, err, `dataflow "shop": source: the columns of the file changed since the dataflow was compiled; compile it again`)
}

func TestCatalogue(t *testing.T) {
	cat := func(change func(*schema.Catalogue)) *schema.Catalogue {
		c := &schema.Catalogue{Profile: schema.Attrs{"last_sku": {Type: schema.String}}, Events: map[string]*schema.EventType{
			"purchase": {Name: "purchase", Attributes: schema.Attrs{"total": {Type: schema.Number, Required: true}, "sku": {Type: schema.String}}}}}
		change(c)
		return c
	}
	try := func(change func(*schema.Catalogue)) error {
		hooks := hooksFor(memory(salesText(1)))
		hooks.Catalogue = cat(change)
		_, err := Compile(context.Background(), sales(), hooks)
		return err
	}
	require.NoError(t, try(func(*schema.Catalogue) {}))
	require.NoError(t, try(func(c *schema.Catalogue) {
		c.Events["purchase"].Policy = schema.Learn
		delete(c.Events["purchase"].Attributes, "sku")
	}))
	for want, change := range map[string]func(*schema.Catalogue){
		`destination 1 (events "purchase"): unknown event type "purchase" (did you mean "purchases"?)`: func(c *schema.Catalogue) {
			c.Events = map[string]*schema.EventType{"purchases": {}}
		},
		`destination 1 (events "purchase"): attribute "sku": the event type "purchase" does not have it (did you mean "skus"?)`: func(c *schema.Catalogue) {
			c.Events["purchase"].Attributes = schema.Attrs{"total": {Type: schema.Number}, "skus": {Type: schema.String}}
		},
		`destination 1 (events "purchase"): attribute "total": its column is number, the event type "purchase" declares it as datetime`: func(c *schema.Catalogue) {
			c.Events["purchase"].Attributes["total"] = schema.Attr{Type: schema.Datetime}
		},
		`destination 1 (events "purchase"): attribute "shop" is required by the event type "purchase" and not mapped`: func(c *schema.Catalogue) {
			c.Events["purchase"].Attributes["shop"] = schema.Attr{Type: schema.String, Required: true}
		},
		`destination 2 (profiles): attribute "last_sku": the profile does not have it`: func(c *schema.Catalogue) { c.Profile = nil },
	} {
		require.ErrorContains(t, try(change), want)
	}
}

// What a row lacks is told for each destination apart; the others still take it.
func TestDestinationDeadLetters(t *testing.T) {
	def := sales()
	def.Destinations[0].Events.AnonymousID = "sku"
	s, result := run(t, def, "user,sku,quantity,price,at,ok\n,,1,1,2026-01-01,1\n,s,1,1,2026-01-01,1\nu,s,1,1,,1\nu,s,1,1,2026-01-01,1\nu,explode,1,1,2026-01-01,1\n")
	require.Equal(t, []DeadLetter{
		{2, "destination-1", "has neither user_id nor anonymous_id: one says whose it is", ",,1,1,2026-01-01,1"},
		{2, "destination-2", "has no user_id: it says whose it is", ",,1,1,2026-01-01,1"},
		{3, "destination-2", "has no user_id: it says whose it is", ",s,1,1,2026-01-01,1"},
		{4, "destination-1", "has no time: an event needs one", "u,s,1,1,,1"},
	}, s.dead)
	require.Len(t, s.items, 6)
	require.Equal(t, []Count{{"destination-1", 5, 3, 2}, {"destination-2", 5, 3, 2}}, result.Nodes[5:])

	def = sales()
	def.Actions[0].Filter.Where = "sku=s"
	s, _ = run(t, def, "user,sku,quantity,price,at,ok\nu,explode,1,1,2026-01-01,1\nu,s,1,1,2026-01-01,1\n")
	require.Equal(t, []DeadLetter{{2, "action-1", "exploded", "u,explode,1,1,2026-01-01,1"}}, s.dead)
	require.Len(t, s.items, 2)
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(storedForm))
	f.Add([]byte(`{"name":"a","source":{"type":"jsonl","path":"x","types":{"a":"[]object"}},"destinations":[{"profiles":{"user_id":"a"}}]}`))
	f.Add([]byte(`{"name":"a","source":{"null":null},"actions":[{"add":null}],"destinations":[{}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		def, err := Decode(data)
		if err != nil {
			return
		}
		b, err := json.Marshal(def)
		require.NoError(t, err)
		again, err := Decode(b)
		require.NoError(t, err)
		require.Equal(t, def.fingerprint(), again.fingerprint())
		_, _ = Compile(context.Background(), def, Hooks{Openers: map[string]Opener{"": memory("a,b\n1,2\n"), def.Source.Opener: memory("a,b\n1,2\n")}, CompileFilter: testFilter})
	})
}
