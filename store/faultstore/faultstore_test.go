package faultstore_test

import (
	"context"
	"errors"
	"testing"

	"github.com/embedcdp/cdp/store"
	"github.com/embedcdp/cdp/store/faultstore"
	"github.com/embedcdp/cdp/store/memstore"
	"github.com/embedcdp/cdp/store/storetest"
)

var ctx = context.Background()

func TestConformance(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return faultstore.Wrap(memstore.New()) }, storetest.Options{})
}

// A poisoned store is stricter than the contract asks, and must still pass.
func TestConformancePoisoned(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store {
		f := faultstore.Wrap(memstore.New())
		f.Poison(true)
		return f
	}, storetest.Options{})
}

func TestFailsTheNthAndOnlyOnce(t *testing.T) {
	f := open(t, "a", "1")
	mine := errors.New("mine")
	f.Fail(faultstore.Get, 3, mine)
	for i := 1; i <= 5; i++ {
		_, err := read(f, "a")
		if (i == 3) != errors.Is(err, mine) || (i != 3 && err != nil) {
			t.Errorf("Get %d: error %v; the third, and only it, should fail", i, err)
		}
	}
	if n := f.Count(faultstore.Get); n != 5 {
		t.Errorf("Count(Get) = %d after five calls", n)
	}
}

func TestFailCommit(t *testing.T) {
	f := open(t, "a", "1")
	f.FailCommit(1, faultstore.Lost)
	f.FailCommit(2, faultstore.Torn)
	for i, want := range []string{"1", "torn", "third"} {
		err := write(f, "a", []string{"lost", "torn", "third"}[i])
		if (i < 2) != errors.Is(err, store.ErrCommit) {
			t.Errorf("commit %d: error %v", i+1, err)
		}
		if got, err := read(f, "a"); err != nil || got != want {
			t.Errorf("after commit %d the value is %q, error %v; it should be %q", i+1, got, err, want)
		}
	}
}

func TestFlipBit(t *testing.T) {
	f := open(t, "a", "\x00\x00")
	f.FlipBit(2, 9)
	for i, want := range []string{"\x00\x00", "\x00\x02", "\x00\x00"} {
		if got, err := read(f, "a"); err != nil || got != want {
			t.Errorf("Get %d = %q, error %v; it should be %q", i+1, got, err, want)
		}
	}
}

func TestPoisonShowsKeptSlices(t *testing.T) {
	f := open(t, "a", "1")
	f.Poison(true)
	var kept []byte
	var pair store.Pair
	err := f.View(ctx, func(r store.Reader) (err error) {
		for p := range r.Scan(nil, nil) {
			pair = p
		}
		kept, err = r.Get([]byte("a"))
		if string(kept) != "1" || string(pair.Key) != "a" || string(pair.Value) != "1" {
			t.Errorf("inside the transaction the slices read %q, %q, %q", kept, pair.Key, pair.Value)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range [][]byte{kept, pair.Key, pair.Value} {
		if string(b) != "\xDB" {
			t.Errorf("after the transaction a kept slice reads %q, it should be overwritten", b)
		}
	}
	f.Poison(false)
	if got, _ := read(f, "a"); got != "1" {
		t.Errorf("the store itself was poisoned: it holds %q", got)
	}
}

func TestHookSeesEveryOperation(t *testing.T) {
	f := open(t, "a", "1", "b", "2")
	var got []string
	f.Hook(func(op faultstore.Op, key []byte) { got = append(got, op.String()+" "+string(key)) })
	err := f.Update(ctx, func(w store.Writer) error {
		for range w.Scan([]byte("a"), nil) {
		}
		if _, err := w.Get([]byte("a")); err != nil {
			return err
		}
		if err := w.Put([]byte("c"), nil); err != nil {
			return err
		}
		return w.Delete([]byte("b"))
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"update ", "scan a", "next a", "next b", "next ", "get a", "put c", "delete b", "commit "}
	if len(got) != len(want) {
		t.Fatalf("the hook saw %q, it should see %q", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("operation %d is %q, it should be %q", i, got[i], want[i])
		}
	}
}

func open(t *testing.T, pairs ...string) *faultstore.Store {
	f := faultstore.Wrap(memstore.New())
	for i := 0; i < len(pairs); i += 2 {
		if err := write(f.Inner(), pairs[i], pairs[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func write(s store.Store, key, value string) error {
	return s.Update(ctx, func(w store.Writer) error { return w.Put([]byte(key), []byte(value)) })
}

func read(s store.Store, key string) (value string, err error) {
	err = s.View(ctx, func(r store.Reader) error {
		v, err := r.Get([]byte(key))
		value = string(v)
		return err
	})
	return value, err
}
