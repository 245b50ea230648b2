package boltstore

import (
	"fmt"
	"math"
	"os"
	"runtime/debug"

	"github.com/embedcdp/cdp/store"
)

// bbolt reads its file through a memory map and trusts what it finds. A damaged file shows as a panic inside bbolt, or
// as a fault (SIGBUS, SIGSEGV) that ends the process unless debug.SetPanicOnFault is set on the goroutine, which turns
// it into a panic. Telling these from a bug in the caller's function:
//
//   - Whatever panics while bbolt's code runs, in one of the calls that guard wraps, is the file's or bbolt's doing and
//     becomes an error. The caller's code never runs inside guard: not the function given to View or Update, not the
//     body of a loop over Scan.
//   - Slices that Get and Scan return point into the map, so the caller's code can fault too. Such a panic carries an
//     address; if it lies in the map, and the file cannot be read there, it is the file's and becomes an error.
//   - Everything else goes on as the panic that it was. So does a write to a returned slice: it faults in the map as
//     well, but there the file can be read.
//
// The setting is per goroutine. A slice handed to another goroutine is outside of this protection. So is the one scan
// that bbolt makes in a goroutine of its own after a commit that failed: if the file cannot be read at that moment, the
// process ends. (The same scan at open is made safe by check.)

// guard runs a call into bbolt and turns its panics and faults into errors that wrap store.ErrDamaged.
func guard(path, doing string, call func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if v := recover(); v != nil {
			err = damaged(path, "%s broke off: %v", doing, v)
		}
	}()
	return call()
}

// run runs the caller's function and turns faults of the file into errors. Other panics pass.
func (s *Store) run(t *tx, fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		v := recover()
		if v == nil {
			return // returned, or runtime.Goexit
		}
		at, yes := s.faultInFile(t, v)
		if !yes {
			panic(v)
		}
		err = damaged(s.path, "the file cannot be read at byte %d, where it could when it was opened", at)
	}()
	return fn()
}

// faultInFile reports whether a panic is a fault on a part of the map that the file cannot fill, and its place.
func (s *Store) faultInFile(t *tx, v any) (at int64, yes bool) {
	fault, ok := v.(interface{ Addr() uintptr })
	if !ok {
		return 0, false
	}
	info, err := s.file.Stat()
	if err != nil {
		return 0, true // not even that can be read
	}
	base := t.btx.DB().Info().Data
	mapped := max(uint64(mapSize()), 2*uint64(info.Size())+1<<30) // no less than what bbolt mapped
	offset := uint64(fault.Addr()) - uint64(base)
	if uint64(fault.Addr()) < uint64(base) || offset > min(mapped, math.MaxInt64) {
		return 0, false
	}
	// The last page that the file reaches into can be read to its end.
	system := int64(os.Getpagesize())
	if int64(offset) >= (info.Size()+system-1)/system*system {
		return int64(offset), true
	}
	var b [1]byte
	if int64(offset) < info.Size() {
		if _, err := s.file.ReadAt(b[:], int64(offset)); err != nil {
			return int64(offset), true
		}
	}
	return 0, false
}

// damaged returns an error that wraps store.ErrDamaged and says what can be done.
func damaged(path, format string, args ...any) error {
	return fmt.Errorf("boltstore: %s: %w: %s; restore a backup of the file", path, store.ErrDamaged, fmt.Sprintf(format, args...))
}
