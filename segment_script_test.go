package cdp_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/cdptest"
)

// TestSegmentScripts runs testdata/segments/*.txt, the readable specification of what segments mean. A line is a command:
//
//	define event NAME attr:type …            types: number string text datetime boolean, []number …, ref(object),
//	define object NAME attr:type …           items(key:type,…); a trailing ! makes an attribute required
//	define profile attr:type …
//	portal time_zone=Asia/Hanoi week_start=sunday
//	segment NAME = CEL                       of customers
//	visitors NAME = CEL                      of visitors
//	remove segment NAME
//	journey NAME enters|leaves SEGMENT       starts there and ends at once
//	track WHO EVENT key=value …              WHO is a user id, or ~ANONYMOUS; reserved keys: at id source anonymous
//	import WHO EVENT key=value …             lines of import that follow each other are one call
//	identify WHO key=value …                 "nil" removes an attribute; email=… is an identifier when written email:=…
//	object TYPE ID key=value … at=TIME
//	replay EVENT
//	at TIME, after 36h                       moves the clock there in one jump
//	expect SEGMENT = WHO …                   exactly these are members
//	expect flips SEGMENT: +u1@TIME/cause …   exactly these, in order; /cause may be left out
//	expect next WHO SEGMENT = TIME|never     when the answer changes by itself
//	expect started JOURNEY = WHO …           who entered the journey, each as often as they did
//	expect rejected = N
//	expect error TEXT                        the line before failed with this text in its error
//
// The clock starts at 2026-03-01 00:00 UTC; "at" before anything else sets it.
func TestSegmentScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/segments/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			body, err := os.ReadFile(file)
			require.NoError(t, err)
			for name, part := range sections(string(body)) {
				t.Run(name, func(t *testing.T) { runScript(t, file, part) })
			}
		})
	}
}

// sections cuts a file at its "== name" lines: each part is a portal of its own. Line numbers stay right.
func sections(body string) map[string][]string {
	parts, name := map[string][]string{}, ""
	for i, line := range strings.Split(body, "\n") {
		if title, ok := strings.CutPrefix(line, "== "); ok {
			name = title
			parts[name] = make([]string, i+1)
			continue
		}
		if name != "" {
			parts[name] = append(parts[name], line)
		}
	}
	return parts
}

type script struct {
	*cdptest.Client
	t    *testing.T
	line string // file:number
	err  error  // of the command before
}

func runScript(t *testing.T, file string, lines []string) {
	s := &script{t: t, Client: cdptest.New(t, cdptest.Options{Start: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)})}
	var imports []cdp.Event
	checks := 0
	for i, text := range append(lines, "") {
		words := splitWords(text)
		if len(imports) > 0 && (len(words) == 0 || words[0] != "import") {
			_, s.err = s.Import(t.Context(), imports...)
			imports = nil
		}
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		if words[0] == "expect" && words[1] == "error" {
			require.ErrorContains(t, s.err, strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(text), "expect error")), s.line)
			s.err = nil
			checks++
			continue
		}
		require.NoError(t, s.err, s.line)
		s.line = fmt.Sprintf("%s:%d: %s", file, i+1, text)
		switch words[0] {
		case "import":
			imports = append(imports, s.event(words[1:]))
		case "expect":
			s.expect(words[1:], text)
			checks++
		default:
			s.err = s.command(words, text)
		}
	}
	require.NoError(t, s.err, s.line)
	require.Positive(t, checks, "%s: nothing is expected", file)
}

// splitWords cuts at spaces outside quotes and brackets.
func splitWords(line string) []string {
	depth, quoted := 0, false
	return strings.FieldsFunc(line, func(r rune) bool {
		switch r {
		case '"':
			quoted = !quoted
		case '[', '(', '{':
			depth++
		case ']', ')', '}':
			depth--
		}
		return r == ' ' && depth == 0 && !quoted
	})
}

