package boltstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/embedcdp/cdp/store"
)

var ctx = context.Background()

// Test data: sizes from empty to several pages, each value with its own checksum, as the platform's values have.
const damageEntries = 4000

func damageKey(i int) []byte { return fmt.Appendf(nil, "key/%06d", i*3) }

// damageValues holds what damageValue made.
var damageValues [damageEntries][]byte

func damageValue(i int) []byte {
	if damageValues[i] == nil {
		damageValues[i] = makeDamageValue(i)
	}
	return damageValues[i]
}

func makeDamageValue(i int) []byte {
	r := rand.New(rand.NewPCG(1, uint64(i)))
	size := r.IntN(300)
	if i%200 == 0 {
		size = 20_000
	}
	v := make([]byte, size, size+4)
	for j := range v {
		v[j] = byte(r.Uint32())
	}
	return binary.LittleEndian.AppendUint32(v, crc32.Checksum(append(damageKey(i), v...), crc32.MakeTable(crc32.Castagnoli)))
}

// soundFile returns the bytes of a store after inserts, overwrites and deletes, and where its meta pages end.
func soundFile(t *testing.T) (image []byte, live int64) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	s := open(t, path)
	for _, pass := range []struct{ from, to int }{{2000, damageEntries}, {0, 2000}, {1000, 3000}} {
		mustUpdate(t, s, func(w store.Writer) error {
			for i := pass.from; i < pass.to; i++ {
				if err := w.Put(damageKey(i), damageValue(i)); err != nil {
					return err
				}
				if err := w.Put(append(damageKey(i), '+'), nil); err != nil {
					return err
				}
			}
			return nil
		})
	}
	mustUpdate(t, s, func(w store.Writer) error {
		for i := range damageEntries {
			if err := w.Delete(append(damageKey(i), '+')); err != nil {
				return err
			}
		}
		return nil
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	image, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, good := readMetas(f)
	if good != 2 {
		t.Fatalf("a sound file has %d good meta pages", good)
	}
	live = int64(m.pages) * m.pageSize
	return image[:live], live // the rest is room to grow
}

// outcome of opening and reading a damaged file whole.
type outcome int

const (
	refused outcome = iota // Open returned an error
	failed                 // a later read returned an error
	caught                 // all was read, but the values' own checksum or the count shows the damage
	intact                 // all was read and all was right: the damage hit unused bytes
	silent                 // wrong keys or lost pairs that no checksum of a value shows
)

func (o outcome) String() string {
	return [...]string{"refused at open", "failed later", "caught by the values' checksum", "intact", "only seen by comparing"}[o]
}

// readDamaged opens and reads the file, and also writes to it and closes it. It must not panic, crash or hang.
func readDamaged(t *testing.T, path string) (outcome, error) {
	s, err := Open(path, nil)
	if err != nil {
		return refused, err
	}
	defer func() {
		if err := s.Close(); err != nil && !errors.Is(err, store.ErrDamaged) {
			t.Errorf("Close of a damaged file: %v", err)
		}
	}()
	result, wrong := intact, 0
	err = s.View(ctx, func(r store.Reader) error {
		i := 0
		for p, err := range r.Scan(nil, nil) {
			if err != nil {
				return err
			}
			n := len(p.Value) - 4
			switch {
			case n < 0 || crc32.Update(crc32.Checksum(p.Key, crc32.MakeTable(crc32.Castagnoli)), crc32.MakeTable(crc32.Castagnoli), p.Value[:n]) != binary.LittleEndian.Uint32(p.Value[n:]):
				result = caught
			case i >= damageEntries || string(p.Key) != string(damageKey(i)) || string(p.Value) != string(damageValue(i)):
				wrong++
			}
			i++
		}
		if i != damageEntries {
			wrong++
		}
		return nil
	})
	if err != nil {
		return failed, err
	}
	if wrong > 0 && result == intact {
		result = silent
	}
	err = s.Update(ctx, func(w store.Writer) error { return w.Put([]byte("more"), make([]byte, 5000)) })
	if err != nil {
		return failed, err
	}
	return result, nil
}

// TestDamage damages a real file in 3,000 ways. The figures it prints are the ones in doc.go.
func TestDamage(t *testing.T) {
	rounds := 500
	if testing.Short() {
		rounds = 60
	}
	image, live := soundFile(t)
	dir := t.TempDir()
	for _, kind := range []struct {
		name   string
		damage func(r *rand.Rand, b []byte) []byte
	}{
		{"cut off", func(r *rand.Rand, b []byte) []byte { return b[:r.Int64N(live)] }},
		{"zeroed", func(r *rand.Rand, b []byte) []byte {
			at := r.Int64N(live)
			clear(b[at:min(live, at+1+r.Int64N(16<<10))])
			return b
		}},
		{"bit flip", func(r *rand.Rand, b []byte) []byte {
			bit := r.Int64N(live * 8)
			b[bit/8] ^= 1 << (bit % 8)
			return b
		}},
		// Most flips fall into values. These fall into what bbolt itself reads: headers and element tables.
		{"bit flip in a page's first 512 bytes", func(r *rand.Rand, b []byte) []byte {
			bit := r.Int64N(live/4096)*4096*8 + r.Int64N(512*8)
			b[bit/8] ^= 1 << (bit % 8)
			return b
		}},
		{"garbage page", func(r *rand.Rand, b []byte) []byte {
			at := r.Int64N(live/4096) * 4096
			for i := at; i < at+4096; i++ {
				b[i] = byte(r.Uint32())
			}
			return b
		}},
		{"page overwritten by another", func(r *rand.Rand, b []byte) []byte {
			from, to := r.Int64N(live/4096)*4096, r.Int64N(live/4096)*4096
			copy(b[to:to+4096], b[from:from+4096])
			return b
		}},
	} {
		t.Run(kind.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(2, 3))
			counts := map[outcome]int{}
			var slowest time.Duration
			for i := range rounds {
				path := filepath.Join(dir, "damaged")
				if err := os.WriteFile(path, kind.damage(r, append([]byte{}, image...)), 0o600); err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				got, err := readDamaged(t, path)
				slowest = max(slowest, time.Since(start))
				counts[got]++
				if err != nil && (!errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), path)) {
					t.Errorf("round %d: the error should wrap ErrDamaged and name the file: %v", i, err)
				}
				if got == failed {
					t.Logf("round %d passed the check at open and failed later: %v", i, err)
				}
			}
			if slowest > 10*time.Second {
				t.Errorf("one file took %v", slowest)
			}
			for o := refused; o <= silent; o++ {
				t.Logf("%4d %v", counts[o], o)
			}
			// Whatever was cut off cannot have been read right.
			if kind.name == "cut off" && counts[refused] != rounds {
				t.Errorf("%d of %d cut files were opened", rounds-counts[refused], rounds)
			}
		})
	}
}

