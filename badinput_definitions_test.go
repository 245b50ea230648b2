package cdp_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/channel"
	"github.com/embedcdp/cdp/store/memstore"
)

// Expressions that are wrong, or built to hang or to eat memory.

// within fails the test when something takes longer than bad input should on a busy machine, or more than 1 GiB in all.
func within(t *testing.T, what string, fn func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	fn()
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	if took > 10*time.Second {
		t.Errorf("%s took %v", what, took)
	}
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 1<<30 {
		t.Errorf("%s allocated %d MiB", what, allocated>>20)
	}
}

// TestBadConditions: what Save refuses, with the name and a place.
func TestBadConditions(t *testing.T) {
	ctx := t.Context()
	c := strictShop(t, memstore.New())
	for name, src := range map[string]string{
		"empty":             "",
		"not a condition":   `customer.age + 1`,
		"unknown attribute": `customer.agee > 1`,
		"unknown event":     `events.purchse.size() > 1`,
		"unknown function":  `customer.city.reverse() == "euH"`,
		"unknown segment":   `inSegment("nothing")`,
		"wrong type":        `customer.age == "old"`,
		"bad window":        `events.purchase.within("30x").size() > 1`,
		"negative window":   `events.purchase.within("-30d").size() > 1`,
		"huge window":       `events.purchase.within("99999999999999999999d").size() > 1`,
		"unknown period":    `events.purchase.during("this_moment").size() > 1`,
		"unclosed":          `events.purchase.exists(e, (e.amount > 1)`,
		"NUL":               "customer.city == \"\x00",
		"not UTF-8":         "customer.city == \"\xff\"",
		"bad regex":         `customer.city.matches("(")`,
		"regex bomb":        `customer.city.matches("((a{1,100}){1,100}){1,100}")`,
		"regex of 100 KB":   `customer.city.matches("` + strings.Repeat("a|", 50_000) + `")`,
		"deep parentheses":  strings.Repeat("(", 100_000) + "true" + strings.Repeat(")", 100_000),
		"deep negation":     strings.Repeat("!", 100_000) + "true",
		"long chain":        "true" + strings.Repeat(" && true", 100_000),
		"long list":         "1 in [" + strings.Repeat("1,", 100_000) + "1]",
		"1 MiB string":      `customer.city == "` + strings.Repeat("x", 1<<20) + `"`,
		"deep field access": "customer" + strings.Repeat(".a", 50_000),
		"ternaries":         strings.Repeat("true ? ", 20_000) + "true" + strings.Repeat(" : false", 20_000),
	} {
		within(t, name, func() {
			seg := cdp.Segment{Name: "bad", Where: src}
			for verb, err := range map[string]error{"check": c.Segments().Check(ctx, seg), "save": c.Segments().Save(ctx, seg)} {
				var def *cdp.DefinitionError
				require.ErrorAs(t, err, &def, "%s: %s", verb, name)
				require.Equal(t, [2]string{"segment", "bad"}, [2]string{def.Kind, def.Name})
				require.Contains(t, err.Error(), `segment "bad": `)
				require.Less(t, len(err.Error()), 2000, "%s: %.200s", name, err)
			}
		})
	}
	all, err := c.Segments().List(ctx)
	require.NoError(t, err)
	require.Empty(t, all)
}

// TestBadNames: what a segment, a journey and an event type may be called.
func TestBadNames(t *testing.T) {
	ctx := t.Context()
	c := strictShop(t, memstore.New())
	for _, name := range []string{"", " ", "a b", "1a", "é", "a.b", "a\x00", "\xff", strings.Repeat("x", 300)} {
		var def *cdp.DefinitionError
		require.ErrorAs(t, c.Segments().Save(ctx, cdp.Segment{Name: name, Where: "true"}), &def, "segment %q", name)
		require.ErrorAs(t, c.Events().Define(ctx, cdp.EventType{Name: name}), &def, "event %q", name)
		require.ErrorAs(t, c.Objects().Define(ctx, cdp.ObjectType{Name: name}), &def, "object %q", name)
		require.ErrorAs(t, c.Events().Define(ctx, cdp.EventType{Name: "ok", Attributes: cdp.Schema{name: cdp.Number}}), &def, "attribute %q", name)
		require.ErrorAs(t, c.Profiles().Define(ctx, cdp.Schema{name: cdp.Number}, cdp.Strict), &def, "profile attribute %q", name)
		require.ErrorAs(t, c.Templates().Save(ctx, cdp.Template{Name: name, Text: "x"}), &def, "template %q", name)
	}
}

