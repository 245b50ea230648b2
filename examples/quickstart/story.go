package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/channel"
)

type options struct {
	people int
	seed   uint64
	file   string // "" is a new one
	dir    string // for everything else; "" is a new temporary folder
}

// world is what surrounds the platform.
type world struct {
	shop  *shop
	clock *clock
	mail  *mailroom
	sms   *smsGateway
	words vocabulary

	live, end time.Time // when the live days begin and end
}

// outcome is what the story came to, for the test.
type outcome struct {
	shop                *shop
	live, end           time.Time
	customers, visitors int
	events              map[string]int
	segments            map[string]int
	revenue             float64
	funnel              []int
	messages            map[string]int  // by event
	sms                 int             // requests that the gateway took
	reminder            cdp.JourneyNode // the journey as a whole
	inside              int             // of the journey, at the end
	dashboard           string
}

// tell tells the story.
func tell(ctx context.Context, opt options, w io.Writer) (o outcome, err error) {
	if opt.people < 1 {
		return o, fmt.Errorf("-people %d: a shop needs visitors, at least 1", opt.people)
	}
	out := newPage(w)
	dir, file, err := places(opt)
	if err != nil {
		return o, err
	}
	zone, err := time.LoadLocation("Asia/Ho_Chi_Minh")
	if err != nil {
		return o, err
	}

	// The world: a shop of the last 120 days, a clock, and two services that deliver messages.
	opening := openingDay(zone)
	world := &world{shop: simulate(opt.seed, opt.people, zone), clock: &clock{}, mail: &mailroom{dir: filepath.Join(dir, "letters")},
		live: opening.AddDate(0, 0, historyDays), end: opening.AddDate(0, 0, totalDays)}
	world.clock.set(world.live)
	if err := os.MkdirAll(world.mail.dir, 0o755); err != nil {
		return o, err
	}
	world.sms = newSMSGateway(world.clock.now)
	defer world.sms.Close()
	sms, err := world.sms.channel()
	if err != nil {
		return o, err
	}

	// The platform: one file, opened by this process. Everything else is optional.
	c, err := cdp.Open(file, cdp.Config{
		Now:      world.clock.now,
		Channels: map[string]channel.Channel{"email": world.mail, "sms": sms},
		Secret:   []byte("32 random bytes in a real product"),
	})
	if err != nil {
		return o, err
	}
	defer func() {
		if e := c.Close(); err == nil {
			err = e
		}
	}()
	fmt.Fprintf(w, "A shop in Ho Chi Minh City: %s people, %d days, one file: %s\n", thousands(int64(opt.people)), totalDays, file)

	out.section("Define what there is")
	if world.words, err = define(ctx, c); err != nil {
		return o, err
	}
	if err := showDefinitions(ctx, c, out); err != nil {
		return o, err
	}

	out.section(fmt.Sprintf("Import %d days of history by dataflow", historyDays))
	history, live := world.shop.split(world.live)
	csv, err := writeHistory(dir, world.shop, history, world.live)
	if err != nil {
		return o, err
	}
	flows := dataflows(csv)
	if err := importAll(ctx, c, out, flows); err != nil {
		return o, err
	}
	out.line("")
	out.line("The dead letter, with line and reason:")
	if err := deadLetters(ctx, c, out, flows); err != nil {
		return o, err
	}

	out.section("Save the segments and the journey")
	if err := saveSegments(ctx, c); err != nil {
		return o, err
	}
	if err := saveReminder(ctx, c); err != nil {
		return o, err
	}
	before, err := countSegments(ctx, c)
	if err != nil {
		return o, err
	}
	if err := showWhere(ctx, c, out); err != nil {
		return o, err
	}

	out.section(fmt.Sprintf("Live: visitors become customers, %s to %s", world.live.Format("2 January"), world.end.AddDate(0, 0, -1).Format("2 January 2006")))
	if err := liveDays(ctx, c, world, out, live); err != nil {
		return o, err
	}
	world.clock.set(world.end.Add(9 * time.Hour)) // the next morning somebody looks at it all

	out.section("Who bought shoes 3 times a month?")
	if o.segments, err = showSegments(ctx, c, out, world.live, before); err != nil {
		return o, err
	}

	out.section("One of them: why, and until when")
	someone, err := explainOne(ctx, c, out)
	if err != nil {
		return o, err
	}
	out.line("")
	if err := timeline(ctx, c, out, someone, zone); err != nil {
		return o, err
	}

	out.section("Messages: what was sent, and why others were not")
	if o.messages, err = showMessages(ctx, c, out, world); err != nil {
		return o, err
	}

	out.section("Dashboard")
	o.dashboard = filepath.Join(dir, "dashboard.html")
	if err := writeDashboard(ctx, c, out, world, &o); err != nil {
		return o, err
	}
	o.shop, o.live, o.end, o.sms = world.shop, world.live, world.end, world.sms.count()
	if o.customers, o.visitors, err = c.Profiles().Count(ctx); err != nil {
		return o, err
	}
	inside, err := c.Journeys().Inside(ctx, reminderName)
	if err != nil {
		return o, err
	}
	o.inside, o.events = len(inside), map[string]int{}
	for _, name := range []string{view, cart, purchase} {
		if o.events[name], err = c.Events().Count(ctx, name); err != nil {
			return o, err
		}
	}
	fmt.Fprintf(w, "\nAll of it took %.1f s.\nThe letters that an SMTP server would have got are in %s\nThe dashboard is in         %s\n",
		time.Since(out.started).Seconds(), world.mail.dir, o.dashboard)
	return o, nil
}

// places finds a folder for what is written and a path for the portal's file.
func places(opt options) (dir, file string, err error) {
	dir, file = opt.dir, opt.file
	if dir == "" {
		if dir, err = os.MkdirTemp("", "quickstart-"); err != nil {
			return "", "", err
		}
	}
	if file == "" {
		file = filepath.Join(dir, "shop.cdp")
	}
	if _, err := os.Stat(file); err == nil {
		return "", "", fmt.Errorf("%s is there already: the story begins with a new file, so name another one or remove it", file)
	}
	return dir, file, nil
}
