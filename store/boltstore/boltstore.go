package boltstore

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/embedcdp/cdp/store"
	"github.com/embedcdp/cdp/store/internal/gate"
)

// Options for Open. Nil means all defaults.
type Options struct {
	// Timeout is how long Open waits for a file that is open elsewhere. Default 1 s.
	Timeout time.Duration

	// AcceptLostCommit opens a file of whose two meta pages one is damaged. The other may stand for the commit before
	// the last: set this only if the caller can tell, or can live with it. The next commit mends the file.
	AcceptLostCommit bool
}

func (o *Options) withDefaults() Options {
	opts := Options{}
	if o != nil {
		opts = *o
	}
	if opts.Timeout <= 0 {
		opts.Timeout = time.Second
	}
	return opts
}

// bucketName is the one bucket that holds all pairs.
var bucketName = []byte("kv")

// fillPercent is how full bbolt leaves a page that it splits. The platform's keys mostly grow, and pages that only grow
// at their end are best left full; half-full pages would double the file.
const fillPercent = 0.95

// mapSize is how much address space bbolt maps at once. It costs no memory and no disk, except on Windows, where bbolt
// would grow the file to this size. When the file outgrows its map, bbolt maps anew, and that waits for every running
// View while every new one waits for it: one long report would hold up intake. 64 GiB puts that off for good.
func mapSize() int {
	if runtime.GOOS == "windows" || bits.UintSize == 32 {
		return 0
	}
	size := int64(64 << 30)
	return int(size)
}

// Store is a store.Store in one file. All methods are safe for concurrent use.
type Store struct {
	path string
	db   *bolt.DB
	file *os.File // bbolt's own handle, for its size and to tell faults apart
	gate *gate.Gate

	mu struct {
		sync.Mutex
		readOnly error // why no Update may run any more: a commit broke off inside bbolt
		stuck    error // why nothing may run any more: bbolt broke off while it held its locks
	}
}

var _ store.Store = (*Store)(nil)

// Open opens the store in the file at path and creates it if there is none.
//
// It checks the structure of the whole file first, without reading the values (see doc.go), and returns an error that
// wraps store.ErrDamaged if it does not hold together, or store.ErrLocked if the file is open already.
func Open(path string, o *Options) (*Store, error) {
	if path == "" {
		return nil, errors.New("boltstore: the path is empty; name the file to open or make, as \"shop.db\"")
	}
	opts := o.withDefaults()
	deadline := time.Now().Add(opts.Timeout)
	if err := examine(path); errors.Is(err, os.ErrNotExist) {
		if err := create(path); err != nil {
			return nil, fmt.Errorf("boltstore: create %s: %w", path, err)
		}
	} else if err != nil {
		return nil, err
	}

	// bbolt rebuilds its list of free pages in a goroutine of its own, where nothing can catch a fault or a panic. So
	// the file is checked before bbolt reads it for writing. A read-only open holds the lock meanwhile; if another
	// process slips in between the two, it leaves the file as sound as bbolt leaves any.
	db, file, err := openBolt(path, &bolt.Options{ReadOnly: true, Timeout: opts.Timeout})
	if err != nil {
		return nil, err
	}
	err = check(path, file, opts.AcceptLostCommit)
	if cerr := guard(path, "close", db.Close); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, err
	}

	bo := &bolt.Options{
		Timeout:         max(time.Until(deadline), 100*time.Millisecond),
		NoFreelistSync:  true, // writing the list with every commit took p50 from 0.21 to 1.07 ms at 250,000 free pages
		FreelistType:    bolt.FreelistMapType,
		InitialMmapSize: mapSize(),
		NoStatistics:    true,
	}
	if db, file, err = openBolt(path, bo); err != nil && !errors.Is(err, store.ErrLocked) && bo.InitialMmapSize > 0 {
		// The process may not be allowed that much address space (ulimit -v). A small map works too, with waits.
		bo.InitialMmapSize = 0
		db, file, err = openBolt(path, bo)
	}
	if err != nil {
		return nil, err
	}
	return &Store{path: path, db: db, file: file, gate: gate.New()}, nil
}

