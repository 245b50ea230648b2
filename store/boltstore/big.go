package boltstore

import bolt "go.etcd.io/bbolt"

// bbolt writes a leaf page whole, and a leaf has at least two pairs, mostly two to four. So with values of tens of kilobytes a commit
// wrote its neighbours again, four times as much as it added. A big value therefore lies in a bucket of its own, under
// the same key: its leaf has one pair, and the leaf with the key a few bytes. Files from before have big values in place;
// they are read, and replaced where they are written again.

// bigValue is from how many bytes on a value is big: that many fill a page.
const bigValue = 4096

// bigKey is the key of the one pair in a big value's bucket.
var bigKey = []byte("v")

func valueOf(b *bolt.Bucket, key []byte) []byte {
	if v := b.Get(key); v != nil {
		return v
	}
	return big(b, key)
}

// big returns a value that has a bucket of its own, nil when there is none.
func big(b *bolt.Bucket, key []byte) []byte {
	own := b.Bucket(key)
	if own == nil {
		return nil
	}
	return own.Get(bigKey)
}

func setValue(b *bolt.Bucket, key, value []byte) error {
	own := b.Bucket(key)
	if len(value) < bigValue {
		if own != nil {
			if err := b.DeleteBucket(key); err != nil {
				return err
			}
		}
		return b.Put(key, value)
	}
	if own == nil {
		err := b.Delete(key) // a value in place, if there is one
		if err != nil {
			return err
		}
		if own, err = b.CreateBucket(key); err != nil {
			return err
		}
	}
	return own.Put(bigKey, value)
}

func removeValue(b *bolt.Bucket, key []byte) error {
	if b.Bucket(key) != nil {
		return b.DeleteBucket(key)
	}
	return b.Delete(key)
}
