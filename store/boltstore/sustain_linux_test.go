package boltstore

import (
	"bufio"
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/embedcdp/cdp/store"
)

var sustain = flag.Duration("sustain", 0, "run TestSustained for this long, as 5m; it needs 25 MB of disk a second")

// The platform's load, as it will reach the store.
const (
	sustainRate       = 300_000    // events a second, offered
	sustainBatch      = 1000       // events a commit
	sustainLog        = 80         // log bytes an event
	sustainSealed     = 60         // sealed bytes an event
	sustainPiece      = 256 << 10  // bytes of a sealed piece
	sustainCheckpoint = 10_000_000 // events between checkpoints
	sustainTrim       = 4          // log entries deleted in a commit at most, behind the older checkpoint
)

// TestSustained asks whether one file carries the platform's load: commits every 3.3 ms, sealed pieces beside them,
// trimming behind the older of two checkpoints. The writer is another process, which is killed in the end, so that the
// time to open the file again is that after a crash. The figures are in doc.go.
func TestSustained(t *testing.T) {
	if *sustain == 0 {
		t.Skip("takes minutes and gigabytes: enable with -sustain 5m")
	}
	path := filepath.Join(t.TempDir(), "s")
	cmd := child(t, "sustain", path)
	cmd.Env = append(cmd.Env, "BOLTSTORE_FOR="+sustain.String())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	total := false
	for lines := bufio.NewScanner(out); !total && lines.Scan(); {
		t.Log(lines.Text())
		total = strings.HasPrefix(lines.Text(), "TOTAL")
	}
	_ = cmd.Process.Kill() // in the middle of a commit
	_ = cmd.Wait()
	if !total {
		t.Fatal("the writing process ended before its time")
	}
	for _, after := range []string{"kill -9", "Close"} {
		start := time.Now()
		s := open(t, path)
		t.Logf("opened after %s in %v", after, time.Since(start).Round(time.Millisecond))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func init() { roles["sustain"] = childSustain }

func childSustain(path string) {
	if err := writeSustained(path); err != nil {
		os.Stderr.WriteString(err.Error())
		os.Exit(1)
	}
}

func writeSustained(path string) error {
	length, err := time.ParseDuration(os.Getenv("BOLTSTORE_FOR"))
	if err != nil {
		return err
	}
	s, err := Open(path, nil)
	if err != nil {
		return err
	}
	random := func(n int) []byte {
		b, r := make([]byte, n), rand.New(rand.NewPCG(1, uint64(n)))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	batch, piece := random(sustainBatch*sustainLog), random(sustainPiece)
	key := func(kind byte, n int) []byte { return binary.BigEndian.AppendUint64([]byte{'p', kind}, uint64(n)) }

	var (
		n, trimmed, pieces int // log entries written and deleted, sealed pieces written
		newer, older       int // log positions of the two checkpoints
		unsealed           int // bytes
		all, recent        []time.Duration
		high               int64
	)
	begin := time.Now()
	report := func(title string, lats []time.Duration) error {
		size, err := s.Size()
		if err != nil {
			return err
		}
		high = max(high, size)
		slices.Sort(lats)
		at := func(f float64) time.Duration {
			return lats[int(f*float64(len(lats)-1))].Round(10 * time.Microsecond)
		}
		seconds := time.Since(begin).Seconds()
		_, err = fmt.Printf("%s %.0f s, %.0f events/s, commit p50 %v p99 %v p99.9 %v max %v, file %d MiB at most, log %d MiB, sealed %d MiB\n",
			title, seconds, float64(n*sustainBatch)/seconds, at(0.5), at(0.99), at(0.999), at(1),
			high>>20, (n-trimmed)*len(batch)>>20, pieces*sustainPiece>>20)
		return err
	}
	last, done := begin, false
	for { // until the parent kills this process
		due := begin.Add(time.Duration(float64(n*sustainBatch) / sustainRate * 1e9))
		time.Sleep(time.Until(due)) // the load's own clock, not a wait for something to happen
		start := time.Now()
		n++
		err := s.Update(ctx, func(w store.Writer) error {
			if err := w.Put(key('l', n), batch); err != nil {
				return err
			}
			if err := w.Put([]byte("ph"), key('h', n)); err != nil {
				return err
			}
			if unsealed += sustainSealed * sustainBatch; unsealed >= len(piece) {
				unsealed -= len(piece)
				pieces++
				if err := w.Put(key('b', pieces), piece); err != nil {
					return err
				}
			}
			for i := 0; i < sustainTrim && trimmed < older; i++ {
				trimmed++
				if err := w.Delete(key('l', trimmed)); err != nil {
					return err
				}
			}
			if n-newer < sustainCheckpoint/sustainBatch {
				return nil
			}
			older, newer = newer, n
			for i := range 64 { // what changed, in place of the checkpoint before the last
				slot := newer / (sustainCheckpoint / sustainBatch) % 2
				if err := w.Put(key('t', slot*64+i), piece[:64<<10]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		took := time.Since(start)
		all, recent = append(all, took), append(recent, took)
		if time.Since(last) > 30*time.Second {
			last = time.Now()
			if err := report("     ", recent); err != nil {
				return err
			}
			recent = recent[:0]
		}
		if !done && time.Since(begin) > length {
			done = true
			if err := report("TOTAL", all); err != nil {
				return err
			}
		}
	}
}