// TestExpensiveEvaluation: a condition that is small and harmless to compile, and on some data takes too many steps, is
// cut off: whoever it is about is no member, intake goes on, and Explain says why.
func TestExpensiveEvaluation(t *testing.T) {
	ctx := t.Context()
	c := strictShop(t, memstore.New())
	require.NoError(t, c.Segments().Save(ctx, cdp.Segment{Name: "bomb",
		Where: `events.purchase.all(a, events.purchase.all(b, events.purchase.all(c, events.purchase.all(d, 1 > 0))))`}))
	require.NoError(t, c.Segments().Save(ctx, cdp.Segment{Name: "plain", Where: `events.purchase.size() >= 300`}))
	batch := make([]cdp.Event, 300)
	for i := range batch {
		batch[i] = cdp.Event{Name: "purchase", UserID: "ann", Attributes: cdp.Attrs{"amount": i, "note": strings.Repeat("a", 20_000)}}
	}
	within(t, "intake beside a bomb", func() {
		_, err := c.Import(ctx, batch...)
		require.NoError(t, err)
		_, err = c.Track(ctx, cdp.Event{Name: "purchase", UserID: "ann", Attributes: cdp.Attrs{"amount": 1}})
		require.NoError(t, err)
	})

	in, err := c.Segments().Contains(ctx, "plain", "ann")
	require.NoError(t, err)
	require.True(t, in)
	in, err = c.Segments().Contains(ctx, "bomb", "ann")
	require.NoError(t, err)
	require.False(t, in)
	why, err := c.Segments().Explain(ctx, "bomb", "ann")
	require.NoError(t, err)
	require.Contains(t, why.String(), "too many steps")

	nested := "true"
	for i := range 40 {
		nested = fmt.Sprintf("events.purchase.exists(e%d, %s)", i, nested)
	}
	// Patterns run in time linear in the text; strings cannot be made larger by evaluation.
	for _, src := range []string{
		nested,
		`events.purchase.exists(e, e.note.matches("(a+)+$") && e.note.matches("^(a|aa)+b"))`,
		`events.purchase.exists(e, e.note + e.note + e.note + e.note + e.note == "x")`,
		`events.purchase.map(e, events.purchase.map(f, e.note + f.note)).size() > 0`,
		`customer.city.replace("a", customer.city) == ""`,
	} {
		within(t, src, func() {
			err := c.Segments().Save(ctx, cdp.Segment{Name: "text", Where: src})
			var def *cdp.DefinitionError
			if err != nil && !errors.As(err, &def) {
				t.Errorf("%s: %v", src, err)
			}
		})
	}
}

// TestBadTemplates: what Save refuses, and what is only found out with a person's data.
func TestBadTemplates(t *testing.T) {
	ctx := t.Context()
	c := strictShop(t, memstore.New())
	_, err := c.Track(ctx, cdp.Event{Name: "purchase", UserID: "ann", Attributes: cdp.Attrs{"amount": 1, "note": strings.Repeat("<", 30_000)}})
	require.NoError(t, err)
	for name, def := range map[string]cdp.Template{
		"nothing in it":       {},
		"unknown attribute":   {Text: "{{ customer.nam }}"},
		"unknown event":       {Text: "x", Event: "purchse"},
		"event without Event": {Text: "{{ event.amount }}"},
		"unclosed":            {Text: "{{ customer.city"},
		"empty placeholder":   {Text: "{{ }}"},
		"range loop":          {HTML: "{{ range 2000000000 }}x{{ end }}"},
		"not UTF-8":           {Text: "\xff"},
		"no JSON":             {Data: `{"a": `},
		"1 MiB":               {Text: strings.Repeat("x", 1<<20)},
		"1,000 placeholders":  {Text: strings.Repeat("{{ customer.city }}", 1000)},
		"a CEL bomb":          {Text: "{{ " + strings.Repeat("(", 50_000) + "1" + strings.Repeat(")", 50_000) + " }}"},
	} {
		def.Name = "bad"
		within(t, name, func() {
			_, previewErr := c.Templates().Preview(ctx, def, "ann")
			for verb, err := range map[string]error{"save": c.Templates().Save(ctx, def), "preview": previewErr} {
				var bad *cdp.DefinitionError
				require.ErrorAs(t, err, &bad, "%s: %s", verb, name)
				require.Contains(t, err.Error(), `template "bad": `, name)
				require.Less(t, len(err.Error()), 2000, name)
			}
		})
	}

	// What a person's data bring in makes no second header of an email.
	_, err = c.Identify(ctx, cdp.Identity{UserID: "ann", Attributes: cdp.Attrs{"city": "Hue\r\nBcc: b@example.com"}})
	require.NoError(t, err)
	content, err := c.Templates().Preview(ctx, cdp.Template{Name: "header", Subject: "To {{ customer.city }}\r\nX: y"}, "ann")
	require.NoError(t, err)
	require.NotContains(t, content.Subject, "\n")
	require.NotContains(t, content.Subject, "\r")

	// 60 notes of 30,000 characters that each become four: over what one field of a message may have.
	bomb := cdp.Template{Name: "bomb", Event: "purchase", HTML: strings.Repeat("<p>{{ event.note }}</p>", 60)}
	within(t, "a template bomb", func() {
		_, err := c.Templates().Preview(ctx, bomb, "ann")
		require.ErrorContains(t, err, "longer than 1048576 bytes")
	})

	// In a journey it is a message that failed, with its reason, and the next person's is sent.
	c2, err := cdp.New(memstore.New(), cdp.Config{Now: fixed, Channels: map[string]channel.Channel{"mail": discard}})
	require.NoError(t, err)
	defer c2.Close()
	require.NoError(t, c2.Events().Define(ctx, cdp.EventType{Name: "purchase", Attributes: cdp.Schema{"note": cdp.Text}}))
	require.NoError(t, c2.Templates().Save(ctx, bomb))
	require.NoError(t, c2.Journeys().Save(ctx, cdp.Journey{Name: "j", Entry: cdp.Entry{Event: "purchase"},
		Nodes: []cdp.Node{cdp.Send("send", "mail", "bomb", "end"), cdp.End("end", "")}}))
	_, err = c2.Track(ctx,
		cdp.Event{Name: "purchase", UserID: "ann", Attributes: cdp.Attrs{"note": strings.Repeat("<", 30_000)}},
		cdp.Event{Name: "purchase", UserID: "bob", Attributes: cdp.Attrs{"note": "short"}},
		cdp.Event{Name: "purchase", UserID: "cem"})
	require.NoError(t, err)
	require.NoError(t, c2.Tick(ctx))
	became := map[string]cdp.MessageEvent{}
	history, err := c2.Messages().History(ctx, "message_sent", "message_failed")
	require.NoError(t, err)
	for _, m := range history {
		became[m.UserID] = m
	}
	require.Equal(t, "message_failed", became["ann"].Event)
	require.Contains(t, became["ann"].Reason, "longer than")
	require.Equal(t, "message_sent", became["bob"].Event)
	require.Equal(t, "message_failed", became["cem"].Event)
	require.Contains(t, became["cem"].Reason, "has no value; give a default")
}

