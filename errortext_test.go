package cdp_test

import (
	"context"
	"iter"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/cdptest"
)

// What errors say, wherever they come from: each place is named once, and in words of the public API. The test takes good
// arguments of every verb that checks some and spoils them one field at a time.

// leaf is one place in a value that can be spoilt: set puts another value there, undo what was there before.
type leaf struct {
	path      string
	set, undo func()
}

// spoilt yields every place in v, deep, with each of the bad values that fit there. v is addressable.
func spoilt(path string, v reflect.Value) iter.Seq[leaf] {
	return func(yield func(leaf) bool) { spoil(path, v, yield) }
}

func spoil(path string, v reflect.Value, yield func(leaf) bool) bool {
	old := reflect.New(v.Type()).Elem()
	old.Set(v)
	try := func(bad any) bool {
		b := reflect.ValueOf(bad).Convert(v.Type())
		return yield(leaf{path, func() { v.Set(b) }, func() { v.Set(old) }})
	}
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		return try(time.Time{}) && try(time.Date(-400_000, 1, 1, 0, 0, 0, 0, time.UTC)) && try(time.Date(400_000, 1, 1, 0, 0, 0, 0, time.UTC))
	case v.Kind() == reflect.String:
		for _, bad := range []string{"", "nothing", "purchas", "emial", "1 +", "e.amuont > 1", "-1d", "a b", "\x00", "\xff", "{{ nothing }}", "{", strings.Repeat("x", 300)} {
			if !try(bad) {
				return false
			}
		}
	case v.CanInt():
		return try(-1) && try(0) && try(1<<40)
	case v.CanFloat():
		return try(math.NaN()) && try(-1.0)
	case v.Kind() == reflect.Bool:
		return try(!v.Bool())
	case v.Kind() == reflect.Interface:
		for _, bad := range []any{math.NaN(), make(chan int), "text", []any{1, "x"}, 2.0, map[string]any{"": 1}} {
			b := reflect.ValueOf(bad)
			if !yield(leaf{path, func() { v.Set(b) }, func() { v.Set(old) }}) {
				return false
			}
		}
	case v.Kind() == reflect.Pointer && !v.IsNil():
		return try(reflect.Zero(v.Type()).Interface()) && spoil(path, v.Elem(), yield)
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && !spoil(path+"."+f.Name, v.Field(i), yield) {
				return false
			}
		}
	case v.Kind() == reflect.Slice:
		twice := reflect.AppendSlice(reflect.MakeSlice(v.Type(), 0, 2*v.Len()), v)
		if !try(reflect.Zero(v.Type()).Interface()) || !try(reflect.AppendSlice(twice, v).Interface()) ||
			!try(reflect.Append(reflect.AppendSlice(reflect.MakeSlice(v.Type(), 0, v.Len()+1), v), reflect.Zero(v.Type().Elem())).Interface()) {
			return false
		}
		for i := range v.Len() {
			if !spoil(path, v.Index(i), yield) {
				return false
			}
		}
	case v.Kind() == reflect.Map:
		return spoilMap(path, v, yield)
	}
	return true
}

// spoilMap spoils the values of a map one by one, and its keys.
func spoilMap(path string, v reflect.Value, yield func(leaf) bool) bool {
	for _, k := range v.MapKeys() {
		was := v.MapIndex(k)
		copied := reflect.New(was.Type()).Elem()
		copied.Set(was)
		back := func() { v.SetMapIndex(k, was) }
		if !spoil(path+"["+k.String()+"]", copied, func(l leaf) bool {
			return yield(leaf{l.path, func() { l.set(); v.SetMapIndex(k, copied) }, func() { l.undo(); back() }})
		}) {
			return false
		}
		for _, key := range []string{"", "a b", "nothing", "\xff", "time"} {
			bad := reflect.ValueOf(key).Convert(k.Type())
			if !yield(leaf{path, func() { v.SetMapIndex(bad, was) }, func() { v.SetMapIndex(bad, reflect.Value{}); back() }}) {
				return false
			}
		}
	}
	return true
}

