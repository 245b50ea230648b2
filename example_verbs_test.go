package cdp_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/embedcdp/cdp"
)

// TestEveryVerbHasAnExample reads the examples for a call of each verb, so that a new verb brings one.
func TestEveryVerbHasAnExample(t *testing.T) {
	files, err := filepath.Glob("example_*test.go")
	if err != nil || len(files) < 8 {
		t.Fatalf("found the examples %q: %v", files, err)
	}
	var source strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(b)
	}
	wants := func(call string) {
		if !strings.Contains(source.String(), call+"(") {
			t.Errorf("no example calls %s; add one to the noun's example file", call)
		}
	}
	client := reflect.TypeFor[*cdp.Client]()
	for i := range client.NumMethod() {
		m := client.Method(i)
		wants("c." + m.Name)
		if family, ok := familyOf(m); ok {
			for j := range family.NumMethod() {
				if family == reflect.TypeFor[cdp.Past]() {
					wants("past." + family.Method(j).Name)
					continue
				}
				wants("c." + m.Name + "()." + family.Method(j).Name)
			}
		}
	}
}

// familyOf says whether a method of the client returns a family of verbs, such as Segments, or those of an instant.
func familyOf(m reflect.Method) (reflect.Type, bool) {
	if m.Type.NumOut() == 1 && m.Type.Out(0) == reflect.TypeFor[cdp.Past]() {
		return m.Type.Out(0), true
	}
	if m.Type.NumIn() != 1 || m.Type.NumOut() != 1 || m.Type.Out(0).Kind() != reflect.Struct || m.Type.Out(0).Name() != m.Name {
		return nil, false
	}
	return m.Type.Out(0), true
}
