// Package boltstore keeps a store in one file, by bbolt.
//
//	s, err := boltstore.Open("shop.cdp", nil)
//	defer s.Close()
//
// One process has the file open at a time; another gets store.ErrLocked. NFS is not safe. A commit costs two fdatasyncs,
// so put much into one: a single sequential 80 KB value is what it does best. Values of a page and more lie in buckets of their
// own, so that a commit beside them does not write them again (big.go).
//
// # Damage
//
// bbolt trusts its file: damage ends the process by a signal, panics, or is read in silence. Here
//
//   - Open first reads the structure of the whole file with plain reads (check.go) and returns store.ErrDamaged for
//     what would break bbolt: also in the goroutine in which bbolt rebuilds its list of free pages, where no recover
//     reaches. It reads headers, element tables and keys, not values.
//   - Open refuses a file of whose two meta pages one is damaged, because the last commit may be lost with it. bbolt
//     would open it silently at the commit before. A crash does not look like that: a meta page is 80 bytes at the start
//     of a sector. Options.AcceptLostCommit opens it all the same.
//   - What breaks later, in a file that changes under an open store, comes back as store.ErrDamaged too (fault.go). Bugs
//     of the caller's stay panics. One gap remains: after a commit that failed, bbolt reads the whole tree in a
//     goroutine of its own, and if the disk fails at that moment the process ends.
//   - Values and the unordered part of keys have no checksum here. The layer above adds a CRC32C to each value; it should
//     cover the key as well.
//
// TestDamage, 500 files for each kind, 4,000 pairs, each file opened, read whole and written to. No crash, no hang, no
// wrong pair that the values' own checksum did not show, nothing that passed the check and failed later:
//
//	                                        refused   caught by the values'   unused
//	                                        at open   own checksum only       bytes hit
//	cut off                                     500                       0           0
//	up to 16 KiB zeroed                         243                      59         198
//	one bit flipped                              23                     237         240
//	one bit flipped in a page's first 512       107                     189         204
//	a page of garbage                           231                      65         204
//	a page overwritten by another               244                      66         190
//
// # A file that grows
//
// The file never shrinks, and deleted bytes stay in it until their page is used again: Compact writes a small copy
// without them. A View that runs long makes the file grow by all that is written meanwhile. 64 GiB of address space are
// mapped from the start, so that growth does not wait for Views (see mapSize); the file itself grows by 16 MiB at a time.
//
// # Sustained load
//
// go test -run TestSustained -sustain 5m -v: 300,000 events/s offered, 1,000 events and 80 KB a commit under growing
// keys, a 256 KiB sealed piece for every 60 bytes an event, a checkpoint every 10 M events, at most 4 deletes a commit
// behind the older checkpoint. 2 cores, a virtual disk, 90 M events:
//
//	                        events/s   commit p50   p99       max      file at most   of it sealed   open after kill -9
//	bare bbolt, quiet       299,985    1.13 ms      4.47 ms    49 ms    7,130 MB       5.1 GB         0.86 s (after Close)
//	this package, load 1-2  299,985    1.63 ms      7.79 ms   108 ms    7,141 MiB      5,149 MiB      1.11 s (after Close 1.08 s)
//	this package, load 2-5  299,977    1.67 ms     11.37 ms   1.70 s    7,133 MiB      5,149 MiB      1.28 s (after Close 1.21 s)
//
// Taken before big values had buckets of their own (big.go), and not again since.
// Load is the machine's load average, this test's share of about 1 included; other work ran beside the last two rows.
// The log held 1.0 to 1.5 GB behind two checkpoints. The file's growth is the sealed pieces; free pages are used again.
//
// The list of free pages is not written (NoFreelistSync): with 250,000 free pages that took the commit's p50 from 0.21
// to 1.07 ms. Its price is a scan at open, after a crash or not: the last column, with the file in the page cache.
package boltstore
