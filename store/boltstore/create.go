package boltstore

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"

	bolt "go.etcd.io/bbolt"
)

// create makes an empty store at path, whole or not at all: a crash leaves no half-made file under the name, and of two
// processes that create at once one wins. If the file is there by then, that is fine.
func create(path string) error {
	return place(path, func(temp string) error {
		db, err := bolt.Open(temp, 0o600, &bolt.Options{NoFreelistSync: true, FreelistType: bolt.FreelistMapType})
		if err != nil {
			return err
		}
		err = db.Update(func(tx *bolt.Tx) error {
			_, err := tx.CreateBucket(bucketName)
			return err
		})
		return errors.Join(err, db.Close())
	}, true)
}

// place has build make a file under a passing name beside path and gives it its name in one step.
func place(path string, build func(temp string) error, existsIsFine bool) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".new-*")
	if err != nil {
		return err
	}
	temp := f.Name()
	defer os.Remove(temp)
	if err := f.Close(); err != nil {
		return err
	}
	if err := build(temp); err != nil {
		return err
	}
	// A link, unlike a rename, never replaces what is there. Some file systems have no links.
	err = os.Link(temp, path)
	if errors.Is(err, os.ErrExist) {
		if existsIsFine {
			return nil
		}
		return err
	}
	if err != nil {
		if _, serr := os.Lstat(path); serr == nil {
			return os.ErrExist
		}
		if err := os.Rename(temp, path); err != nil {
			return err
		}
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes a new name durable: fdatasync of the file alone does not.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // has no such call, and keeps names in its journal
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
