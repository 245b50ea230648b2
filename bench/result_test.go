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