// textShop is a shop in which every good argument below is accepted.
func textShop(t *testing.T) (c *cdptest.Client, csv string) {
	c = cdptest.New(t, cdptest.Options{Start: noon, Channels: []string{"email"}, Config: cdp.Config{Secret: []byte("0123456789abcdef0123456789abcdef")}})
	ctx := t.Context()
	require.NoError(t, c.Objects().Define(ctx, cdp.ObjectType{Name: "product", Attributes: cdp.Schema{"brand": cdp.String}}))
	c.DefineProfile(cdp.Schema{"city": cdp.String, "age": cdp.Number})
	c.Define(cdp.EventType{Name: "purchase", Attributes: cdp.Schema{"amount": cdp.Number, "category": cdp.String, "product": cdp.Ref("product")}})
	c.SaveSegment("all", "true")
	c.SaveSegment("vip", `events.purchase.size() > 1`)
	require.NoError(t, c.Templates().Save(ctx, cdp.Template{Name: "hello", Text: "Hello"}))
	require.NoError(t, c.Journeys().Save(ctx, cdp.Journey{Name: "welcome", Entry: cdp.Entry{Event: "purchase"}, Nodes: []cdp.Node{cdp.Send("say", "email", "hello", "end"), cdp.End("end", "")}}))
	c.Happens(cdp.Event{Name: "purchase", UserID: "ann", Attributes: cdp.Attrs{"amount": 1, "category": "hats"}})
	csv = filepath.Join(t.TempDir(), "orders.csv")
	require.NoError(t, os.WriteFile(csv, []byte("id,at,who,total\n1,2026-01-10,ann,40\n2,2026-01-11,bob,no idea\n"), 0o600))
	return c, csv
}