func (s *script) command(w []string, text string) (err error) {
	ctx := s.t.Context()
	_, cel, _ := strings.Cut(text, " = ")
	switch w[0] {
	case "define":
		return s.define(w[1:])
	case "portal":
		kv := pairs(w[1:])
		return s.Portal().Save(ctx, cdp.Settings{TimeZone: kv["time_zone"], WeekStart: kv["week_start"]})
	case "segment":
		return s.Segments().Save(ctx, cdp.Segment{Name: w[1], Where: cel})
	case "visitors":
		return s.Segments().Save(ctx, cdp.Segment{Name: w[1], Where: cel, Of: cdp.Visitors})
	case "remove":
		return s.Segments().Remove(ctx, w[2])
	case "journey":
		entry := cdp.Entry{Entered: w[3]}
		if w[2] == "leaves" {
			entry = cdp.Entry{Left: w[3]}
		}
		return s.Journeys().Save(ctx, cdp.Journey{Name: w[1], Entry: entry, Nodes: []cdp.Node{cdp.End("end", "")}})
	case "track":
		_, err = s.Track(ctx, s.event(w[1:]))
	case "identify":
		ev := s.event(append([]string{w[1], "identify"}, w[2:]...))
		_, err = s.Identify(ctx, cdp.Identity{UserID: ev.UserID, AnonymousID: ev.AnonymousID, Identifiers: ev.Identifiers, Time: ev.Time, Attributes: ev.Attributes})
	case "object":
		ev := s.event(append([]string{"x", w[1]}, w[3:]...))
		_, err = s.Objects().Put(ctx, cdp.ObjectRecord{Type: w[1], ID: w[2], Time: ev.Time, Attributes: ev.Attributes})
	case "replay":
		_, _, err = s.Events().Replay(ctx, w[1])
	case "at":
		s.Clock.Set(s.instant(w[1]))
		return s.Tick(ctx)
	case "after":
		d, bad := time.ParseDuration(w[1])
		require.NoError(s.t, bad, s.line)
		s.Clock.Advance(d)
		return s.Tick(ctx)
	default:
		s.t.Fatalf("%s: unknown command", s.line)
	}
	return err
}

func (s *script) define(w []string) error {
	ctx := s.t.Context()
	switch w[0] {
	case "profile":
		return s.Profiles().Define(ctx, schemaOf(w[1:]), cdp.Strict)
	case "object":
		return s.Objects().Define(ctx, cdp.ObjectType{Name: w[1], Attributes: schemaOf(w[2:])})
	}
	return s.Events().Define(ctx, cdp.EventType{Name: w[1], Attributes: schemaOf(w[2:])})
}

func schemaOf(words []string) cdp.Schema {
	out := cdp.Schema{}
	for _, w := range words {
		name, typ, _ := strings.Cut(w, ":")
		typ, must := strings.CutSuffix(typ, "!")
		a := cdp.Attribute{Type: typ, Must: must}
		if inner, ok := strings.CutPrefix(typ, "ref("); ok {
			a = cdp.Ref(strings.TrimSuffix(inner, ")"))
		} else if inner, ok := strings.CutPrefix(typ, "items("); ok {
			a = cdp.ListOf(schemaOf(strings.Split(strings.TrimSuffix(inner, ")"), ",")))
		}
		out[name] = a
	}
	return out
}

// event reads WHO NAME key=value ….
func (s *script) event(w []string) cdp.Event {
	ev := cdp.Event{Name: w[1], Attributes: cdp.Attrs{}}
	if anonymous, ok := strings.CutPrefix(w[0], "~"); ok {
		ev.AnonymousID = anonymous
	} else {
		ev.UserID = w[0]
	}
	for key, v := range pairs(w[2:]) {
		kind, identifier := strings.CutSuffix(key, ":")
		switch {
		case identifier:
			ev.Identifiers = map[string]string{kind: v}
		case key == "at":
			ev.Time = s.instant(v)
		case key == "id":
			ev.ID = v
		case key == "source":
			ev.Source = v
		case key == "anonymous":
			ev.AnonymousID = v
		default:
			ev.Attributes[key] = parseValue(v)
		}
	}
	return ev
}

