package flow

import (
	"strings"
	"unicode/utf8"

	"github.com/embedcdp/cdp/internal/value"
)

// record is what a reader says about one row beside its values.
type record struct {
	line   int64  // of its first character, from 1
	raw    []byte // its bytes without the line break at their end; valid until the next row is read
	reason string // not "" when the row cannot be used
}

// rowReader reads one row at a time into row, one value for each of the source's columns. It returns io.EOF after the
// last row. Any other error ends the run: a bad row is a record with a reason, not an error.
type rowReader interface {
	next(row []value.Value) (record, error)
	input() *input
}

// MaxDeadText is how many bytes of a row a dead letter keeps.
const MaxDeadText = 4 << 10

// deadText is the form of a row that a dead letter keeps: valid UTF-8, cut to MaxDeadText bytes.
func deadText(raw []byte) string {
	s := strings.ToValidUTF8(string(raw[:min(len(raw), MaxDeadText)]), "\uFFFD")
	for len(s) > MaxDeadText { // replacing a byte makes three of it
		cut := MaxDeadText
		for !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut]
	}
	return s
}