// textCalls are verbs with good arguments, which a test spoils. Each returns the error of a call with what arg holds by then.
func textCalls(ctx context.Context, c *cdptest.Client, csv string) map[string]struct {
	arg  any
	call func() error
} {
	event := &cdp.Event{Name: "purchase", UserID: "ann", AnonymousID: "a1", Identifiers: map[string]string{"email": "a@example.com"}, Time: noon, Source: "web",
		Attributes: cdp.Attrs{"amount": 1.5, "category": "hats", "product": "p1"}}
	identity := &cdp.Identity{UserID: "ann", AnonymousID: "a1", Identifiers: map[string]string{"email": "a@example.com"}, Time: noon, Attributes: cdp.Attrs{"age": 20.0, "city": "Hue"}}
	object := &cdp.ObjectRecord{Type: "product", ID: "p1", Time: noon, Attributes: cdp.Attrs{"brand": "x"}}
	typ := &cdp.EventType{Name: "visit", Policy: cdp.Strict, Retention: "30d", Attributes: cdp.Schema{"page": cdp.String.Or("home"), "product": cdp.Ref("product"),
		"items": cdp.ListOf(cdp.Schema{"sku": cdp.String, "n": cdp.Number.Required()}), "to": cdp.Object(cdp.Schema{"city": cdp.String})}}
	objectType := &cdp.ObjectType{Name: "maker", Policy: cdp.Learn, Attributes: cdp.Schema{"name": cdp.Text, "maker": cdp.Ref("maker")}}
	profile := &struct {
		Attributes cdp.Schema
		Policy     cdp.Policy
	}{cdp.Schema{"home": cdp.String.Or("Hue"), "height": cdp.Number}, cdp.Strict}
	settings := &cdp.Settings{Name: "Shop", TimeZone: "Asia/Ho_Chi_Minh", WeekStart: "sunday", Caps: []cdp.Cap{{Channel: "email", Max: 3, Per: "1d"}}, OptIn: []string{"email"}, UnsubscribeURL: "https://shop.example/{token}"}
	segment := &cdp.Segment{Name: "buyers", Of: cdp.Customers, Where: `inSegment("vip") && customer.age > 1`, Labels: []string{"a"}}
	template := &cdp.Template{Name: "thanks", Event: "purchase", Subject: "Thanks", Text: "{{ event.amount }}", HTML: `<p>{{ customer.city | "Hue" }}</p>`, Data: `{"a": 1}`, URL: "https://shop.example/"}
	journey := &cdp.Journey{Name: "cart", Entry: cdp.Entry{Event: "purchase", Where: "event.amount > 0.0", Key: "category"}, Audience: "customer.age > 1", Reentry: "1d",
		Goals: []cdp.Goal{{Name: "bought", Event: "purchase", Where: "e.amount > 1.0"}}, Exits: []cdp.Exit{{When: "customer.age > 100", Reason: "old"}},
		Nodes: []cdp.Node{cdp.Delay("pause", "1h", "fork"), cdp.If("fork", "end", cdp.Branch{Name: "rich", Where: "customer.age > 18", Next: "wait"}),
			cdp.Wait("wait", "1d", "say", cdp.Branch{Event: "purchase", Where: "e.amount > 2.0", Next: "end"}), cdp.Send("say", "email", "hello", "end"), cdp.End("end", "")}}
	null := []string{"-"}
	dataflow := &cdp.Dataflow{Name: "orders", Source: cdp.Source{ID: "file", Type: "csv", Path: csv, Comma: ",", Types: map[string]string{"at": "datetime", "total": "number"}, Null: &null},
		Actions: []cdp.Action{{ID: "some", Filter: &cdp.Filter{Where: "total > 0"}}, {ID: "tax", Add: &cdp.Add{Column: "tax", Type: "number", Value: "total * 0.1"}},
			{ID: "names", Rename: &cdp.Rename{Columns: map[string]string{"who": "user"}}}, {ID: "few", Select: &cdp.Select{Columns: []string{"id", "at", "user", "total", "tax"}}}},
		Destinations: []cdp.Destination{{ID: "ev", Events: &cdp.ToEvents{Name: "purchase", ID: "id", Time: "at", UserID: "user", Attributes: map[string]string{"amount": "total"}}},
			{ID: "pr", Profiles: &cdp.ToProfiles{UserID: "user", Attributes: map[string]string{"city": "id"}}}, {ID: "ob", Objects: &cdp.ToObjects{Type: "product", ID: "id", Attributes: map[string]string{"brand": "user"}}}}}
	trend := &cdp.Trend{Title: "T", Range: cdp.Between(daysAgo(30), noon), Interval: cdp.Weekly, Segment: "vip", Top: 3, Series: []cdp.Series{
		{Name: "money", Event: "purchase", Where: "e.amount > 0.0", Measure: cdp.Sum, Value: "amount", Unit: "USD", By: "category"}, {Event: "*"}}}
	funnel := &cdp.Funnel{Title: "F", Range: cdp.Between(daysAgo(30), noon), Window: "1d", Segment: "vip", By: "category",
		Steps: []cdp.Step{{Name: "one", Event: "purchase", Where: "e.amount > 0.0"}, {Event: "purchase"}}}
	retention := &cdp.Retention{Title: "R", Range: cdp.Between(daysAgo(30), noon), Interval: cdp.Weekly, Segment: "vip", Periods: 3, Start: cdp.Step{Event: "purchase", Where: "e.amount > 0.0"}, Return: cdp.Step{Event: "purchase"}}
	name, channelName, kind, journeyName := "vip", "email", "user_id", "welcome"
	one := func(_ any, err error) error { return err }
	verb := func(arg any, call func() error) struct {
		arg  any
		call func() error
	} {
		return struct {
			arg  any
			call func() error
		}{arg, call}
	}
	return map[string]struct {
		arg  any
		call func() error
	}{
		"Track":             verb(event, func() error { return one(c.Track(ctx, *event)) }),
		"Import":            verb(event, func() error { return one(c.Import(ctx, *event)) }),
		"Identify":          verb(identity, func() error { return one(c.Identify(ctx, *identity)) }),
		"Objects.Put":       verb(object, func() error { return one(c.Objects().Put(ctx, *object)) }),
		"Events.Define":     verb(typ, func() error { return c.Events().Define(ctx, *typ) }),
		"Objects.Define":    verb(objectType, func() error { return c.Objects().Define(ctx, *objectType) }),
		"Profiles.Define":   verb(profile, func() error { return c.Profiles().Define(ctx, profile.Attributes, profile.Policy) }),
		"Portal.Save":       verb(settings, func() error { return c.Portal().Save(ctx, *settings) }),
		"Segments.Check":    verb(segment, func() error { return c.Segments().Check(ctx, *segment) }),
		"Segments.Save":     verb(segment, func() error { return c.Segments().Save(ctx, *segment) }),
		"Segments.Preview":  verb(segment, func() error { return one(c.Segments().Preview(ctx, *segment)) }),
		"Segments.Explain":  verb(segment, func() error { return one(c.Segments().ExplainPlan(ctx, *segment)) }),
		"Segments.Forecast": verb(segment, func() error { return one(c.Segments().Forecast(ctx, *segment, nil)) }),
		"Past.Preview":      verb(segment, func() error { return one(c.TrueAt(noon).Preview(ctx, *segment)) }),
		"Segments.Count":    verb(&name, func() error { return one(c.Segments().Count(ctx, name)) }),
		"Segments.Sizes":    verb(&name, func() error { return one(c.Segments().Sizes(ctx, name, nil)) }),
		"Segments.Overlap":  verb(&name, func() error { return one(c.Segments().Overlap(ctx, "all", name)) }),
		"Segments.WhyNot":   verb(&name, func() error { return one(c.Segments().WhyNot(ctx, name, "ann")) }),
		"Segments.Limits":   verb(&name, func() error { return one(c.Segments().Limits(ctx, name)) }),
		"Templates.Save":    verb(template, func() error { return c.Templates().Save(ctx, *template) }),
		"Templates.Preview": verb(template, func() error { return one(c.Templates().Preview(ctx, *template, "ann")) }),
		"Journeys.Save":     verb(journey, func() error { return c.Journeys().Save(ctx, *journey) }),
		"Dataflows.Save":    verb(dataflow, func() error { return c.Dataflows().Save(ctx, *dataflow) }),
		"Dataflows.Preview": verb(dataflow, func() error { return one(c.Dataflows().Preview(ctx, *dataflow, 3)) }),
		"Dataflows.Run": verb(dataflow, func() error {
			if err := c.Dataflows().Save(ctx, *dataflow); err != nil {
				return err
			}
			return one(c.Dataflows().Run(ctx, dataflow.Name, nil))
		}),
		"Insights.Trend":     verb(trend, func() error { return one(c.Insights().Trend(ctx, *trend)) }),
		"Insights.Funnel":    verb(funnel, func() error { return one(c.Insights().Funnel(ctx, *funnel)) }),
		"Insights.Retention": verb(retention, func() error { return one(c.Insights().Retention(ctx, *retention)) }),
		"Insights.Journey":   verb(&journeyName, func() error { return one(c.Insights().Journey(ctx, journeyName, cdp.Between(daysAgo(30), noon))) }),
		"Past.Trend":         verb(trend, func() error { return one(c.TrueAt(noon).Trend(ctx, *trend)) }),
		"Consents.Grant":     verb(&channelName, func() error { return c.Consents().Grant(ctx, "ann", channelName) }),
		"Profiles.Find":      verb(&kind, func() error { return one(c.Profiles().Find(ctx, kind, "ann")) }),
	}
}

