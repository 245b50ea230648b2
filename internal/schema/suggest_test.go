package schema

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestNearest(t *testing.T) {
	known := []string{"purchase", "page_view", "add_to_cart", "price", "prize", "city", "qty", "id"}
	for name, want := range map[string]string{
		"purchase":               "", // known: spelling is not what is wrong with it
		"PURCHASE":               "purchase",
		"Purchse":                "purchase", // one letter left out
		"purchasee":              "purchase", // one too many
		"purcahse":               "purchase", // two neighbours swapped
		"purchaze":               "purchase", // one other
		"pageview":               "page_view",
		"add_cart":               "add_to_cart",
		"ctiy":                   "city",  // a swap counts as one, and one in four is near enough
		"prixe":                  "price", // as near to prize: the first of the alphabet
		"qyt":                    "qty",
		"ID":                     "id",
		"ix":                     "", // a third of two letters is none
		"":                       "",
		"revenue":                "",
		"page":                   "",
		"purchase_all":           "purchase",
		strings.Repeat("x", 100): "",
	} {
		require.Equal(t, want, Nearest(name, known), "%q", name)
	}
	require.Empty(t, Nearest("x", nil))
	require.Equal(t, []string{"purchase", "page_view", "add_to_cart", "price", "prize", "city", "qty", "id"}, known, "the caller's list is left as it was")
	require.Equal(t, ` (did you mean "city"?)`, DidYouMean("citty", known))
	require.Empty(t, DidYouMean("revenue", known))
}

func TestEditDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"saturday", "sunday", 3}, {"flaw", "lawn", 2},
		{"ab", "ba", 1}, {"abcd", "badc", 2}, {"ca", "abc", 3}, // optimal string alignment: no part is edited twice, so 3 and not 2
	} {
		require.Equal(t, c.want, editDistance(c.a, c.b), "%s to %s", c.a, c.b)
	}
}

// A plain recursion over the definition says the same.
func TestEditDistanceAgainstRecursion(t *testing.T) {
	var slow func(a, b string) int
	slow = func(a, b string) int {
		if a == "" || b == "" {
			return len(a) + len(b)
		}
		i, j := len(a)-1, len(b)-1
		d := slow(a[:i], b[:j])
		if a[i] != b[j] {
			d = 1 + min(d, slow(a[:i], b), slow(a, b[:j]))
		}
		if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
			d = min(d, 1+slow(a[:i-1], b[:j-1]))
		}
		return d
	}
	word := rapid.StringMatching(`[abc]{0,6}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		if got, want := editDistance(a, b), slow(a, b); got != want {
			t.Fatalf("%q to %q: %d, want %d", a, b, got, want)
		}
	})
}
