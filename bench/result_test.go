package main

import (
	"strings"
	"testing"
)

func TestDifferentAnswersAreAnErrorAndSlowOnesAreNot(t *testing.T) {
	var text strings.Builder
	out := newPrinter(&text, true)
	slow := Result{Bench: "q0"}
	slow.equal(true, "")
	slow.times(1000, 1, 0.1)
	out.result(slow)
	if err := out.end(); err != nil {
		t.Fatalf("a slow answer is an error: %v", err)
	}
	wrong := Result{Bench: "q1"}
	wrong.equal(true, "")
	wrong.equal(false, "cdp %d, duckdb %d", 3, 4)
	wrong.equal(true, "")
	wrong.times(1, 1000, 1)
	out.result(wrong)
	never := Result{Bench: "q2"} // whose answers nobody compared
	never.times(1, 1, 1)
	out.result(never)
	err := out.end()
	if err == nil || !strings.Contains(err.Error(), "q1: the answers differ: cdp 3, duckdb 4") || !strings.Contains(err.Error(), "q2") || strings.Contains(err.Error(), "q0") {
		t.Errorf("error is %v", err)
	}
	if !strings.Contains(text.String(), `{"bench":"q0","cdp_ms":1000,"peer_ms":1,"ratio":0.001,"limit_ms":0.1,"over_limit":10000,"others":0,"equal":true}`+"\n") {
		t.Errorf("output is\n%s", text.String())
	}
}

func TestSummaryIsByVariantAndOfQuestionsOnly(t *testing.T) {
	var text strings.Builder
	out := newPrinter(&text, true)
	add := func(id, variant string, cdp, peer float64) {
		r := Result{Bench: id, Variant: variant}
		r.equal(true, "")
		r.times(cdp, peer, 1)
		out.result(r)
	}
	add("q0", "uniform", 1, 2)
	add("q1", "uniform", 1, 8)
	add("q1/live", "uniform", 1, 1000)
	out.result(Result{Bench: "m1", Variant: "uniform", Equal: true})
	add("q0", "zipf", 4, 1)
	text.Reset()
	if err := out.end(); err != nil {
		t.Fatal(err)
	}
	want := `{"summary":"questions","variant":"uniform","questions":2,"geomean_ratio":4,"farthest_over_limit":1,"equal":true}` + "\n" +
		`{"summary":"questions","variant":"zipf","questions":1,"geomean_ratio":0.25,"farthest_over_limit":4,"equal":true}` + "\n"
	if text.String() != want {
		t.Errorf("summaries are\n%s", text.String())
	}
}

func TestEqualAnswersNamesThePlace(t *testing.T) {
	var r Result
	r.equalAnswers("cdp", []int64{1, 2, 3}, "duckdb", []int64{1, 2, 3})
	if !r.Equal {
		t.Error("equal answers differ")
	}
	r.equalAnswers("cdp", []int64{1, 2, 3}, "duckdb", []int64{1, 5, 3})
	if r.Equal || r.difference != "number 2 of 3: cdp has 2, duckdb 5" {
		t.Errorf("difference is %q", r.difference)
	}
	r = Result{}
	r.equalAnswers("cdp", nil, "duckdb", []int64{1})
	if r.Equal {
		t.Error("an answer that is not there equals one that is")
	}
}

func TestFirstDifference(t *testing.T) {
	a, b := NewMembers(200), NewMembers(200)
	if _, different := a.firstDifference(b); different {
		t.Error("two empty sets differ")
	}
	a[2], b[2] = 1<<5|1<<9, 1<<5
	if c, different := a.firstDifference(b); !different || c != 137 {
		t.Errorf("first difference is %d, want customer 137", c)
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		x    []float64
		want float64
	}{{nil, 0}, {[]float64{7}, 7}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 3, 100}, 3.5}} {
		if got := median(c.x); got != c.want {
			t.Errorf("median of %v is %v, want %v", c.x, got, c.want)
		}
	}
}