// engineNames are the packages in internal/ whose names are no words of the public API.
func engineNames(t *testing.T) (names []string) {
	entries, err := os.ReadDir("internal")
	require.NoError(t, err)
	for _, e := range entries {
		// Nouns, columns of a dataflow, and the field Value of Add.
		if e.IsDir() && !slices.Contains([]string{"journey", "template", "column", "value"}, e.Name()) {
			names = append(names, e.Name())
		}
	}
	require.Greater(t, len(names), 20)
	return names
}

// place is the start of a message that says where it is about: `segment "x": `, `node 3: `, `cdp: `.
var place = regexp.MustCompile(`^([a-z_ ]+)(?: (?:"(?:[^"\\]|\\.)*"|\d+))?(?: \([^()]*\))?: `)

// badText says what is wrong with the text of an error, or "".
func badText(text string, engine *regexp.Regexp) string {
	if found := engine.FindString(text); found != "" {
		return "names the package " + found
	}
	for _, words := range []string{"Go struct", "Go value", "json:", "reflect", "column: table", "%!", "<nil>", "runtime error", "panic"} {
		if strings.Contains(text, words) {
			return "speaks of " + words
		}
	}
	if strings.Count(text, "cdp: ") > 1 {
		return "says cdp: twice"
	}
	seen := map[string]bool{}
	for rest := text; ; {
		m := place.FindStringSubmatch(rest)
		if m == nil {
			return ""
		}
		noun := m[1]
		if noun == "attribute" {
			noun = m[0] // keys of attributes are attributes of their own
		}
		if seen[noun] {
			return "names " + noun + " twice"
		}
		seen[noun] = true
		rest = rest[len(m[0]):]
	}
}

