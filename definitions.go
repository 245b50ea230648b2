package cdp

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/embedcdp/cdp/internal/fold"
	"github.com/embedcdp/cdp/internal/record"
)

// This file holds what every kind of definition does in the same way: check, save, read, remove.

// encode returns the stored form of a definition. It refuses text that is not UTF-8, which encoding/json would change
// without a word.
func encode(kind, name string, def any) ([]byte, error) {
	body, err := json.Marshal(def)
	if err != nil {
		if problem := find(reflect.ValueOf(def), notJSON); problem != "" {
			err = errors.New(problem)
		}
		return nil, &DefinitionError{kind, name, err}
	}
	return body, readable(kind, name, def)
}

// readable refuses a definition with texts that are not UTF-8.
func readable(kind, name string, def any) error {
	if problem := find(reflect.ValueOf(def), notUTF8); problem != "" {
		return &DefinitionError{kind, name, errors.New(problem)}
	}
	return nil
}

func notUTF8(v reflect.Value) string {
	if v.Kind() == reflect.String && !utf8.ValidString(v.String()) {
		return fmt.Sprintf(" %.40q is not valid UTF-8", v.String())
	}
	return ""
}

// notJSON is about values of which the type says nothing: defaults of attributes.
func notJSON(v reflect.Value) string {
	if v.Kind() == reflect.Interface && !v.IsNil() && v.CanInterface() {
		if x := v.Interface(); !marshals(x) {
			return fmt.Sprintf(" %.40q cannot be stored: give a finite number, a text, a boolean, a time, or a list or map of these", fmt.Sprintf("%T %v", x, x))
		}
	}
	return ""
}

func marshals(x any) bool { _, err := json.Marshal(x); return err == nil }

// find returns the path to the first part of v that is bad and what bad says of it, "" when none is.
func find(v reflect.Value, bad func(reflect.Value) string) string {
	return strings.TrimPrefix(findIn(v, bad), ".")
}

func findIn(v reflect.Value, bad func(reflect.Value) string) string {
	if problem := bad(v); problem != "" {
		return problem
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			return findIn(v.Elem(), bad)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if problem := findIn(v.Field(i), bad); problem != "" {
				return "." + v.Type().Field(i).Name + problem
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			if problem := findIn(v.Index(i), bad); problem != "" {
				return fmt.Sprintf("[%d]%s", i, problem)
			}
		}
	case reflect.Map:
		for k, e := range v.Seq2() {
			if problem := cmp.Or(findIn(k, bad), findIn(e, bad)); problem != "" {
				return fmt.Sprintf("[%.40q]%s", k, problem)
			}
		}
	}
	return ""
}

// define checks a definition against the state, logs it, and returns when it has taken effect. One that is there already,
// word for word, makes no new version: programs save their definitions each time they start. The check before the log
// gives the caller an error at once; the fold checks again, because another caller may have been quicker.
func (c *Client) define(ctx context.Context, kind, name string, body []byte, flags byte) error {
	deleted := flags&record.FlagDelete != 0
	var problem error
	unchanged, large := false, false
	if err := c.engine.View(func(s *fold.State) {
		problem = s.Check(fold.DefKey{Kind: kind, Name: name}, body, deleted)
		now, there := s.BodyOf(kind, name)
		unchanged = there && !deleted && bytes.Equal(now, body)
		large = s.Large()
	}); err != nil {
		return err
	}
	if problem != nil {
		return definitionError(kind, name, problem)
	}
	segment := kind == fold.DefSegment && !deleted
	if unchanged {
		if segment {
			c.engine.Retry(name)
			return c.built(ctx, name)
		}
		return nil
	}
	if segment && large {
		flags |= record.FlagBuild
	}
	var enc record.Encoder
	enc.Begin(record.Head{Kind: record.KindDefine, Flags: flags, Name: kind, ID: name})
	enc.Idents(0)
	enc.Attrs(0)
	enc.End(body)
	verdicts, err := c.engine.Submit(ctx, enc.Submission(nil))
	if err != nil {
		return undecided(kind, name, err)
	}
	if verdicts[0].Code == fold.Rejected {
		return definitionError(kind, name, errors.New(verdicts[0].Reason))
	}
	if segment {
		return c.built(ctx, name)
	}
	return nil
}

