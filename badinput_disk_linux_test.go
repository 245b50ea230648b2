package cdp_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
)

// TestFullDisk fills a small file system by tracking until that fails, and finds everything that was acknowledged: in the
// same client as far as it still answers, after opening the file on the full disk, and after making room.
func TestFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("a small file system to fill up can only be mounted by root")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=24m"); err != nil {
		t.Skipf("a small file system to fill up cannot be mounted here: %v", err)
	}
	defer func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) }()
	ctx := t.Context()
	path := filepath.Join(dir, "shop.cdp")
	open := func() *cdp.Client {
		c, err := cdp.Open(path, cdp.Config{Now: fixed, CheckpointBytes: 2 << 20})
		require.NoError(t, err)
		return c
	}
	c := open()
	require.NoError(t, c.Events().Define(ctx, cdp.EventType{Name: "purchase", Attributes: cdp.Schema{"n": cdp.Number, "note": cdp.Text}}))
	require.NoError(t, c.Segments().Save(ctx, cdp.Segment{Name: "buyers", Where: `events.purchase.size() > 0`}))

	const per = 50
	next := 0
	batch := func() (events []cdp.Event) {
		for n := next * per; n < (next+1)*per; n++ {
			events = append(events, cdp.Event{ID: fmt.Sprint("e", n), Name: "purchase", UserID: fmt.Sprint("u", n%97),
				Attributes: cdp.Attrs{"n": n, "note": strings.Repeat(fmt.Sprint(n, " "), 200)}})
		}
		return events
	}
	var full error
	for next < 10_000 {
		if _, full = c.Track(ctx, batch()...); full != nil {
			break
		}
		next++
	}
	require.Error(t, full, "24 MiB were never full")
	require.ErrorContains(t, full, "no space left")
	require.Truef(t, errors.Is(full, cdp.ErrOutcomeUnknown), "%v", full)
	t.Logf("%d events on 24 MiB, then: %v", next*per, full)

	// The batch whose commit failed may or may not be there; everything before it is.
	acknowledged := next
	verify := func(when string, c *cdp.Client, atLeast, atMost int) {
		t.Helper()
		n, err := c.Events().Count(ctx, "purchase")
		require.NoError(t, err, when)
		require.GreaterOrEqual(t, n, atLeast*per, when)
		require.LessOrEqual(t, n, atMost*per, when)
		seen := map[string]bool{}
		for u := range 97 {
			line, err := c.Profiles().Timeline(ctx, fmt.Sprint("u", u), &cdp.TimelineOptions{Only: []string{"purchase"}, Limit: n})
			require.NoError(t, err, when)
			for _, e := range line {
				require.False(t, seen[e.ID], "%s: %s twice", when, e.ID)
				seen[e.ID] = true
				k := int(e.Attributes["n"].(float64))
				require.Equal(t, fmt.Sprint("e", k), e.ID, when)
				require.Equal(t, strings.Repeat(fmt.Sprint(k, " "), 200), e.Attributes["note"], when)
			}
		}
		require.Len(t, seen, n, when)
		for k := range atLeast * per {
			require.True(t, seen[fmt.Sprint("e", k)], "%s: event %d was acknowledged and is gone", when, k)
		}
		members, err := c.Segments().Count(ctx, "buyers")
		require.NoError(t, err, when)
		require.Equal(t, 97, members, when)
	}

	// The client closed itself, and says why, until it is opened again.
	_, err := c.Track(ctx, batch()...)
	require.ErrorIs(t, err, cdp.ErrClosed)
	require.ErrorContains(t, err, "no space left")
	if err := c.Close(); err != nil {
		require.ErrorContains(t, err, "no space left")
	}
	c = open()
	verify("opened on the full disk", c, acknowledged, acknowledged+1)
	_ = c.Close() // its checkpoint may not fit

	require.NoError(t, syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=96m"))
	c = open()
	defer c.Close()
	verify("with room again", c, acknowledged, acknowledged+1)
	for range 20 { // the batch of unknown outcome first: the ids that are there are duplicates
		_, err := c.Track(ctx, batch()...)
		require.NoError(t, err)
		next++
	}
	verify("going on", c, next, next)
	require.NoError(t, c.Close())
	c = open()
	verify("opened again", c, next, next)
	require.NoError(t, c.Close())
}
