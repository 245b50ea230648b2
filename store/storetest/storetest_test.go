package storetest

import (
	"os"
	"os/exec"
	"testing"

	"github.com/embedcdp/cdp/store"
)

func runToy(t *testing.T, defect string) {
	Run(t, func(*testing.T) store.Store { return newToy(defect) }, Options{})
}

// A store without defects passes.
func TestSound(t *testing.T) { runToy(t, "") }

// TestDefective is run by TestSuiteSeesDefects in a process of its own.
func TestDefective(t *testing.T) {
	defect := os.Getenv("STORETEST_DEFECT")
	if defect == "" {
		t.Skip("TestSuiteSeesDefects runs this")
	}
	runToy(t, defect)
}

// A suite is worth what it catches: each of these stores breaks one rule and must fail.
func TestSuiteSeesDefects(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, defect := range []string{
		"is unordered", "includes to", "excludes from", "takes an empty to for none", "reuses the key's slice",
		"skips after a delete", "repeats after a write", "takes an empty key", "has no limits", "refuses long keys", "cuts long values",
		"keeps the caller's value", "returns nil for an empty value", "has no ErrNotFound",
		"cannot delete what is not there", "does not delete",
		"loses updates", "commits at once", "reads past its snapshot", "commits after an error", "commits after a panic",
		"swallows panics", "wraps fn's error", "ignores the context before fn", "ignores the context before the commit",
		"can be used after Close", "fails a second Close", "does not wait in Close", "writes after the end",
	} {
		t.Run(defect, func(t *testing.T) {
			cmd := exec.Command(exe, "-test.run=^TestDefective$", "-test.short", "-test.timeout=1m")
			cmd.Env = append(os.Environ(), "STORETEST_DEFECT="+defect)
			if out, err := cmd.CombinedOutput(); err == nil {
				t.Errorf("the suite passed a store that %s:\n%s", defect, out)
			}
		})
	}
}
