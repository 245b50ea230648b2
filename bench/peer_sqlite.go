package main

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"

	_ "github.com/mattn/go-sqlite3" // the driver "sqlite3"

	"github.com/embedcdp/cdp"
)

// sqlite is the peer of intake. It does the least of the same job: insert an event once by its id, keep an index on
// customer and time, count each customer's events. No segments, no identities, no schema.
type sqlite struct {
	db      *sql.DB
	conn    *sql.Conn
	version string

	insert, count *sql.Stmt
}

// openSQLite opens a new file. The write-ahead log is brought into the tables whenever it has checkpointPages pages of
// 4 KiB; SQLite's default is 1,000, and a larger one is quicker, because it writes a page of a tree fewer times.
func openSQLite(ctx context.Context, dir, name string, checkpointPages int) (*sqlite, error) {
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(dir, name)+"?_journal_mode=WAL&_synchronous=FULL&_cache_size=-262144&_txlock=immediate")
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	db.SetMaxOpenConns(1) // pragmas belong to a connection
	p := &sqlite{db: db}
	for _, q := range []string{
		fmt.Sprintf(`PRAGMA wal_autocheckpoint = %d`, checkpointPages),
		`CREATE TABLE events (id TEXT PRIMARY KEY, customer TEXT NOT NULL, time INTEGER NOT NULL, name TEXT NOT NULL, category TEXT, sku TEXT, amount REAL)`,
		`CREATE INDEX by_customer ON events (customer, time)`,
		`CREATE TABLE profiles (customer TEXT PRIMARY KEY, events INTEGER NOT NULL) WITHOUT ROWID`,
	} {
		if _, err := db.ExecContext(ctx, q); err != nil {
			db.Close()
			return nil, fmt.Errorf("sqlite: %s: %w", q, err)
		}
	}
	if err = db.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&p.version); err == nil {
		p.conn, err = db.Conn(ctx)
	}
	if err == nil {
		p.insert, err = p.conn.PrepareContext(ctx, `INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?, ?, ?)`)
	}
	if err == nil {
		p.count, err = p.conn.PrepareContext(ctx, `INSERT INTO profiles VALUES (?, 1) ON CONFLICT (customer) DO UPDATE SET events = events + 1`)
	}
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	return p, nil
}

func (p *sqlite) Close() error {
	p.conn.Close()
	return p.db.Close()
}

// Track writes events in one durable transaction and returns how many were new.
func (p *sqlite) Track(ctx context.Context, events []cdp.Event) (fresh int, err error) {
	tx, err := p.conn.BeginTx(ctx, nil)
	if err != nil {
		return 0, fmt.Errorf("sqlite: %w", err)
	}
	defer tx.Rollback()
	insert, count := tx.StmtContext(ctx, p.insert), tx.StmtContext(ctx, p.count)
	for i := range events {
		e := &events[i]
		res, err := insert.ExecContext(ctx, e.ID, e.UserID, e.Time.UnixMicro(), e.Name, e.Attributes["category"], e.Attributes["sku"], e.Attributes["amount"])
		if err != nil {
			return 0, fmt.Errorf("sqlite: %w", err)
		}
		if n, _ := res.RowsAffected(); n == 0 {
			continue
		}
		fresh++
		if _, err := count.ExecContext(ctx, e.UserID); err != nil {
			return 0, fmt.Errorf("sqlite: %w", err)
		}
	}
	if err := tx.Commit(); err != nil {
		return 0, fmt.Errorf("sqlite: %w", err)
	}
	return fresh, nil
}

// trackAll tracks batches of events that are all new.
func (p *sqlite) trackAll(ctx context.Context, batches [][]cdp.Event) error {
	for _, events := range batches {
		fresh, err := p.Track(ctx, events)
		if err != nil {
			return err
		}
		if fresh != len(events) {
			return fmt.Errorf("sqlite: %d of %d events were new", fresh, len(events))
		}
	}
	return nil
}

// Counts returns the number of events of each type, of customers, and of events as the customers' counters have it.
func (p *sqlite) Counts(ctx context.Context) ([]int64, error) {
	counts := make([]int64, len(eventNames)+2)
	for i, name := range eventNames {
		if err := p.conn.QueryRowContext(ctx, "SELECT count(*) FROM events WHERE name = ?", name).Scan(&counts[i]); err != nil {
			return nil, err
		}
	}
	n := len(eventNames)
	return counts, p.conn.QueryRowContext(ctx, "SELECT count(*), coalesce(sum(events), 0) FROM profiles").Scan(&counts[n], &counts[n+1])
}
