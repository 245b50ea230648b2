package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/embedcdp/cdp"
)

// This file runs this program again as a child that does nothing but use the library: to see its memory alone, and to
// kill it.
//
//	bench child answer FILE SEGMENTS         opens the file, answers, prints an openedFile as JSON
//	bench child intake FILE PROFILES FIRST   tracks batches for ever, from further event FIRST on; a line for each

const childCommand = "child"

// openedFile is what the child tells of a file.
type openedFile struct {
	OpenMs   float64 `json:"open_ms"`   // until Open returned
	AnswerMs float64 `json:"answer_ms"` // until the first answer, from the start
	RssAnon  int64   `json:"rss_anon"`  // bytes, once all was answered; 0 where that is not known
	Freed    int64   `json:"freed"`     // bytes, after a garbage collection gave back what it could
	Counts   []int64 `json:"counts"`
	Sizes    []int64 `json:"sizes"` // of the segments
}

func child(args []string) {
	err := errors.New("bench child answer FILE SEGMENTS | intake FILE PROFILES FIRST: this is for the program itself")
	var numbers []int
	for _, a := range args[min(2, len(args)):] {
		n, e := strconv.Atoi(a)
		if e != nil {
			break
		}
		numbers = append(numbers, n)
	}
	switch {
	case len(numbers) == 1 && args[0] == "answer":
		err = childAnswer(args[1], numbers[0])
	case len(numbers) == 2 && args[0] == "intake":
		err = childIntake(args[1], numbers[0], numbers[1])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench child:", err)
		os.Exit(1)
	}
}

func childAnswer(path string, segments int) error {
	ctx := context.Background()
	var out openedFile
	start := time.Now()
	c, err := openFile(path)
	if err != nil {
		return err
	}
	defer c.Close()
	out.OpenMs = ms(time.Since(start))
	if _, err := c.Events().Count(ctx, eventNames[purchase]); err != nil {
		return err
	}
	out.AnswerMs = ms(time.Since(start))
	if out.Counts, err = countsOf(ctx, c); err != nil {
		return err
	}
	if out.Sizes, err = segmentCounts(ctx, c, segments); err != nil {
		return err
	}
	out.RssAnon, _ = residentAnonymous()
	debug.FreeOSMemory()
	out.Freed, _ = residentAnonymous()
	return json.NewEncoder(os.Stdout).Encode(out)
}

func childIntake(path string, profiles, first int) error {
	c, err := openFile(path)
	if err != nil {
		return err
	}
	for ; ; first += batchSize {
		if _, err := c.Track(context.Background(), further(profiles, first, batchSize)...); err != nil {
			return err
		}
		fmt.Println(first + batchSize)
	}
}

// further makes events that are not in the data set, of its people, happening now.
func further(profiles, first, n int) []cdp.Event {
	events := make([]cdp.Event, n)
	for k := range events {
		i := first + k
		r := draw(streamFurther, i)
		events[k] = cdp.Event{ID: EventID(i), Name: eventNames[r%3], UserID: UserID(below(r>>8, profiles)), Time: now,
			Attributes: cdp.Attrs{"category": categories[r>>40%20], "sku": SKU(uint16(r >> 50 % skus)), "amount": 9.5}}
	}
	return events
}

// answerOf has a child open a file and answer.
func answerOf(ctx context.Context, path string, segments int) (out openedFile, err error) {
	cmd, err := childProcess(ctx, "answer", path, segments)
	if err != nil {
		return out, err
	}
	b, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("child: %w", err)
	}
	return out, json.Unmarshal(b, &out)
}

// killedIntake has a child track into a file, kills it after a time, and returns the number of the first event that was
// not acknowledged.
func killedIntake(ctx context.Context, path string, profiles, first int, after time.Duration) (next int, err error) {
	cmd, err := childProcess(ctx, "intake", path, profiles, first)
	if err != nil {
		return 0, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	next = first
	var timer *time.Timer
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if timer == nil { // it is open and takes events
			timer = time.AfterFunc(after, func() { _ = cmd.Process.Kill() }) // that it ended before is an error below
		}
		if next, err = strconv.Atoi(lines.Text()); err != nil {
			break // the last line may be cut
		}
	}
	err = cmd.Wait()
	if timer == nil {
		return 0, fmt.Errorf("child: no batch was acknowledged: %w", err)
	}
	return next, ctx.Err()
}

func childProcess(ctx context.Context, what, path string, numbers ...int) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := []string{childCommand, what, path}
	for _, n := range numbers {
		args = append(args, strconv.Itoa(n))
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Stderr = os.Stderr
	return cmd, nil
}
