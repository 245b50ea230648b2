package boltstore

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/embedcdp/cdp/store"
)

// roles are what the test binary can play as a second process, by the value of BOLTSTORE_CHILD. Files add their own.
var roles = map[string]func(path string){"hold": childHold}

func TestMain(m *testing.M) {
	role := os.Getenv("BOLTSTORE_CHILD")
	if role == "" {
		os.Exit(m.Run())
	}
	roles[role](os.Getenv("BOLTSTORE_PATH"))
}

// child starts this test binary in a role.
func child(t *testing.T, role, path string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "BOLTSTORE_CHILD="+role, "BOLTSTORE_PATH="+path)
	cmd.Stderr = os.Stderr
	return cmd
}

func childHold(path string) {
	s, err := Open(path, nil)
	if err != nil {
		os.Stderr.WriteString(err.Error())
		os.Exit(1)
	}
	os.Stdout.WriteString("open\n")
	os.Stdin.Read(make([]byte, 1)) // until the parent closes the pipe
	s.Close()
}

func TestLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	cmd := child(t, "hold", path)
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 5)); err != nil {
		t.Fatalf("the other process did not open the store: %v", err)
	}
	start := time.Now()
	_, err := Open(path, nil)
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("Open of a locked file took %v; it should give up within 2 s", took)
	}
	if !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), path) {
		t.Errorf("Open of a locked file = %v; it should wrap ErrLocked and name the file", err)
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	open(t, path).Close()

	// A second Open in the same process is locked out as well.
	s := open(t, path)
	defer s.Close()
	if _, err := Open(path, &Options{Timeout: time.Millisecond}); !errors.Is(err, store.ErrLocked) {
		t.Errorf("a second Open in one process = %v; it should wrap ErrLocked", err)
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	foreign := filepath.Join(dir, "foreign")
	db, err := bolt.Open(foreign, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error { _, err := tx.CreateBucket([]byte("theirs")); return err })
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, path, says string
		damaged          bool
	}{
		{"a directory", dir, "is a directory", false},
		{"no such directory", filepath.Join(dir, "no", "s"), "no such file or directory", false},
		{"a file for a directory", filepath.Join(file("plain", []byte("x")), "s"), "not a directory", false},
		{"an empty file", file("empty", nil), "the file is empty", true},
		{"one byte", file("one", []byte{0}), "not a store file", true},
		{"a text", file("text", []byte(strings.Repeat("not a store ", 5000))), "not a store file", true},
		{"zeros", file("zeros", make([]byte, 64<<10)), "not a store file", true},
		{"another program's bbolt file", foreign, `"theirs"`, true},
	} {
		if runtime.GOOS == "windows" {
			c.says = ""
		}
		_, err := Open(c.path, nil)
		if err == nil || !strings.Contains(err.Error(), c.path) || !strings.Contains(err.Error(), c.says) || errors.Is(err, store.ErrDamaged) != c.damaged {
			t.Errorf("%s: Open = %v\n\tit should name %s, say %q, and wrap ErrDamaged: %v", c.name, err, c.path, c.says, c.damaged)
		}
	}
	if b, err := os.ReadFile(filepath.Join(dir, "empty")); err != nil || len(b) != 0 {
		t.Errorf("Open wrote to an empty file: %d bytes, %v", len(b), err)
	}
	if names, _ := filepath.Glob(filepath.Join(dir, ".*")); len(names) > 0 {
		t.Errorf("Open left files behind: %v", names)
	}
}

// Several Opens that find no file must agree on one.
func TestCreateTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	errs := make(chan error)
	for range 8 {
		go func() {
			s, err := Open(path, &Options{Timeout: 5 * time.Second})
			if err == nil {
				err = s.Update(ctx, func(w store.Writer) error {
					n, err := w.Get([]byte("n"))
					if err != nil && !errors.Is(err, store.ErrNotFound) {
						return err
					}
					return w.Put([]byte("n"), append(append([]byte{}, n...), '+'))
				})
				err = errors.Join(err, s.Close())
			}
			errs <- err
		}()
	}
	for range 8 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	s := open(t, path)
	defer s.Close()
	if n, err := get(s, "n"); err != nil || string(n) != "++++++++" {
		t.Errorf("after eight opened and wrote in turn the value is %q, error %v", n, err)
	}
}

func TestCompact(t *testing.T) {
	dir := t.TempDir()
	path, small := filepath.Join(dir, "s"), filepath.Join(dir, "small")
	s := open(t, path)
	canary := []byte("canary-4d1f")
	mustUpdate(t, s, func(w store.Writer) error {
		for i := range damageEntries {
			if err := w.Put(damageKey(i), damageValue(i)); err != nil {
				return err
			}
		}
		return w.Put([]byte("canary"), canary)
	})
	mustUpdate(t, s, func(w store.Writer) error {
		for i := 10; i < damageEntries; i++ {
			if err := w.Delete(damageKey(i)); err != nil {
				return err
			}
		}
		return w.Delete([]byte("canary"))
	})
	if err := s.Compact(ctx, small); err != nil {
		t.Fatal(err)
	}
	if err := s.Compact(ctx, small); !errors.Is(err, os.ErrExist) {
		t.Errorf("Compact over a file that is there = %v; it should refuse", err)
	}
	before, err := s.Size()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Size(); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Size after Close = %v", err)
	}
	if b, _ := os.ReadFile(path); !strings.Contains(string(b), string(canary)) {
		t.Log("the deleted value is not in the old file either: this run proves little")
	}
	b, err := os.ReadFile(small)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), string(canary)) {
		t.Error("a deleted value is still in the compacted file")
	}
	s = open(t, small)
	defer s.Close()
	if after, err := s.Size(); err != nil || after >= before {
		t.Errorf("the file had %d bytes, the compacted one has %d, error %v", before, after, err)
	}
	n := 0
	err = s.View(ctx, func(r store.Reader) error {
		for p, err := range r.Scan(nil, nil) {
			if err != nil {
				return err
			}
			if string(p.Key) != string(damageKey(n)) || string(p.Value) != string(damageValue(n)) {
				t.Errorf("pair %d of the compacted file is %q", n, p.Key)
			}
			n++
		}
		return nil
	})
	if err != nil || n != 10 {
		t.Errorf("the compacted file holds %d of 10 pairs, error %v", n, err)
	}
}
