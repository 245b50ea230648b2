package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The story of a small shop, held against plain loops over what was simulated.
func TestStory(t *testing.T) {
	dir := t.TempDir()
	var text bytes.Buffer
	o, err := tell(context.Background(), options{people: 600, seed: 7, dir: dir}, &text)
	require.NoError(t, err, text.String())

	whose, events, revenue, people := owners(o), map[string]int{}, 0.0, map[string]bool{}
	for _, a := range o.shop.acts {
		events[a.what]++
		if a.what == purchase {
			revenue += float64(a.amount())
		}
		people[whose[a]] = true
	}
	customers := 0
	for _, p := range o.shop.people {
		if !p.joined.IsZero() {
			customers++
		}
	}
	delete(events, signUp)
	visitors := 0
	for id := range people {
		if strings.HasPrefix(id, "anon-") {
			visitors++
		}
	}
	require.Equal(t, events, o.events)
	require.Equal(t, revenue, o.revenue)
	require.Equal(t, customers, o.customers)
	require.Equal(t, visitors, o.visitors)
	require.Equal(t, wantSegments(o), o.segments)
	require.Equal(t, wantFunnel(o), o.funnel)

	require.Positive(t, o.messages["message_suppressed"], "nothing was held back")
	require.Positive(t, o.messages["message_bounced"], "every address worked")
	require.Equal(t, o.messages["message_queued"], o.messages["message_sent"]+o.messages["message_bounced"])
	require.Positive(t, o.reminder.Entered)
	require.Equal(t, o.reminder.Entered, o.reminder.Converted+o.reminder.Exited+o.reminder.Finished+o.inside, "everybody who entered is somewhere: %+v", o.reminder)
	checkLetters(t, o, filepath.Join(dir, "letters"))

	html, err := os.ReadFile(o.dashboard)
	require.NoError(t, err)
	require.Contains(t, string(html), "From a view to a purchase within 7 days")
}

// owners says whose each act is in the end: the customer's where the browser was ever used by somebody known, else the
// browser's. The old system's file of customers names no browsers, so a sign-up there says nothing of one.
func owners(o outcome) map[*act]string {
	known := map[string]bool{}
	for _, a := range o.shop.acts {
		if a.known || a.what == signUp && !a.at.Before(o.live) {
			known[a.device] = true
		}
	}
	out := map[*act]string{}
	for _, a := range o.shop.acts {
		if out[a] = a.device; known[a.device] {
			out[a] = a.who.id
		}
	}
	return out
}

func wantSegments(o outcome) map[string]int {
	now := o.end.Add(9 * time.Hour)
	months := map[*person]map[time.Month]int{}
	recent := map[*person]int{}
	for _, a := range o.shop.acts {
		p := a.who
		if age := 2026 - p.born; age < 18 || age > 35 || p.city != "Ho Chi Minh City" || a.what != purchase || a.product.category != "shoes" {
			continue
		}
		if months[p] == nil {
			months[p] = map[time.Month]int{}
		}
		months[p][a.at.Month()]++ // the simulation's times are in the shop's zone
		if a.at.After(now.AddDate(0, 0, -30)) {
			recent[p]++
		}
	}
	want := map[string]int{"shoes_30_days": 0, "shoes_some_month": 0, "shoes_every_month": 0}
	for p, m := range months {
		if recent[p] >= 3 {
			want["shoes_30_days"]++
		}
		if m[time.February] >= 3 || m[time.March] >= 3 || m[time.April] >= 3 || m[time.May] >= 3 {
			want["shoes_some_month"]++
		}
		if m[time.March] >= 3 && m[time.April] >= 3 && m[time.May] >= 3 {
			want["shoes_every_month"]++
		}
	}
	return want
}

// wantFunnel tries every view of everybody as the start.
func wantFunnel(o outcome) []int {
	whose, mine := owners(o), map[string][]*act{}
	for _, a := range o.shop.acts {
		mine[whose[a]] = append(mine[whose[a]], a)
	}
	want := make([]int, 3)
	for _, acts := range mine {
		best := 0
		for i, start := range acts {
			if start.what != view {
				continue
			}
			level := 1
			for _, a := range acts[i+1:] {
				if level < 3 && a.what == []string{cart, purchase}[level-1] && a.at.Sub(start.at) <= 7*24*time.Hour {
					level++
				}
			}
			best = max(best, level)
		}
		for k := range best {
			want[k]++
		}
	}
	return want
}

// checkLetters: every letter comes two hours after something was put into the cart, and nothing was bought in between.
func checkLetters(t *testing.T, o outcome, dir string) {
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		who, when, _ := strings.Cut(strings.TrimSuffix(f.Name(), ".eml"), "-")
		at, err := time.Parse("20060102-150405", when)
		require.NoError(t, err)
		started := at.Add(-2 * time.Hour)
		did := func(what string, from, to time.Time) bool {
			return slices.ContainsFunc(o.shop.acts, func(a *act) bool {
				return a.who.id == who && a.what == what && !a.at.Before(from) && !a.at.After(to)
			})
		}
		require.True(t, did(cart, started, started), "%s: nothing was put into the cart at %s", f.Name(), started)
		require.False(t, did(purchase, started, at), "%s: it was bought meanwhile", f.Name())
	}
}

func TestSameSeedSameShop(t *testing.T) {
	zone := time.FixedZone("+07", 7*3600)
	a, b, other := simulate(1, 50, zone), simulate(1, 50, zone), simulate(2, 50, zone)
	require.Equal(t, a.acts, b.acts)
	require.NotEqual(t, a.acts, other.acts)
	require.Equal(t, uint64(0xe220a8397b1dcdaf), (&random{}).next(), "splitmix64's published first number for seed 0")
}

// The facts are checked by completeJourney itself; a wrong one is an error.
func TestCompleteJourney(t *testing.T) {
	dir := "../../../shared/data/completejourney"
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the Complete Journey's files are not there: ", err)
	}
	var text bytes.Buffer
	err := completeJourney(context.Background(), dir, options{dir: t.TempDir()}, &text)
	require.NoError(t, err, text.String())
	require.Equal(t, 22, strings.Count(text.String(), "   ok "), text.String())
}

func TestWrongFact(t *testing.T) {
	f := facts{out: newPage(io.Discard)}
	f.check("sales", 1, 1)
	require.Zero(t, f.wrong)
	f.check("sales", 1, 2)
	require.Equal(t, 1, f.wrong)
}
