package main

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/duckdb/duckdb-go/v2"
)

// duckDB is the peer of the questions: native tables in a file on disk, two threads.
type duckDB struct {
	connector *duckdb.Connector
	db        *sql.DB
	path      string
	version   string
}

func openDuckDB(ctx context.Context, dir, name string) (*duckDB, error) {
	connector, err := duckdb.NewConnector(filepath.Join(dir, name)+"?threads=2", nil)
	if err != nil {
		return nil, fmt.Errorf("duckdb: %w", err)
	}
	p := &duckDB{path: filepath.Join(dir, name), connector: connector, db: sql.OpenDB(connector)}
	p.db.SetMaxOpenConns(1)
	if err := p.db.QueryRowContext(ctx, "SELECT version()").Scan(&p.version); err != nil {
		p.Close()
		return nil, fmt.Errorf("duckdb: %w", err)
	}
	return p, nil
}

func (p *duckDB) Close() error { return p.db.Close() }

// Load writes the data set with the appender. Events carry the customer they belong to in the end: the peer is spared
// the resolving of visitors. What has few values is an ENUM, DuckDB's quickest form of it.
func (p *duckDB) Load(ctx context.Context, d *Data) error {
	if err := p.create(ctx); err != nil {
		return err
	}
	err := p.append(ctx, "customers", func(a *duckdb.Appender) error {
		for i := range d.Profiles {
			var age, city any
			if d.Age[i] != noAge {
				age = d.Age[i]
			}
			if d.City[i] != noCity {
				city = cities[d.City[i]]
			}
			if err := a.AppendRow(int32(i), age, city, plans[d.Plan[i]], time.UnixMicro(d.Signup[i]).UTC(), Email(i)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = p.append(ctx, "events", func(a *duckdb.Appender) error {
		for i := range d.Arrivals() {
			if err := a.AppendRow(EventID(i), int32(d.Customer[i]), eventNames[d.Type[i]], time.UnixMicro(d.Time[i]).UTC(),
				categories[d.Category[i]], SKU(d.SKU[i]), float64(d.Cents[i])/100); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, err = p.db.ExecContext(ctx, "CHECKPOINT")
	return err
}

func (p *duckDB) create(ctx context.Context) error {
	for _, q := range []string{
		enum("event_name", eventNames), enum("city_name", cities), enum("plan_name", plans), enum("category_name", categories),
		`CREATE TABLE customers (id INTEGER, age UTINYINT, city city_name, plan plan_name, signup TIMESTAMP, email VARCHAR)`,
		`CREATE TABLE events (id VARCHAR, customer INTEGER, name event_name, time TIMESTAMP, category category_name, sku VARCHAR, amount DOUBLE)`,
	} {
		if _, err := p.db.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("duckdb: %s: %w", q, err)
		}
	}
	return nil
}

func enum(name string, values []string) string {
	return "CREATE TYPE " + name + " AS ENUM ('" + strings.Join(values, "', '") + "')"
}

func (p *duckDB) append(ctx context.Context, table string, rows func(*duckdb.Appender) error) error {
	conn, err := p.connector.Connect(ctx)
	if err != nil {
		return fmt.Errorf("duckdb: %w", err)
	}
	defer conn.Close()
	a, err := duckdb.NewAppenderFromConn(conn, "", table)
	if err != nil {
		return fmt.Errorf("duckdb: append to %s: %w", table, err)
	}
	if err := rows(a); err != nil {
		a.Close()
		return fmt.Errorf("duckdb: append to %s: %w", table, err)
	}
	if err := a.Close(); err != nil {
		return fmt.Errorf("duckdb: append to %s: %w", table, err)
	}
	return nil
}

// Counts runs a query that gives rows of counts, and returns them one after the other.
func (p *duckDB) Counts(ctx context.Context, query string) ([]int64, error) {
	rows, err := p.db.QueryContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("duckdb: %w", err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	row := make([]int64, len(columns))
	into := make([]any, len(columns))
	for i := range into {
		into[i] = &row[i]
	}
	var counts []int64
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, fmt.Errorf("duckdb: %w", err)
		}
		counts = append(counts, row...)
	}
	return counts, rows.Err()
}

// Members runs a query that gives customers' ids.
func (p *duckDB) Members(ctx context.Context, query string, customers int) (Members, error) {
	rows, err := p.db.QueryContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("duckdb: %w", err)
	}
	defer rows.Close()
	m := NewMembers(customers)
	for rows.Next() {
		var c uint32
		if err := rows.Scan(&c); err != nil {
			return nil, err
		}
		m[c>>6] |= 1 << (c & 63)
	}
	return m, rows.Err()
}
