package main

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// This file writes what the shop's old systems export: four CSV files, with the flaws that such files have.

type files struct{ products, customers, web, orders string }

func writeHistory(dir string, s *shop, acts []*act, until time.Time) (files, error) {
	f := files{filepath.Join(dir, "products.csv"), filepath.Join(dir, "customers.csv"), filepath.Join(dir, "web.csv"), filepath.Join(dir, "orders.csv")}

	products := [][]string{{"id", "name", "category", "brand", "price"}}
	for _, p := range s.products {
		products = append(products, []string{p.id, p.name, p.category, p.brand, strconv.Itoa(p.price)})
	}
	customers := [][]string{{"user_id", "full_name", "email", "phone", "city", "birth_year"}}
	for _, p := range s.people {
		if !p.joined.IsZero() && p.joined.Before(until) {
			customers = append(customers, []string{p.id, p.name, p.email, p.phone, p.city, strconv.Itoa(p.born)})
		}
	}
	customers = append(customers,
		[]string{"u-import-1", "Test Person", "test@mail.example", "", "Hue", "unknown"}, // a birth year that is no number
		[]string{"", "Nobody", "nobody@mail.example", "", "Hue", "1990"})                 // nobody's row

	web := [][]string{{"event_id", "time", "event", "visitor", "user_id", "product", "category", "agent"}}
	orders := [][]string{{"order_id", "time", "user_id", "visitor", "product", "category", "quantity", "price", "coupon", "status"}}
	for i, a := range acts {
		at, user := a.at.Format(time.RFC3339), ""
		if a.known {
			user = a.who.id
		}
		switch a.what {
		case view, cart:
			web = append(web, []string{a.id, at, a.what, a.device, user, a.product.id, a.product.category, "Mozilla/5.0"})
			if i%50 == 0 { // a crawler, which is no person
				web = append(web, []string{"crawl-" + a.id, at, view, "crawler", "", a.product.id, a.product.category, "Examplebot/2.1"})
			}
		case purchase:
			orders = append(orders, []string{a.id, at, a.who.id, a.device, a.product.id, a.product.category, strconv.Itoa(a.quantity), strconv.Itoa(a.product.price), a.coupon, "paid"})
		}
	}
	day := until.AddDate(0, 0, -1).Format(time.RFC3339)
	orders = append(orders,
		[]string{"order-x1", day, "u00001", "", "sho01", "shoes", "2", "350,000", "", "paid"},         // a price written for people
		[]string{"order-x2", "31/04/2026", "u00001", "", "sho01", "shoes", "1", "350000", "", "paid"}, // a day that does not exist
		[]string{"order-x3", day, "u00001", "", "sho01", "shoes", "1", "350000", "", "cancelled"},     // left out on purpose
		[]string{"TOTAL", "", "", "", "", "", "", "", "", ""})                                         // the sheet's last line

	for path, rows := range map[string][][]string{f.products: products, f.customers: customers, f.web: web, f.orders: orders} {
		if err := writeCSV(path, rows); err != nil {
			return f, err
		}
	}
	return f, nil
}

func writeCSV(path string, rows [][]string) error {
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer out.Close()
	if err := csv.NewWriter(out).WriteAll(rows); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return out.Close()
}