func TestErrorTexts(t *testing.T) {
	engine := regexp.MustCompile(`\b(` + strings.Join(engineNames(t), "|") + `): `)
	require.Equal(t, "names segment twice", badText(`segment "a": segment "a": 1:2: no`, engine))
	require.Equal(t, "names the package insight: ", badText(`trend: insight: no`, engine))
	require.Empty(t, badText(`segment "a": 1:2: unknown attribute "b" of event "c"`, engine))

	c, csv := textShop(t)
	verbs := textCalls(t.Context(), c, csv)
	errors, wrong := 0, map[string]bool{}
	for verb, v := range verbs {
		require.NoError(t, v.call(), verb)
	}
	for verb, v := range verbs {
		for place := range spoilt(verb, reflect.ValueOf(v.arg).Elem()) {
			place.set()
			err := v.call()
			place.undo()
			if err == nil {
				continue
			}
			errors++
			text := err.Error()
			if bad := badText(text, engine); bad != "" && !wrong[place.path+bad] {
				wrong[place.path+bad] = true
				t.Errorf("%s: the error %s: %.300s", place.path, bad, text)
			}
		}
	}
	require.Greater(t, errors, 1500)
}

// Opening names the file and the setting, each once.
func TestOpenTexts(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "shop.cdp")
	missing := filepath.Join(dir, "no", "shop.cdp")
	_, err := cdp.Open(good, cdp.Config{SendWorkers: -1})
	require.EqualError(t, err, "cdp: open "+good+": Config.SendWorkers is outside 1 to 1000")
	var invalid *cdp.InvalidError
	require.ErrorAs(t, err, &invalid)
	_, err = cdp.Open(dir)
	require.EqualError(t, err, "cdp: "+dir+" is a directory; name a file in it")
	_, err = cdp.Open("")
	require.EqualError(t, err, `cdp: the path is empty; name the file to open or make, as "shop.db"`)
	_, err = cdp.Open(missing)
	require.ErrorContains(t, err, "cdp: "+missing+" cannot be created: ")
	require.Equal(t, 1, strings.Count(err.Error(), "shop.cdp"))

	c, err := cdp.Open(good)
	require.NoError(t, err)
	require.NoError(t, c.Close())
	_, err = c.Segments().Count(t.Context(), "vip")
	require.EqualError(t, err, "cdp: the client is closed")
	over, stop := context.WithCancel(t.Context())
	stop()
	_, err = c.Segments().Count(over, "vip")
	require.EqualError(t, err, "cdp: segments.set: context canceled")
}