func pairs(words []string) map[string]string {
	out := map[string]string{}
	for _, w := range words {
		key, v, ok := strings.Cut(w, "=")
		if !ok {
			panic(w + " is not key=value")
		}
		out[key] = v
	}
	return out
}

// parseValue reads a number, time, true or false, nil, a list [a b], items [{k=v k=v} …], or else text.
func parseValue(v string) any {
	if inner, ok := strings.CutPrefix(v, "["); ok {
		out := []any{}
		for _, e := range splitWords(strings.TrimSuffix(inner, "]")) {
			out = append(out, parseValue(e))
		}
		return out
	}
	if inner, ok := strings.CutPrefix(v, "{"); ok {
		out := map[string]any{}
		for k, e := range pairs(splitWords(strings.TrimSuffix(inner, "}"))) {
			out[k] = parseValue(e)
		}
		return out
	}
	if n, err := strconv.ParseFloat(v, 64); err == nil {
		return n
	}
	if at, err := time.Parse(time.RFC3339, v); err == nil {
		return at
	}
	switch v {
	case "true", "false":
		return v == "true"
	case "nil":
		return nil
	}
	return strings.Trim(v, `"`)
}

func (s *script) instant(v string) time.Time {
	at, err := time.Parse(time.RFC3339Nano, v)
	require.NoError(s.t, err, s.line)
	return at.UTC()
}

func (s *script) expect(w []string, text string) {
	ctx := s.t.Context()
	switch w[0] {
	case "flips":
		var want []string
		for _, f := range w[2:] {
			change, cause, _ := strings.Cut(f, "/")
			who, at, _ := strings.Cut(change, "@")
			want = append(want, who+"@"+s.instant(at).Format(time.RFC3339Nano)+"/"+cause)
		}
		var got []string
		for i, f := range flipsOf(s.t, s.Client.Client, strings.TrimSuffix(w[1], ":"), nil) {
			line := map[bool]string{true: "+", false: "-"}[f.Entered] + name(f.UserID, f.AnonymousID) + "@" + f.Time.Format(time.RFC3339Nano) + "/"
			if i >= len(want) || !strings.HasSuffix(want[i], "/") {
				line += f.Cause
			}
			got = append(got, line)
		}
		assert.Equal(s.t, want, got, s.line)
	case "next":
		why, err := s.Segments().Explain(ctx, w[2], w[1])
		require.NoError(s.t, err, s.line)
		want := time.Time{}
		if w[4] != "never" {
			want = s.instant(w[4])
		}
		assert.Equal(s.t, want, why.NextFlip.UTC(), s.line)
	case "started":
		var got []string
		for p, err := range s.Client.Profiles().All(ctx, cdp.Customers) {
			require.NoError(s.t, err, s.line)
			entered, err := s.Client.Profiles().Timeline(ctx, p.UserID, &cdp.TimelineOptions{Only: []string{"journey_entered"}})
			require.NoError(s.t, err, s.line)
			for _, e := range entered {
				if e.Attributes["journey"] == w[1] {
					got = append(got, p.UserID)
				}
			}
		}
		assert.ElementsMatch(s.t, w[3:], got, s.line)
	case "rejected":
		rejected, err := s.Events().Rejected(ctx)
		require.NoError(s.t, err, s.line)
		assert.Equal(s.t, w[2], strconv.Itoa(len(rejected)), s.line)
	default:
		_, members, _ := strings.Cut(text, " = ")
		s.expectMembers(ctx, w[0], strings.Fields(members))
	}
}

func (s *script) expectMembers(ctx context.Context, segment string, want []string) {
	got := []string{}
	for p, err := range s.Segments().Members(ctx, segment) {
		require.NoError(s.t, err, s.line)
		anonymous := ""
		if ids := p.Identifiers["anonymous_id"]; len(ids) > 0 {
			anonymous = ids[0]
		}
		got = append(got, name(p.UserID, anonymous))
	}
	slices.Sort(got)
	assert.ElementsMatch(s.t, want, got, s.line)
}

func name(user, anonymous string) string {
	if user != "" {
		return user
	}
	return "~" + anonymous
}
