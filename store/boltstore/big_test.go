package boltstore

import (
	"bytes"
	"math/rand/v2"
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/embedcdp/cdp/store"
)

// Values that grow big, shrink, are deleted and come again, in a file that began with big values in place, are what a map
// says; a compacted copy has the same.
func TestBigValuesAgainstAMap(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	path := filepath.Join(t.TempDir(), "s")
	if err := open(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	want := map[string][]byte{}
	value := func() []byte {
		v := make([]byte, []int{0, 1, 100, bigValue - 1, bigValue, bigValue + 1, 20_000, 200_000}[r.IntN(8)])
		for i := range v {
			v[i] = byte(r.Uint32())
		}
		return v
	}
	key := func() []byte { return []byte{'k', byte(r.IntN(60))} }
	before, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = before.Update(func(tx *bolt.Tx) error {
		for range 80 {
			k, v := key(), value()
			want[string(k)] = v
			if err := tx.Bucket(bucketName).Put(k, v); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := before.Close(); err != nil {
		t.Fatal(err)
	}

	s := open(t, path)
	compare := func(s *Store) {
		t.Helper()
		err := s.View(ctx, func(rd store.Reader) error {
			n, last := 0, []byte(nil)
			for p, err := range rd.Scan(nil, nil) {
				if err != nil {
					return err
				}
				if v, there := want[string(p.Key)]; !there || !bytes.Equal(v, p.Value) || p.Value == nil || bytes.Compare(p.Key, last) <= 0 {
					t.Fatalf("key %q: %d bytes, want %d (there: %v)", p.Key, len(p.Value), len(v), there)
				}
				last = bytes.Clone(p.Key)
				n++
			}
			if n != len(want) {
				t.Fatalf("%d pairs, want %d", n, len(want))
			}
			for k, v := range want {
				if got, err := rd.Get([]byte(k)); err != nil || !bytes.Equal(got, v) {
					t.Fatalf("key %q: %d bytes, %v; want %d", k, len(got), err, len(v))
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	compare(s)
	for round := range 60 {
		mustUpdate(t, s, func(w store.Writer) error {
			for range 1 + r.IntN(12) {
				k, v := key(), value()
				if r.IntN(3) == 0 {
					delete(want, string(k))
					if err := w.Delete(k); err != nil {
						return err
					}
					continue
				}
				want[string(k)] = v
				if err := w.Put(k, v); err != nil {
					return err
				}
				if got, err := w.Get(k); err != nil || !bytes.Equal(got, v) {
					t.Fatalf("in the transaction: key %q: %d bytes, %v; want %d", k, len(got), err, len(v))
				}
			}
			return nil
		})
		compare(s)
		if round%10 == 0 {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, path)
			compare(s)
		}
	}
	other := filepath.Join(t.TempDir(), "copy")
	if err := s.Compact(ctx, other); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, other)
	defer s.Close()
	compare(s)
}

// A commit beside big values makes pages for what it brings, and for none of them again.
func TestCommitWritesWhatItBrings(t *testing.T) {
	db, err := bolt.Open(filepath.Join(t.TempDir(), "s"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	const size = 500_000
	pages := int64(0)
	for i := range byte(21) {
		value := make([]byte, size)
		if i == 20 {
			value = []byte("small")
		}
		before := db.Stats()
		err := db.Update(func(tx *bolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists(bucketName)
			if err != nil {
				return err
			}
			return setValue(b, []byte{'l', i}, value)
		})
		if err != nil {
			t.Fatal(err)
		}
		after := db.Stats()
		pages = after.TxStats.GetPageAlloc() - before.TxStats.GetPageAlloc()
	}
	if pages <= 0 || pages > size/10 {
		t.Errorf("a commit of 5 bytes made pages of %d bytes", pages)
	}
}