// undecided words the error of a commit whose outcome is not known for a definition, which has no event ids.
func undecided(kind, name string, err error) error {
	rest, yes := strings.CutPrefix(err.Error(), ErrOutcomeUnknown.Error())
	if !yes {
		return err
	}
	if name != "" {
		kind += fmt.Sprintf(" %q", name)
	}
	return &bareError{fmt.Sprintf("cdp: outcome unknown: the commit of %s was under way; read it to see which is there, or do the same again: what is there already makes no new version%s", kind, rest), err}
}

// built waits until a segment that was saved has its members.
func (c *Client) built(ctx context.Context, name string) error {
	if err := c.engine.Built(ctx, name); err != nil {
		return &bareError{fmt.Sprintf("cdp: segment %q is saved, but its members are not found yet: %s; it goes on when it is saved again or the client is opened anew", name, bareText(err)), err}
	}
	return nil
}

func definitionError(kind, name string, problem error) error {
	if strings.HasPrefix(problem.Error(), "there is no such ") {
		return notFound(kind, name)
	}
	return &DefinitionError{kind, name, problem}
}

func (c *Client) check(ctx context.Context, verb, kind, name string, def any) error {
	body, err := encode(kind, name, def)
	if err != nil {
		return err
	}
	var problem error
	if err := c.read(ctx, verb, func(s *fold.State) { problem = s.Check(fold.DefKey{Kind: kind, Name: name}, body, false) }); err != nil {
		return err
	}
	if problem != nil {
		return &DefinitionError{kind, name, problem}
	}
	return nil
}

func (c *Client) remove(ctx context.Context, verb, kind, name string) error {
	if err := c.begin(ctx, verb); err != nil {
		return err
	}
	return c.define(ctx, kind, name, nil, record.FlagDelete)
}

// trimPlace takes off a message the kind and name that a DefinitionError says already.
func trimPlace(msg, kind, name string) string {
	return strings.TrimPrefix(strings.TrimPrefix(msg, fmt.Sprintf("%s %q: ", kind, name)), kind+": ")
}

// save checks a definition, logs it, and waits until it has taken effect.
func (c *Client) save(ctx context.Context, verb, kind, name string, def any) error {
	if err := c.begin(ctx, verb); err != nil {
		return err
	}
	body, err := encode(kind, name, def)
	if err != nil {
		return err
	}
	return c.define(ctx, kind, name, body, 0)
}

// Version is one version of a definition.
type Version[T any] struct {
	Number int // from 1
	Saved  time.Time
	Def    T
}

func get[T any](ctx context.Context, c *Client, verb, kind, name string) (def T, err error) {
	var body []byte
	ok := false
	if err := c.read(ctx, verb, func(s *fold.State) { body, ok = s.BodyOf(kind, name) }); err != nil {
		return def, err
	}
	if !ok {
		return def, notFound(kind, name)
	}
	return def, json.Unmarshal(body, &def)
}

func list[T any](ctx context.Context, c *Client, verb, kind string) ([]T, error) {
	var bodies [][]byte
	if err := c.read(ctx, verb, func(s *fold.State) {
		for _, d := range s.Definitions(kind) {
			bodies = append(bodies, d.Body())
		}
	}); err != nil {
		return nil, err
	}
	out := make([]T, len(bodies))
	for i, b := range bodies {
		if err := json.Unmarshal(b, &out[i]); err != nil {
			return nil, inside(verb, err)
		}
	}
	return out, nil
}

func versions[T any](ctx context.Context, c *Client, verb, kind, name string) ([]Version[T], error) {
	var out []Version[T]
	var failed error
	if err := c.read(ctx, verb, func(s *fold.State) {
		d := s.Definition(kind, name)
		if d == nil {
			failed = notFound(kind, name)
			return
		}
		for n := 1; n <= d.Version; n++ {
			body, at, _ := s.VersionBody(d, n)
			v := Version[T]{Number: n, Saved: utc(at)}
			if err := json.Unmarshal(body, &v.Def); err != nil {
				failed = err
			}
			out = append(out, v)
		}
	}); err != nil {
		return nil, err
	}
	return out, failed
}

func utc(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

// utcOrZero is the zero time for what is not known.
func utcOrZero(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return utc(micros)
}
