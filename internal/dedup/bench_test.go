package dedup

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"testing"
)

// never is the caller that finds no stored id equal.
func never(uint64) bool { return false }

// benchID returns the i-th of many ids of 16 bytes.
func benchID(i uint64) []byte {
	var id [16]byte
	binary.LittleEndian.PutUint64(id[:], i*0x9e3779b97f4a7c15)
	return id[:]
}

// filled returns a set of n ids, numbered from 0, and the bytes it takes for each.
func filled(n uint64) (*Set, float64) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s := New(Config{})
	for i := range n {
		s.Add(benchID(i), i, 0)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	return s, float64(after.HeapAlloc-before.HeapAlloc) / float64(n)
}

// BenchmarkSeen looks up new ids among many.
func BenchmarkSeen(b *testing.B) {
	for _, n := range []uint64{1_000_000, 5_000_000, 20_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s, size := filled(n)
			verified := 0
			i := n
			b.ReportAllocs()
			for b.Loop() {
				i++
				s.Seen(benchID(i), 0, func(uint64) bool { verified++; return false })
			}
			b.ReportMetric(size, "bytes/id")
			b.ReportMetric(float64(verified)/float64(b.N), "verified/op")
			runtime.KeepAlive(s)
		})
	}
}

// BenchmarkAdd looks up and adds new ids, from an empty set on.
func BenchmarkAdd(b *testing.B) {
	s := New(Config{})
	i := uint64(0)
	worst := int64(0)
	for b.Loop() {
		if i == 20_000_000 {
			s, i = New(Config{}), 0
		}
		start := b.Elapsed()
		s.Seen(benchID(i), int64(i)*3000, never)
		s.Add(benchID(i), i, int64(i)*3000)
		worst = max(worst, int64(b.Elapsed()-start))
		i++
	}
	b.ReportMetric(float64(worst)/1e3, "worst-us")
}

// BenchmarkRotating holds a full window: every id expires in the end.
func BenchmarkRotating(b *testing.B) {
	s := New(Config{MaxIDs: 1_000_000})
	i := uint64(0)
	step := func() {
		s.Seen(benchID(i), 0, never)
		s.Add(benchID(i), i, 0)
		i++
	}
	for range 5_000_000 {
		step()
	}
	b.ReportAllocs()
	for b.Loop() {
		step()
	}
}
