package cdp_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcdp/cdp"
	"github.com/embedcdp/cdp/cdptest"
	"github.com/embedcdp/cdp/channel"
	"github.com/embedcdp/cdp/store/memstore"
)

// Who misspells a channel is told, and nothing is noted.
func TestConsentNamesChannels(t *testing.T) {
	ctx := t.Context()
	c := cdptest.New(t, cdptest.Options{Channels: []string{"email", "sms"}})
	require.NoError(t, c.Consents().Grant(ctx, "ann", "email"))
	require.NoError(t, c.Consents().Grant(ctx, "ann", "inbox"))
	require.NoError(t, c.Consents().Unsubscribe(ctx, "ann", ""))

	const says = `cdp: channel "emial" is not in Config.Channels (did you mean "email"?): correct the name, or register the channel; there are email, inbox, sms`
	require.EqualError(t, c.Consents().Grant(ctx, "ann", "emial"), says)
	require.EqualError(t, c.Consents().Unsubscribe(ctx, "ann", "emial"), says)
	_, err := c.Consents().Allowed(ctx, "ann", "emial")
	require.EqualError(t, err, says)
	var invalid *cdp.InvalidError
	require.ErrorAs(t, err, &invalid)
	n, err := c.Events().Count(ctx, "consent_granted")
	require.NoError(t, err)
	require.Equal(t, 2, n)

	require.EqualError(t, c.Portal().Save(ctx, cdp.Settings{OptIn: []string{"sms", "emial"}}), "portal: opt_in: "+says[len("cdp: "):])
	require.EqualError(t, c.Portal().Save(ctx, cdp.Settings{Caps: []cdp.Cap{{Channel: "emial", Max: 1, Per: "1d"}}}), "portal: cap 1: "+says[len("cdp: "):])
	require.NoError(t, c.Portal().Save(ctx, cdp.Settings{OptIn: []string{"sms", "inbox"}, Caps: []cdp.Cap{{Max: 1, Per: "1d"}, {Channel: "email", Max: 1, Per: "1d"}}}))
}

// A process that has no channels notes consent for one that sends, by any name.
func TestConsentWithoutChannels(t *testing.T) {
	ctx := t.Context()
	c, err := cdp.New(memstore.New(), cdp.Config{})
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.Consents().Grant(ctx, "ann", "push"))
	require.NoError(t, c.Portal().Save(ctx, cdp.Settings{OptIn: []string{"push"}}))
	allowed, err := c.Consents().Allowed(ctx, "ann", "push")
	require.NoError(t, err)
	require.True(t, allowed)
}

// Consent that comes as events names channels too. One that names an unknown channel is rejected alone and kept; a replay by a
// process that has the channel accepts it, and one by a process that has not leaves it.
func TestConsentEventsAreKept(t *testing.T) {
	ctx := t.Context()
	st := memstore.New()
	open := func(names ...string) *cdp.Client {
		channels := map[string]channel.Channel{}
		for _, name := range names {
			channels[name] = &cdptest.Recorder{}
		}
		c, err := cdp.New(st, cdp.Config{Channels: channels})
		require.NoError(t, err)
		return c
	}
	consent := func(id, name, user, ch string) cdp.Event {
		return cdp.Event{ID: id, Name: name, UserID: user, Attributes: cdp.Attrs{"channel": ch}}
	}
	c := open("email")
	res, err := c.Import(ctx, consent("1", "consent_granted", "ann", "email"), consent("2", "unsubscribed", "bob", "push"),
		consent("3", "unsubscribed", "cem", "emial"), consent("4", "unsubscribed", "dan", "inbox"),
		cdp.Event{ID: "5", Name: "unsubscribed", UserID: "eve"})
	require.EqualError(t, err, `cdp: 2 of 5 rejected; `+
		`"2": channel "push" is not in Config.Channels: correct the name, or register the channel; there are email, inbox; `+
		`"3": channel "emial" is not in Config.Channels (did you mean "email"?): correct the name, or register the channel; there are email, inbox`)
	require.Equal(t, 3, res.Accepted)
	kept := func() (ids []string) {
		events, err := c.Events().Rejected(ctx)
		require.NoError(t, err)
		for _, e := range events {
			ids = append(ids, e.ID)
		}
		return ids
	}
	require.Equal(t, []string{"2", "3"}, kept())

	accepted, left, err := c.Events().Replay(ctx, "unsubscribed")
	require.NoError(t, err)
	require.Equal(t, []int{0, 2}, []int{accepted, left})
	require.NoError(t, c.Close())

	c = open("email", "push")
	require.Equal(t, []string{"2", "3"}, kept())
	allowed := func(user, ch string) bool {
		yes, err := c.Consents().Allowed(ctx, user, ch)
		require.NoError(t, err)
		return yes
	}
	accepted, left, err = c.Events().Replay(ctx, "")
	require.NoError(t, err)
	require.Equal(t, []int{1, 1}, []int{accepted, left})
	require.False(t, allowed("bob", "push"))
	require.True(t, allowed("bob", "email"))
	require.NoError(t, c.Close())

	c = open()
	defer c.Close()
	require.Equal(t, []string{"3"}, kept())
	accepted, left, err = c.Events().Replay(ctx, "")
	require.NoError(t, err)
	require.Equal(t, []int{1, 0}, []int{accepted, left})
}

