package celenv

import (
	"fmt"
	"regexp"
	"strings"

	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

func at1(format string, args ...any) error {
	return &Error{Line: 1, Column: 1, Msg: fmt.Sprintf(format, args...)}
}

var (
	noOverload  = regexp.MustCompile(`^found no matching overload for '([^']*)' applied to '(.*)'$`)
	wordInTypes = regexp.MustCompile(`@?[a-zA-Z_][\w./@]*`)
)

// mistakes are what people write who know other languages.
var mistakes = []struct{ begins, says string }{
	{"token recognition error at: '= '", "a single = compares nothing: write =="},
	{"token recognition error at: '='", "a single = compares nothing: write =="},
	{"mismatched input 'and'", "write && for and"},
	{"mismatched input 'AND'", "write && for and"},
	{"mismatched input 'or'", "write || for or"},
	{"mismatched input 'OR'", "write || for or"},
	{"mismatched input 'not'", "write ! for not"},
}

// plainWords puts a message of cel-go's checker into the words users know, and names the function it is about.
func plainWords(msg string) (plain, function string) {
	msg = strings.TrimPrefix(msg, "Syntax error: ")
	for _, m := range mistakes {
		if strings.HasPrefix(msg, m.begins) {
			return m.says, ""
		}
	}
	m := noOverload.FindStringSubmatch(msg)
	if m == nil {
		return wordInTypes.ReplaceAllStringFunc(msg, func(w string) string {
			if strings.HasPrefix(w, "@") {
				return typeWord(w)
			}
			return w
		}), ""
	}
	name := m[1]
	if op, ok := operators.FindReverse(name); ok && op != "" {
		name = op
	}
	if written, ok := hiddenNames[name]; ok {
		name = written
	}
	name = strings.TrimPrefix(name, "@")
	args := strings.Replace(m[2], Context+", ", "", 1)
	args = wordInTypes.ReplaceAllStringFunc(args, typeWord)
	plain = fmt.Sprintf("%s does not go with %s", name, args)
	if strings.Contains(args, "list(whole number)") && (strings.Contains(args, "list(number)") || strings.HasPrefix(args, "(number, ")) {
		plain += ": compare the elements one by one, as in events.purchase.perDay(7).exists(n, n == customer.age)"
	}
	return plain, name
}

// hiddenNames are what users write for functions that have another name here.
var hiddenNames = map[string]string{operators.Conditional: "? :", FnIn: "in", FnConcat: "+", FnAdd: "+", FnSubtract: "-"}

// typeName is what users call a type.
func typeName(t *types.Type) string { return wordInTypes.ReplaceAllStringFunc(t.String(), typeWord) }

func typeWord(w string) string {
	switch w {
	case "double", "dyn":
		return "number"
	case "int":
		return "whole number"
	case "bool":
		return "boolean"
	case "google.protobuf.Timestamp", "timestamp":
		return "time"
	case "google.protobuf.Duration", "duration":
		return "duration"
	case profileType:
		return "profile"
	case eventsType:
		return "events"
	case "map":
		return "{…}"
	}
	if name, ok := strings.CutPrefix(w, eventType); ok && !strings.Contains(name, "/") {
		return "event " + name
	}
	if i := strings.LastIndexByte(w, '/'); i >= 0 {
		return "object " + w[i+1:]
	}
	if name, ok := strings.CutPrefix(w, objectType); ok {
		return "object " + name
	}
	return w
}