// TestLostMeta: bbolt opens silently at the commit before when the newest meta page is damaged.
func TestLostMeta(t *testing.T) {
	for page := range int64(2) {
		path := filepath.Join(t.TempDir(), "s")
		s := open(t, path)
		for i := range 5 {
			mustUpdate(t, s, func(w store.Writer) error { return w.Put([]byte("n"), []byte{byte(i)}) })
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		flipByte(t, path, page*int64(os.Getpagesize())+headerSize+50)

		_, err := Open(path, nil)
		if !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), "last commit may be lost") || !strings.Contains(err.Error(), "AcceptLostCommit") {
			t.Errorf("meta page %d damaged: Open = %v; it should say that the last commit may be lost, and the way out", page, err)
		}
		s, err = Open(path, &Options{AcceptLostCommit: true})
		if err != nil {
			t.Fatalf("meta page %d damaged, AcceptLostCommit: %v", page, err)
		}
		n, err := get(s, "n")
		if err != nil || len(n) != 1 || n[0] != 4 && n[0] != 3 {
			t.Errorf("meta page %d damaged: n = %v, error %v; it should be of the last commit or the one before", page, n, err)
		}
		// The next commit mends the file.
		mustUpdate(t, s, func(w store.Writer) error { return w.Put([]byte("n"), []byte{9}) })
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, path)
		if n, err := get(s, "n"); err != nil || n[0] != 9 {
			t.Errorf("after a commit on the mended file n = %v, error %v", n, err)
		}
		s.Close()
	}
}

func flipByte(t *testing.T, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x10
	if _, err := f.WriteAt(b[:], at); err != nil {
		t.Fatal(err)
	}
}

func mustUpdate(t testing.TB, s *Store, fn func(store.Writer) error) {
	t.Helper()
	if err := s.Update(ctx, fn); err != nil {
		t.Fatal(err)
	}
}

func get(s *Store, key string) (value []byte, err error) {
	err = s.View(ctx, func(r store.Reader) error {
		v, err := r.Get([]byte(key))
		value = append([]byte{}, v...)
		return err
	})
	return value, err
}
