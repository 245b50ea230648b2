package boltstore

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/embedcdp/cdp/store"
)

func init() {
	roles["write"] = childWrite
	roles["small address space"] = childSmallAddressSpace
}

func TestFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("a small file system to fill up can only be mounted by root")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		t.Skipf("a small file system to fill up cannot be mounted here: %v", err)
	}
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	s := open(t, filepath.Join(dir, "s"))
	value := bytes.Repeat([]byte("x"), 100_000)
	committed := 0
	var full error
	for i := 0; i < 1000 && full == nil; i++ {
		if full = s.Update(ctx, func(w store.Writer) error { return w.Put(fmt.Appendf(nil, "%04d", i), value) }); full == nil {
			committed++
		}
	}
	if !errors.Is(full, store.ErrCommit) || !strings.Contains(full.Error(), "no space left") {
		t.Fatalf("after %d commits of 100 KB on 8 MiB Update = %v; it should wrap ErrCommit and say that the disk is full", committed, full)
	}
	verify := func(when string, from int) {
		t.Helper()
		n := from
		err := s.View(ctx, func(r store.Reader) error {
			for p, err := range r.Scan(nil, nil) {
				if err != nil {
					return err
				}
				if string(p.Key) != fmt.Sprintf("%04d", n) || !bytes.Equal(p.Value, value) {
					t.Errorf("%s: pair %d is %q with %d bytes", when, n, p.Key, len(p.Value))
				}
				n++
			}
			return nil
		})
		if err != nil || n != committed {
			t.Errorf("%s: %d of %d commits can be read, error %v", when, n-from, committed-from, err)
		}
	}
	verify("with the disk full", 0)

	// Deleting needs a few pages, which a full disk may not have; a little room is enough.
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=9m"); err != nil {
		t.Fatal(err)
	}
	mustUpdate(t, s, func(w store.Writer) error {
		for i := range 20 {
			if err := w.Delete(fmt.Appendf(nil, "%04d", i)); err != nil {
				return err
			}
		}
		return nil
	})
	verify("after deleting", 20)
	// What was deleted makes room within the file.
	for range 10 {
		mustUpdate(t, s, func(w store.Writer) error { return w.Put(fmt.Appendf(nil, "%04d", committed), value) })
		committed++
	}
	verify("after writing again", 20)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, s.path)
	verify("opened again", 20)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestPermission takes on another user's rights, as far as files go, on one thread.
func TestPermission(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	make := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		open(t, path).Close()
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	unreadable, readOnly := make("unreadable", 0), make("read-only", 0o444)
	if os.Getuid() == 0 {
		runtime.LockOSThread() // never unlocked: the thread ends with the test's goroutine
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETFSUID, 65534, 0, 0); errno != 0 {
			t.Skipf("cannot take on another user's rights: %v", errno)
		}
		defer syscall.RawSyscall(syscall.SYS_SETFSUID, 0, 0, 0)
	}
	for _, c := range []struct{ path, says string }{
		{unreadable, "permission denied"},
		{readOnly, "may be read but not written"},
		{filepath.Join(dir, "new"), "permission denied"}, // root's directory
	} {
		if os.Getuid() != 0 && strings.HasSuffix(c.path, "new") {
			continue // one's own directory
		}
		_, err := Open(c.path, nil)
		if !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), c.path) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("Open(%s) = %v; it should wrap os.ErrPermission, name the path and say %q", c.path, err, c.says)
		}
	}
}

// TestKill ends a writing process by SIGKILL again and again; every commit it has reported must be there.
func TestKill(t *testing.T) {
	rounds := 5
	if testing.Short() {
		rounds = 2
	}
	path := filepath.Join(t.TempDir(), "s")
	reported := 0
	for round := range rounds {
		cmd := child(t, "write", path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for b := make([]byte, 1); reported < (round+1)*97; reported++ { // one byte a commit
			if _, err := io.ReadFull(out, b); err != nil {
				t.Fatalf("the writing process ended: %v", err)
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		rest, _ := io.ReadAll(out)
		reported += len(rest)
		_ = cmd.Wait()

		start := time.Now()
		s := open(t, path)
		took := time.Since(start)
		n := 0
		err = s.View(ctx, func(r store.Reader) error {
			for p, err := range r.Scan([]byte("log/"), []byte("log0")) {
				if err != nil {
					return err
				}
				if string(p.Key) != fmt.Sprintf("log/%08d", n) || len(p.Value) != 20_000 || p.Value[0] != byte(n) || p.Value[19_999] != byte(n) {
					t.Errorf("entry %d is %q with %d bytes", n, p.Key, len(p.Value))
				}
				n++
			}
			return nil
		})
		// One commit may have been durable and not yet reported.
		if err != nil || n != reported && n != reported+1 {
			t.Errorf("round %d: %d commits were reported, %d are there, error %v", round, reported, n, err)
		}
		t.Logf("round %d: %d commits, opened in %v", round, n, took.Round(10*time.Microsecond))
		reported = n
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// childWrite appends until it is killed and reports each commit with a byte.
func childWrite(path string) {
	s, err := Open(path, nil)
	for err == nil {
		err = s.Update(ctx, func(w store.Writer) error {
			n := 0
			for p := range w.Scan([]byte("log/"), []byte("log0")) {
				_, _ = fmt.Sscanf(string(p.Key), "log/%d", &n)
				n++
			}
			return w.Put(fmt.Appendf(nil, "log/%08d", n), bytes.Repeat([]byte{byte(n)}, 20_000))
		})
		os.Stdout.Write([]byte{'.'})
	}
	os.Stderr.WriteString(err.Error())
	os.Exit(1)
}

// TestSmallAddressSpace opens a store where 64 GiB cannot be mapped.
func TestSmallAddressSpace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	if out, err := child(t, "small address space", path).Output(); err != nil || string(out) != "done\n" {
		t.Errorf("with 8 GiB of address space: %v, it said %q", err, out)
	}
}

func childSmallAddressSpace(path string) {
	err := syscall.Setrlimit(syscall.RLIMIT_AS, &syscall.Rlimit{Cur: 8 << 30, Max: 8 << 30})
	if err == nil {
		var s *Store
		if s, err = Open(path, nil); err == nil {
			for i := 0; i < 20 && err == nil; i++ { // grows past several maps
				err = s.Update(ctx, func(w store.Writer) error { return w.Put([]byte{byte(i)}, make([]byte, 1<<20)) })
			}
			err = errors.Join(err, s.Close())
		}
	}
	if err != nil {
		os.Stderr.WriteString(err.Error())
		os.Exit(1)
	}
	os.Stdout.WriteString("done\n")
}
