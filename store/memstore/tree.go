package memstore

import (
	"bytes"
	"slices"

	"github.com/embedcdp/cdp/store"
)

// A node is a leaf (keys and vals) or a branch (keys and kids). The kid at i holds the keys from keys[i] up to
// keys[i+1]; keys[0] of a branch is never looked at, the first kid takes all that is smaller than keys[1].
//
// A node is changed in place only by the transaction whose edit it carries. Any other node may be part of a snapshot
// and is copied first.
//
// Leaves that run empty are removed; half-empty neighbours are not merged. That keeps del short and wastes memory only
// where keys are deleted at random and never written again.
type node struct {
	edit *edit
	keys [][]byte
	vals [][]byte
	kids []*node
}

// edit is the identity of a writing transaction. It has a size so that two of them never share an address.
type edit struct{ _ byte }

const maxItems = 64 // of a node; a copied path is then about 2 KB a level

func (n *node) leaf() bool { return n.kids == nil }

// kid returns the index of the kid that holds key.
func (n *node) kid(key []byte) int {
	i, found := slices.BinarySearchFunc(n.keys[1:], key, bytes.Compare)
	if found {
		i++
	}
	return i
}

func (n *node) get(key []byte) ([]byte, bool) {
	for !n.leaf() {
		n = n.kids[n.kid(key)]
	}
	i, found := slices.BinarySearchFunc(n.keys, key, bytes.Compare)
	if !found {
		return nil, false
	}
	return n.vals[i], true
}

// scan yields from <= key < to and reports whether the caller wants more.
func (n *node) scan(from, to []byte, yield func(store.Pair, error) bool) bool {
	if n.leaf() {
		i, _ := slices.BinarySearchFunc(n.keys, from, bytes.Compare)
		for ; i < len(n.keys); i++ {
			if to != nil && bytes.Compare(n.keys[i], to) >= 0 {
				return false
			}
			if !yield(store.Pair{Key: n.keys[i], Value: n.vals[i]}, nil) {
				return false
			}
		}
		return true
	}
	for i := n.kid(from); i < len(n.kids); i++ {
		if !n.kids[i].scan(from, to, yield) {
			return false
		}
	}
	return true
}

// put stores the pair and returns the node to use from now on and, if it had to be split, its new right neighbour.
func (n *node) put(e *edit, key, value []byte) (left, right *node) {
	n = n.own(e)
	var i int
	if n.leaf() {
		var found bool
		if i, found = slices.BinarySearchFunc(n.keys, key, bytes.Compare); found {
			n.vals[i] = value
			return n, nil
		}
		n.keys = slices.Insert(n.keys, i, key)
		n.vals = slices.Insert(n.vals, i, value)
	} else {
		i = n.kid(key)
		left, right := n.kids[i].put(e, key, value)
		n.kids[i] = left
		if right == nil {
			return n, nil
		}
		i++
		n.keys = slices.Insert(n.keys, i, right.keys[0])
		n.kids = slices.Insert(n.kids, i, right)
	}
	if len(n.keys) <= maxItems {
		return n, nil
	}
	at := len(n.keys) / 2
	if i == len(n.keys)-1 {
		at = i // keys that only grow fill their nodes to the brim
	}
	return n, n.split(at)
}

// split moves the items from at on into a new node.
func (n *node) split(at int) *node {
	right := &node{edit: n.edit, keys: room(n.keys[at:])}
	clear(n.keys[at:])
	n.keys = n.keys[:at]
	if n.leaf() {
		right.vals = room(n.vals[at:])
		clear(n.vals[at:])
		n.vals = n.vals[:at]
	} else {
		right.kids = room(n.kids[at:])
		clear(n.kids[at:])
		n.kids = n.kids[:at]
	}
	return right
}

// del removes key, which is there, and returns the node to use from now on. An empty node is for the caller to unlink.
func (n *node) del(e *edit, key []byte) *node {
	n = n.own(e)
	if n.leaf() {
		i, _ := slices.BinarySearchFunc(n.keys, key, bytes.Compare)
		n.keys = slices.Delete(n.keys, i, i+1)
		n.vals = slices.Delete(n.vals, i, i+1)
		return n
	}
	i := n.kid(key)
	kid := n.kids[i].del(e, key)
	if len(kid.keys) > 0 {
		n.kids[i] = kid
		return n
	}
	n.keys = slices.Delete(n.keys, i, i+1)
	n.kids = slices.Delete(n.kids, i, i+1)
	if len(n.kids) == 0 {
		return &node{edit: e}
	}
	return n
}

// own returns n if e may change it, else a copy that e may change.
func (n *node) own(e *edit) *node {
	if n.edit == e {
		return n
	}
	c := &node{edit: e, keys: room(n.keys)}
	if n.leaf() {
		c.vals = room(n.vals)
	} else {
		c.kids = room(n.kids)
	}
	return c
}

// room copies items into a slice that a full node will not outgrow.
func room[T any](items []T) []T {
	return append(make([]T, 0, maxItems+1), items...)
}
