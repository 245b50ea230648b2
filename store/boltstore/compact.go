package boltstore

import (
	"context"
	"fmt"
	"os"

	bolt "go.etcd.io/bbolt"

	"github.com/embedcdp/cdp/store"
)

// Compact writes the newest commit to a new file at path, without the free pages and without what was deleted: bbolt
// leaves deleted bytes in the file, a compacted copy has none. It is a backup too. The store stays in use meanwhile, and
// its file grows by what is written. The new file has its name only once it is whole and durable; a file that is there
// is never replaced.
func (s *Store) Compact(ctx context.Context, path string) error {
	err := place(path, func(temp string) error {
		dst, err := bolt.Open(temp, 0o600, &bolt.Options{
			NoFreelistSync: true, FreelistType: bolt.FreelistMapType, InitialMmapSize: mapSize(), NoSync: true,
		})
		if err != nil {
			return err
		}
		dst.AllocSize = os.Getpagesize() // a copy is as long as what is in it, not rounded up to 16 MiB
		err = s.View(ctx, func(r store.Reader) error { return fill(ctx, dst, r) })
		if err == nil {
			err = dst.Sync() // once, for all
		}
		if cerr := dst.Close(); err == nil {
			err = cerr
		}
		return err
	}, false)
	if err != nil {
		return fmt.Errorf("boltstore: compact %s to %s: %w", s.path, path, err)
	}
	return nil
}

// fill copies what r sees in transactions of 16 MiB.
func fill(ctx context.Context, dst *bolt.DB, r store.Reader) error {
	tx, err := dst.Begin(true)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after a commit
	bucket, err := tx.CreateBucket(bucketName)
	if err != nil {
		return err
	}
	size := 0
	for p, err := range r.Scan(nil, nil) {
		if err != nil {
			return err
		}
		if size > 16<<20 {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := tx.Commit(); err != nil {
				return err
			}
			if tx, err = dst.Begin(true); err != nil {
				return err
			}
			bucket = tx.Bucket(bucketName)
			size = 0
		}
		bucket.FillPercent = 1
		if err := setValue(bucket, p.Key, p.Value); err != nil {
			return err
		}
		size += len(p.Key) + len(p.Value)
	}
	return tx.Commit()
}
