package flow

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/embedcdp/cdp/internal/schema"
)

// Def is the stored definition of a dataflow.
type Def struct {
	Name         string        `json:"name"`
	Source       Source        `json:"source"`
	Actions      []Action      `json:"actions,omitempty"`
	Destinations []Destination `json:"destinations"`
}

// Source says where rows come from and how they are read.
type Source struct {
	ID     string `json:"id,omitempty"`     // default "source"
	Type   string `json:"type"`             // "csv" or "jsonl"
	Path   string `json:"path,omitempty"`   // a file, or what the opener takes
	Opener string `json:"opener,omitempty"` // the name of a registered opener; "" opens Path as a local file

	// Comma separates the fields of a CSV file: one ASCII character, "," by default.
	Comma string `json:"comma,omitempty"`
	// Columns names the columns of a CSV file that has no header line. With it the first line is a row.
	Columns []string `json:"columns,omitempty"`
	// Types gives columns a type. A CSV column without one is text. A JSONL column without one gets the type that the
	// first lines suggest. CSV knows number, string, text, datetime and boolean; JSONL also arrays and objects.
	Types map[string]schema.Type `json:"types,omitempty"`
	// Null lists the CSV cells that mean "absent", compared as they stand in the file. The default is the empty cell
	// only; an empty list means that no cell is absent.
	Null *[]string `json:"null,omitempty"`
}

// Action is one step on the way of a row. Exactly one of the pointers is set.
type Action struct {
	ID     string  `json:"id,omitempty"` // default "action-1", "action-2", ...
	Filter *Filter `json:"filter,omitempty"`
	Add    *Add    `json:"add,omitempty"`
	Select *Select `json:"select,omitempty"`
	Rename *Rename `json:"rename,omitempty"`
}

// Filter lets those rows pass for which Where, CEL over the columns, is true.
type Filter struct {
	Where string `json:"where"`
}

// Add computes a new column. Value is an expr-lang expression over the columns; see expression.go for what it may use.
type Add struct {
	Column string      `json:"column"`
	Type   schema.Type `json:"type"` // number, string, text, datetime or boolean
	Value  string      `json:"value"`
}

// Select keeps the named columns, in this order.
type Select struct {
	Columns []string `json:"columns"`
}

// Rename gives columns new names: old name to new name.
type Rename struct {
	Columns map[string]string `json:"columns"`
}

// Destination turns each row into one item. Exactly one of the pointers is set.
type Destination struct {
	ID       string    `json:"id,omitempty"` // default "destination-1", "destination-2", ...
	Events   *Events   `json:"events,omitempty"`
	Profiles *Profiles `json:"profiles,omitempty"`
	Objects  *Objects  `json:"objects,omitempty"`
}

// Events makes each row an event of type Name. The other fields name columns; Attributes maps attribute to column.
type Events struct {
	Name        string            `json:"name"`
	EventID     string            `json:"id,omitempty"` // without it ids are derived from flow, source, line and row
	Time        string            `json:"time"`
	UserID      string            `json:"user_id,omitempty"` // one of user_id and anonymous_id at least
	AnonymousID string            `json:"anonymous_id,omitempty"`
	Attributes  map[string]string `json:"attributes,omitempty"`
}

// Profiles makes each row an update of the profile that UserID names.
type Profiles struct {
	UserID     string            `json:"user_id"`
	Attributes map[string]string `json:"attributes"`
	Mode       string            `json:"mode,omitempty"` // "add-update", the default
}

// Objects makes each row a business object of a type.
type Objects struct {
	Type       string            `json:"type"`
	ObjectID   string            `json:"id"`
	Attributes map[string]string `json:"attributes"`
}

// MaxDef is the longest JSON form of a definition, in bytes.
const MaxDef = 1 << 20

// Decode reads the JSON form of a definition and checks it as Validate does. An unknown field is an error.
func Decode(data []byte) (Def, error) {
	var d Def
	if len(data) > MaxDef {
		return d, fmt.Errorf("dataflow: the definition has %d bytes, the limit is %d", len(data), MaxDef)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		return Def{}, fmt.Errorf("dataflow: the definition is no valid JSON form: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Def{}, errors.New("dataflow: something follows the definition; give one JSON object")
	}
	if err := d.Validate(); err != nil {
		return Def{}, err
	}
	return d, nil
}

// fingerprint changes with any part of the definition.
func (d Def) fingerprint() string {
	b, err := json.Marshal(d)
	if err != nil {
		panic("flow: a Def always has a JSON form: " + err.Error())
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

func (a Action) kind() string {
	switch {
	case a.Filter != nil:
		return "filter"
	case a.Add != nil:
		return "add"
	case a.Select != nil:
		return "select"
	case a.Rename != nil:
		return "rename"
	}
	return "empty"
}

func (d Destination) kind() string {
	switch {
	case d.Events != nil:
		return "events"
	case d.Profiles != nil:
		return "profiles"
	case d.Objects != nil:
		return "objects"
	}
	return "empty"
}
