package storetest

import (
	"context"
	"encoding/binary"
	"testing"

	"github.com/embedcdp/cdp/store"
)

// Benchmark measures the store that open makes in the ways the platform uses one: big sequential appends, random reads,
// long scans, small random writes.
func Benchmark(b *testing.B, open func(b *testing.B) store.Store) {
	ctx := context.Background()
	key := func(prefix byte, n uint64) []byte {
		return binary.BigEndian.AppendUint64([]byte{prefix}, n)
	}
	start := func(b *testing.B) store.Store {
		s := open(b)
		b.Cleanup(func() { _ = s.Close() })
		return s
	}
	fill := func(b *testing.B, n, size int) store.Store {
		s := start(b)
		value := make([]byte, size)
		newRandom(1).fill(value)
		for at := 0; at < n; at += 10_000 {
			err := s.Update(ctx, func(w store.Writer) error {
				for i := at; i < min(n, at+10_000); i++ {
					if err := w.Put(key('k', uint64(i)), value); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
		}
		return s
	}

	b.Run("Append80KB", func(b *testing.B) {
		s := start(b)
		value := make([]byte, 80<<10)
		newRandom(1).fill(value)
		b.SetBytes(int64(len(value)))
		n := uint64(0)
		for b.Loop() {
			n++
			if err := s.Update(ctx, func(w store.Writer) error { return w.Put(key('l', n), value) }); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Put1000Random", func(b *testing.B) {
		const n = 100_000
		s, r := fill(b, n, 100), newRandom(2)
		value := make([]byte, 100)
		for b.Loop() {
			err := s.Update(ctx, func(w store.Writer) error {
				for range 1000 {
					if err := w.Put(key('k', uint64(r.below(n))), value); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("GetRandom", func(b *testing.B) {
		const n = 100_000
		s, r := fill(b, n, 100), newRandom(3)
		err := s.View(ctx, func(v store.Reader) error {
			for b.Loop() {
				if _, err := v.Get(key('k', uint64(r.below(n)))); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	})
	b.Run("Scan100000", func(b *testing.B) {
		const n = 100_000
		s := fill(b, n, 100)
		b.SetBytes(n * 109)
		for b.Loop() {
			seen := 0
			err := s.View(ctx, func(v store.Reader) error {
				for _, err := range v.Scan(nil, nil) {
					if err != nil {
						return err
					}
					seen++
				}
				return nil
			})
			if err != nil || seen != n {
				b.Fatalf("saw %d of %d pairs: %v", seen, n, err)
			}
		}
	})
	b.Run("EmptyView", func(b *testing.B) {
		s := start(b)
		for b.Loop() {
			if err := s.View(ctx, func(store.Reader) error { return nil }); err != nil {
				b.Fatal(err)
			}
		}
	})
}
