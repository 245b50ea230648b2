package boltstore

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/embedcdp/cdp/store"
)

// The file is cut off under an open store: reading slices faults in the caller's code, reading pages inside bbolt.
func TestCutOffWhileOpen(t *testing.T) {
	fill := func(t *testing.T) *Store {
		s := open(t, filepath.Join(t.TempDir(), "s"))
		mustUpdate(t, s, func(w store.Writer) error {
			for i := range damageEntries {
				if err := w.Put(damageKey(i), damageValue(i)); err != nil {
					return err
				}
			}
			return nil
		})
		return s
	}
	isDamaged := func(t *testing.T, what string, err error) {
		t.Helper()
		if !errors.Is(err, store.ErrDamaged) {
			t.Errorf("%s = %v; it should wrap ErrDamaged", what, err)
		}
	}

	t.Run("BehindTheMeta", func(t *testing.T) {
		s := fill(t)
		if err := os.Truncate(s.path, 2*int64(os.Getpagesize())); err != nil {
			t.Fatal(err)
		}
		isDamaged(t, "View", s.View(ctx, func(r store.Reader) error { _, err := r.Get(damageKey(1)); return err }))
		isDamaged(t, "Scan", s.View(ctx, func(r store.Reader) error {
			for _, err := range r.Scan(nil, nil) {
				if err != nil {
					return err
				}
			}
			return nil
		}))
		isDamaged(t, "Update", s.Update(ctx, func(w store.Writer) error { return w.Put([]byte("a"), nil) }))
		isDamaged(t, "Update that lets an error pass", s.Update(ctx, func(w store.Writer) error { _ = w.Put([]byte("a"), nil); return nil }))
		if err := s.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	})

	t.Run("InTheCallersCode", func(t *testing.T) {
		s := fill(t)
		err := s.View(ctx, func(r store.Reader) error {
			v, err := r.Get(damageKey(200)) // 20,000 bytes
			if err != nil {
				return err
			}
			if err := os.Truncate(s.path, 2*int64(os.Getpagesize())); err != nil {
				return err
			}
			sum := 0
			for _, b := range v {
				sum += int(b)
			}
			t.Errorf("bytes behind the end of the file added up to %d", sum)
			return nil
		})
		isDamaged(t, "View", err)
		if err != nil && !strings.Contains(err.Error(), s.path) {
			t.Errorf("the error should name the file: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	})

	// bbolt then breaks off while it holds its locks. Nothing may wait for them.
	t.Run("ToNothing", func(t *testing.T) {
		s := fill(t)
		if err := os.Truncate(s.path, 0); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			isDamaged(t, "View", s.View(ctx, func(store.Reader) error { return nil }))
			isDamaged(t, "Update", s.Update(ctx, func(store.Writer) error { return nil }))
		}
		isDamaged(t, "Close", s.Close())
		if err := s.Close(); err != nil {
			t.Errorf("a second Close = %v", err)
		}
	})

	t.Run("DuringACommit", func(t *testing.T) {
		s := fill(t)
		err := s.Update(ctx, func(w store.Writer) error {
			for i := range damageEntries {
				if err := w.Put(damageKey(i), damageValue(i)); err != nil {
					return err
				}
			}
			return os.Truncate(s.path, 2*int64(os.Getpagesize()))
		})
		if !errors.Is(err, store.ErrCommit) || !errors.Is(err, store.ErrDamaged) {
			t.Errorf("Update = %v; it should wrap ErrCommit and ErrDamaged", err)
		}
		isDamaged(t, "the next Update", s.Update(ctx, func(store.Writer) error { return nil }))
		if err := s.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	})
}

// A bug of the caller's is not the file's fault, even where it hits the map.
func TestCallersBugsPanic(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "s"))
	defer s.Close()
	mustUpdate(t, s, func(w store.Writer) error { return w.Put([]byte("a"), make([]byte, 10_000)) })
	for name, bug := range map[string]func(r store.Reader){
		"write to a returned slice": func(r store.Reader) { v, _ := r.Get([]byte("a")); v[0] = 1 },
		"nil dereference":           func(store.Reader) { var p *[100]int; p[7] = 1 },
		"index out of range":        func(r store.Reader) { v, _ := r.Get([]byte("a")); _ = v[len(v)] },
	} {
		got := func() (v any) {
			defer func() { v = recover() }()
			err := s.View(ctx, func(r store.Reader) error { bug(r); return nil })
			t.Errorf("%s: View returned %v; it should panic", name, err)
			return nil
		}()
		if _, ok := got.(runtime.Error); !ok {
			t.Errorf("%s: it panicked with %v; it should with a runtime.Error", name, got)
		}
	}
	if v, err := get(s, "a"); err != nil || len(v) != 10_000 || v[0] != 0 {
		t.Errorf("after the bugs the value has %d bytes, error %v", len(v), err)
	}
	mustUpdate(t, s, func(w store.Writer) error { return w.Delete([]byte("a")) })
}

func FuzzCheck(f *testing.F) {
	dir := f.TempDir()
	s := open(f, filepath.Join(dir, "seed"))
	add := func() {
		b, err := os.ReadFile(s.path)
		if err != nil {
			f.Fatal(err)
		}
		m, _ := readMetas(strings.NewReader(string(b)))
		f.Add(b[:int64(m.pages)*m.pageSize])
	}
	add()
	mustUpdate(f, s, func(w store.Writer) error { return w.Put([]byte("inline"), []byte("value")) })
	add()
	mustUpdate(f, s, func(w store.Writer) error {
		for i := range 300 {
			if err := w.Put(damageKey(i), damageKey(i)); err != nil {
				return err
			}
		}
		return nil
	})
	add()
	f.Add([]byte{})
	if err := s.Close(); err != nil {
		f.Fatal(err)
	}
	path := filepath.Join(dir, "fuzzed")
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<20 {
			t.Skip("large")
		}
		mendMeta(b, 0)
		mendMeta(b, os.Getpagesize())
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(path, nil)
		if err != nil {
			return // a crash or a hang is what is looked for
		}
		defer s.Close()
		// What check lets pass, bbolt must read without breaking off.
		err = s.View(ctx, func(r store.Reader) error {
			for _, err := range r.Scan(nil, nil) {
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Errorf("check let pass what bbolt cannot read: %v", err)
		}
		if err := s.Update(ctx, func(w store.Writer) error { return w.Put([]byte("m"), []byte("v")) }); err != nil {
			t.Errorf("check let pass what bbolt cannot write: %v", err)
		}
	})
}

// mendMeta gives the meta page at offset a right checksum, so that fuzzing gets behind it.
func mendMeta(b []byte, offset int) {
	if len(b) < offset+headerSize+metaSize {
		return
	}
	m := b[offset+headerSize:]
	native.PutUint32(m, boltMagic)
	native.PutUint32(m[4:], boltVersion)
	native.PutUint32(m[8:], uint32(os.Getpagesize()))
	sum := uint64(14695981039346656037) // FNV-64a, written out
	for _, c := range m[:metaSize-8] {
		sum = (sum ^ uint64(c)) * 1099511628211
	}
	native.PutUint64(m[metaSize-8:], sum)
}
