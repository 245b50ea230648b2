// Package boltstore keeps a store in one file, by bbolt.
package boltstore