// TestBadJourneys: what Save refuses, with the node.
func TestBadJourneys(t *testing.T) {
	ctx := t.Context()
	c := strictShop(t, memstore.New())
	end := cdp.End("end", "")
	many := make([]cdp.Node, 0, 20_001)
	for i := range 20_000 {
		many = append(many, cdp.Delay(fmt.Sprint("n", i), "1h", fmt.Sprint("n", i+1)))
	}
	many = append(many, cdp.End("n20000", ""))
	buy := cdp.Entry{Event: "purchase"}
	for name, bad := range map[string]struct {
		def  cdp.Journey
		says string
	}{
		"no nodes":         {cdp.Journey{Entry: buy}, "node"},
		"no entry":         {cdp.Journey{Nodes: []cdp.Node{end}}, "entry"},
		"unknown event":    {cdp.Journey{Entry: cdp.Entry{Event: "purchse"}, Nodes: []cdp.Node{end}}, "purchse"},
		"unknown segment":  {cdp.Journey{Entry: cdp.Entry{Entered: "vip"}, Nodes: []cdp.Node{end}}, "vip"},
		"unknown channel":  {cdp.Journey{Entry: buy, Nodes: []cdp.Node{cdp.Send("s", "inbax", "t", "end"), end}}, `did you mean "inbox"?`},
		"unknown template": {cdp.Journey{Entry: buy, Nodes: []cdp.Node{cdp.Send("s", "inbox", "t", "end"), end}}, `"t"`},
		"no way on":        {cdp.Journey{Entry: buy, Nodes: []cdp.Node{cdp.Delay("d", "1h", "nowhere"), end}}, `"nowhere"`},
		"bad duration":     {cdp.Journey{Entry: buy, Nodes: []cdp.Node{cdp.Delay("d", "soon", "end"), end}}, `"soon"`},
		"negative":         {cdp.Journey{Entry: buy, Nodes: []cdp.Node{cdp.Delay("d", "-1h", "end"), end}}, `"-1h"`},
		"same id twice":    {cdp.Journey{Entry: buy, Nodes: []cdp.Node{end, end}}, `"end"`},
		"loop at once":     {cdp.Journey{Entry: buy, Nodes: []cdp.Node{cdp.If("a", "b"), cdp.If("b", "a"), end}}, `"a"`},
		"unreached":        {cdp.Journey{Entry: buy, Nodes: []cdp.Node{end, cdp.Delay("d", "1h", "end")}}, `"d"`},
		"unknown type":     {cdp.Journey{Entry: buy, Nodes: []cdp.Node{{ID: "x", Type: "jump"}}}, `"jump"`},
		"bad condition":    {cdp.Journey{Entry: buy, Audience: "customer.agee > 1", Nodes: []cdp.Node{end}}, "agee"},
		"20,001 nodes":     {cdp.Journey{Entry: cdp.Entry{Event: "purchase"}, Nodes: many}, "limit"},
	} {
		bad.def.Name = "bad"
		within(t, name, func() {
			err := c.Journeys().Save(ctx, bad.def)
			var def *cdp.DefinitionError
			require.ErrorAs(t, err, &def, name)
			require.Contains(t, err.Error(), `journey "bad": `, name)
			require.ErrorContains(t, err, bad.says, name)
			require.Less(t, len(err.Error()), 2000, name)
		})
	}
}

var discard = channel.Func(func(_ context.Context, _ channel.Message) (channel.Receipt, error) { return channel.Receipt{}, nil })