// openBolt is bolt.Open with errors that say what to do, and with no file left open when it panics.
func openBolt(path string, o *bolt.Options) (db *bolt.DB, file *os.File, err error) {
	o.OpenFile = func(name string, flag int, mode os.FileMode) (*os.File, error) {
		// The file was there a moment ago. If it is gone, say so rather than make a new, empty one.
		f, err := os.OpenFile(name, flag&^os.O_CREATE, mode)
		file = f
		return f, err
	}
	err = guard(path, "open", func() error {
		var err error
		db, err = bolt.Open(path, 0o600, o)
		return err
	})
	switch {
	case err == nil:
		return db, file, nil
	case errors.Is(err, berrors.ErrTimeout):
		return nil, nil, fmt.Errorf("boltstore: %s: %w; close it first (waited %v)",
			path, store.ErrLocked, o.Timeout.Round(time.Millisecond))
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrVersionMismatch), errors.Is(err, berrors.ErrChecksum):
		err = damaged(path, "it is not a store file, or both of its meta pages are damaged: %v", err)
	case errors.Is(err, os.ErrPermission) && !o.ReadOnly:
		err = fmt.Errorf("boltstore: %s: the file may be read but not written: %w", path, err)
	case errors.Is(err, store.ErrDamaged):
	default:
		if info, serr := os.Stat(path); serr == nil && info.Size() < 2*int64(os.Getpagesize()) {
			err = damaged(path, "it is not a store file, or all but its first %d bytes were cut off", info.Size())
			break
		}
		err = fmt.Errorf("boltstore: open %s: %w", path, err)
	}
	if file != nil {
		_ = file.Close() // already closed, unless bbolt broke off
	}
	return nil, nil, err
}

// View runs fn on the newest commit. It holds back the reuse of pages: while it runs, the file grows by all that is
// written. Keep it short.
func (s *Store) View(ctx context.Context, fn func(store.Reader) error) error {
	if err := s.gate.Enter(ctx); err != nil {
		return err
	}
	defer s.gate.Leave()
	t, err := s.begin(false)
	if err != nil {
		return err
	}
	defer t.rollback()
	return s.run(t, func() error { return fn(t) })
}

// Update runs fn once and commits with two fdatasyncs.
//
// After an error that wraps store.ErrCommit what was committed before can be read; whether Updates can go on shows when
// the next is tried.
func (s *Store) Update(ctx context.Context, fn func(store.Writer) error) error {
	if err := s.gate.EnterWriter(ctx); err != nil {
		return err
	}
	defer s.gate.LeaveWriter()
	t, err := s.begin(true)
	if err != nil {
		return err
	}
	defer t.rollback()
	if err := s.run(t, func() error { return fn(t) }); err != nil {
		return err
	}
	if t.broken != nil { // fn let an error pass after which the pages in memory may be half changed
		return t.broken
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return t.commit()
}

// Close waits for running transactions and closes the file.
func (s *Store) Close() error {
	if !s.gate.Shut() {
		return nil
	}
	if err := s.blocked(false); err != nil {
		return err // bbolt's own Close would wait for ever
	}
	if err := guard(s.path, "close", s.db.Close); err != nil {
		return fmt.Errorf("boltstore: close %s: %w", s.path, err)
	}
	return nil
}

// Path returns the path that was given to Open.
func (s *Store) Path() string { return s.path }

// Size returns the size of the file in bytes. It never shrinks; Compact writes a smaller one.
func (s *Store) Size() (int64, error) {
	if err := s.gate.Enter(context.Background()); err != nil {
		return 0, err
	}
	defer s.gate.Leave()
	info, err := s.file.Stat()
	if err != nil {
		return 0, fmt.Errorf("boltstore: %w", err)
	}
	return info.Size(), nil
}

// blocked says why a transaction cannot begin.
func (s *Store) blocked(write bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.stuck != nil {
		return fmt.Errorf("%w (seen earlier; the file stays locked until this process ends)", s.mu.stuck)
	}
	if write && s.mu.readOnly != nil {
		return fmt.Errorf("%w (seen earlier; close the store and open it again)", s.mu.readOnly)
	}
	return nil
}

// examine looks at what path names before bbolt does, which would wait on a pipe and fill in an empty file.
func examine(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		if errors.Is(err, os.ErrNotExist) {
			if dir, derr := os.Stat(filepath.Dir(path)); derr != nil {
				return fmt.Errorf("boltstore: %s cannot be created: %v", path, derr)
			} else if !dir.IsDir() {
				return fmt.Errorf("boltstore: %s cannot be created: %s is not a directory", path, filepath.Dir(path))
			}
			return err
		}
		return fmt.Errorf("boltstore: %w", err)
	case info.IsDir():
		return fmt.Errorf("boltstore: %s is a directory; name a file in it", path)
	case !info.Mode().IsRegular():
		return fmt.Errorf("boltstore: %s is not a regular file (%v)", path, info.Mode().Type())
	case info.Size() == 0:
		return damaged(path, "the file is empty (if it never held anything, remove it, and Open will make a new one)")
	}
	return nil
}