// Consent that a dataflow brings is looked at in the same way.
func TestConsentFromFile(t *testing.T) {
	ctx := t.Context()
	c := cdptest.New(t, cdptest.Options{Channels: []string{"email"}})
	path := filepath.Join(t.TempDir(), "consents.csv")
	require.NoError(t, os.WriteFile(path, []byte("id,at,who,channel\n1,2026-01-01,ann,email\n2,2026-01-01,bob,emial\n3,2026-01-01,cem,\n"), 0o600))
	require.NoError(t, c.Dataflows().Save(ctx, cdp.Dataflow{Name: "consents", Source: cdp.Source{Type: "csv", Path: path, Types: map[string]string{"at": "datetime"}},
		Destinations: []cdp.Destination{{Events: &cdp.ToEvents{Name: "unsubscribed", ID: "id", Time: "at", UserID: "who", Attributes: map[string]string{"channel": "channel"}}}}}))
	run, err := c.Dataflows().Run(ctx, "consents", nil)
	require.NoError(t, err)
	require.EqualValues(t, 1, run.Progress.Rejected)
	kept, err := c.Events().Rejected(ctx)
	require.NoError(t, err)
	require.Len(t, kept, 1)
	require.Contains(t, kept[0].ID, "2")
	require.Contains(t, kept[0].Reason, `channel "emial" is not in Config.Channels (did you mean "email"?)`)
	n, err := c.Events().Count(ctx, "unsubscribed")
	require.NoError(t, err)
	require.Equal(t, 2, n)
}

// The link in a message that was sent still works when its channel is gone.
func TestUnsubscribeFromChannelThatIsGone(t *testing.T) {
	ctx := t.Context()
	st := memstore.New()
	push := &cdptest.Recorder{}
	open := func(channels map[string]channel.Channel) *cdp.Client {
		c, err := cdp.New(st, cdp.Config{Channels: channels, Secret: []byte("0123456789abcdef0123456789abcdef")})
		require.NoError(t, err)
		return c
	}
	c := open(map[string]channel.Channel{"push": push})
	require.NoError(t, c.Portal().Save(ctx, cdp.Settings{UnsubscribeURL: "{token}"}))
	require.NoError(t, c.Events().Define(ctx, cdp.EventType{Name: "buy"}))
	require.NoError(t, c.Templates().Save(ctx, cdp.Template{Name: "thanks", Text: "Thanks"}))
	require.NoError(t, c.Journeys().Save(ctx, cdp.Journey{Name: "thanks", Entry: cdp.Entry{Event: "buy"},
		Nodes: []cdp.Node{cdp.Send("say", "push", "thanks", "end"), cdp.End("end", "")}}))
	_, err := c.Track(ctx, cdp.Event{Name: "buy", UserID: "ann"})
	require.NoError(t, err)
	require.NoError(t, c.Tick(ctx))
	require.Len(t, push.Sent(), 1)
	require.NoError(t, c.Close())

	c = open(map[string]channel.Channel{"email": push})
	require.NoError(t, c.Consents().UnsubscribeToken(ctx, push.Sent()[0].UnsubscribeURL))
	require.NoError(t, c.Close())
	c = open(map[string]channel.Channel{"push": push})
	defer c.Close()
	allowed, err := c.Consents().Allowed(ctx, "ann", "push")
	require.NoError(t, err)
	require.False(t, allowed)
}

// Settings that could not do what they say are refused.
func TestBadPortalSettings(t *testing.T) {
	ctx := t.Context()
	c := cdptest.New(t, cdptest.Options{})
	for want, settings := range map[string]cdp.Settings{
		`portal: opt_in: name 2 is empty; name each channel on which nobody is sent anything without consent, as "email"`: {OptIn: []string{"email", ""}},
		`portal: unsubscribe_url "https://shop.example/bye" lacks {token}, so nobody could tell who unsubscribes: write it where the token goes, as in "https://shop.example/unsubscribe?t={token}"`: {
			UnsubscribeURL: "https://shop.example/bye"},
		`portal: unsubscribe_url "https://shop.example/bye/{{token}}": write {token} in single braces, as in "https://shop.example/unsubscribe?t={token}"`: {
			UnsubscribeURL: "https://shop.example/bye/{{token}}"},
	} {
		require.EqualError(t, c.Portal().Save(ctx, settings), want)
	}
	got, err := c.Portal().Settings(ctx)
	require.NoError(t, err)
	require.Equal(t, cdp.Settings{}, got)
}

// A reference to nothing is refused wherever attributes are declared.
func TestRefToNothing(t *testing.T) {
	ctx := t.Context()
	c := cdptest.New(t, cdptest.Options{})
	const says = `attribute "product": a reference names the object type that it refers to: write cdp.Ref("product"), or {"type": "string", "ref": "product"}`
	bad := cdp.Schema{"product": cdp.Ref("")}
	require.ErrorContains(t, c.Events().Define(ctx, cdp.EventType{Name: "view", Attributes: bad}), says)
	require.ErrorContains(t, c.Profiles().Define(ctx, bad, cdp.Strict), says)
	require.ErrorContains(t, c.Objects().Define(ctx, cdp.ObjectType{Name: "maker", Attributes: bad}), says)
	require.ErrorContains(t, c.Events().Define(ctx, cdp.EventType{Name: "view", Attributes: cdp.Schema{"items": cdp.ListOf(bad)}}), says)
	_, err := cdp.EventOf[struct {
		Product string `cdp:"product,ref="`
	}](ctx, c.Client, "view")
	require.EqualError(t, err, `event "view": field Product: tag option "ref=" names no object type: write ref=product for the ids of products`)
	require.NotContains(t, fmt.Sprint(c.Events().List(ctx)), "view")
}
