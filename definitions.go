package cdp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/embedcdp/cdp/internal/fold"
	"github.com/embedcdp/cdp/internal/record"
	"github.com/embedcdp/cdp/internal/roweval"
)

// This file holds what every kind of definition does in the same way: check, save, remove.

// encode returns the stored form of a definition. It refuses text that is not UTF-8, which encoding/json would change
// without a word.
func encode(kind, name string, def any) ([]byte, error) {
	body, err := json.Marshal(def)
	if err != nil {
		return nil, &DefinitionError{kind, name, err}
	}
	if where := notUTF8(reflect.ValueOf(def)); where != "" {
		return nil, &DefinitionError{kind, name, fmt.Errorf("%s is not valid UTF-8", strings.TrimPrefix(where, "."))}
	}
	return body, nil
}

// notUTF8 returns the path to the first text in v that is not UTF-8, "" when there is none.
func notUTF8(v reflect.Value) string {
	switch v.Kind() {
	case reflect.String:
		if !utf8.ValidString(v.String()) {
			return fmt.Sprintf(" %.40q", v.String())
		}
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			return notUTF8(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if where := notUTF8(v.Field(i)); where != "" {
				return "." + v.Type().Field(i).Name + where
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			if where := notUTF8(v.Index(i)); where != "" {
				return fmt.Sprintf("[%d]%s", i, where)
			}
		}
	case reflect.Map:
		for k, e := range v.Seq2() {
			if where := notUTF8(k) + notUTF8(e); where != "" {
				return fmt.Sprintf("[%.40q]%s", k, where)
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
		return err
	}
	if verdicts[0].Code == fold.Rejected {
		return definitionError(kind, name, errors.New(verdicts[0].Reason))
	}
	if segment {
		return c.built(ctx, name)
	}
	return nil
}

// built waits until a segment that was saved has its members.
func (c *Client) built(ctx context.Context, name string) error {
	if err := c.engine.Built(ctx, name); err != nil {
		return fmt.Errorf("cdp: segment %q is saved, but its members are not found yet: %w; it goes on when it is saved again or the client is opened anew", name, err)
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

func explainNode(n *roweval.Node) ExplainNode {
	out := ExplainNode{Source: strings.ReplaceAll(n.Text, "\n", " "), Value: n.Value, Events: n.Events}
	for _, child := range n.Children {
		out.Children = append(out.Children, explainNode(child))
	}
	return out
}

func drawExplanation(e Explanation) string {
	var b strings.Builder
	verdict := "is not in"
	if e.Member {
		verdict = "is in"
	}
	fmt.Fprintf(&b, "%s %s %q at %s", e.UserID, verdict, e.Segment, e.At.Format(explainTime))
	if !e.Since.IsZero() {
		fmt.Fprintf(&b, ", since %s", e.Since.Format(explainTime))
	}
	if e.NextFlip.IsZero() {
		b.WriteString("; time alone will not change that\n")
	} else {
		fmt.Fprintf(&b, "; if nothing happens this changes at %s\n", e.NextFlip.Format(explainTime))
	}
	drawNode(&b, e.Root, 1)
	return b.String()
}

const explainTime = "2006-01-02 15:04:05.999999 MST"

func drawNode(b *strings.Builder, n ExplainNode, depth int) {
	fmt.Fprintf(b, "%s%s  =  %s", strings.Repeat("  ", depth), n.Source, n.Value)
	if k := len(n.Events); k > 3 {
		fmt.Fprintf(b, " (… %s)", strings.Join(n.Events[k-3:], ", "))
	} else if k > 0 {
		fmt.Fprintf(b, " (%s)", strings.Join(n.Events, ", "))
	}
	b.WriteByte('\n')
	for _, child := range n.Children {
		drawNode(b, child, depth+1)
	}
}

// trimPlace takes off a message the kind and name that a DefinitionError says already.
func trimPlace(msg, kind, name string) string {
	return strings.TrimPrefix(msg, fmt.Sprintf("%s %q: ", kind, name))
}
