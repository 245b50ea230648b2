// Package cdp is a Customer Data Platform in a library: events in, one profile per person, segments in CEL, journeys
// across channels, dataflows and reports, on one file.
//
// # Open
//
//	c, err := cdp.Open("shop.cdp") // or cdp.New(memstore.New(), cdp.Config{…}) in tests
//	defer c.Close()
//
// A [Client] is one portal (tenant). It is safe for concurrent use. Everything is reached through it: the hot verbs
// [Client.Track], [Client.Identify] and [Client.Import] directly, the rest in families: Events, Profiles, Objects,
// Segments, Templates, Journeys, Inbox, Consents, Messages, Dataflows, Insights and Portal.
//
// # Events in
//
//	err = c.Events().Define(ctx, cdp.EventType{Name: "purchase", Attributes: cdp.Schema{
//		"category": cdp.String, "amount": cdp.Number.Required(), "product": cdp.Ref("product")}})
//	res, err := c.Track(ctx, cdp.Event{ID: "order-1", Name: "purchase", UserID: "u1",
//		Attributes: cdp.Attrs{"category": "shoes", "amount": 42.5}})
//
// When Track returns, the event is on disk and everything that follows from it has happened: the profile, the segments,
// the journey's step, the message to send are one commit. The same id again is a duplicate and changes nothing.
//
// # People
//
// Whoever an identifier names is a person: a visitor with an anonymous id, a customer with a user id. An event or
// [Client.Identify] with both makes the visitor's history the customer's. [Profiles.Get] returns attributes, identifiers,
// segments and journeys; [Profiles.Timeline] everything that happened.
//
// # Segments
//
//	err = c.Segments().Save(ctx, cdp.Segment{Name: "regulars",
//		Where: `customer.city == "Hue" && events.purchase.filter(e, e.category == "shoes").within("30d").size() >= 3`})
//
// A condition is standard CEL, checked against what is declared. An attribute that is absent is not zero: a comparison
// with it is neither true nor false, and whoever it decides about is not a member; inside a list of events it only leaves
// out that event.
//
//	customer.x, visitor.x, has(customer.x)             attributes of the profile
//	events.NAME                                        its events of a type, oldest first: e.time, e.id, e.source, e.attribute
//	e.product.brand                                    follows a reference to an object, as it was at the event's time
//	e.items.exists(i, i.sku == "s1")                   line items: .filter .sum(i, i.price * i.quantity) and the other macros
//	.filter .exists .all .map .size                    CEL's macros
//	.within("30d")                                     now-30d < e.time <= now; units s m h d w
//	.during("this_month")                              today yesterday this_week last_week last_7_days last_14_days
//	                                                   last_30_days (without today) this_month last_month this_quarter
//	                                                   last_quarter this_year all_time; in the portal's time zone
//	.since(t) .until(t)                                e.time >= t, e.time < t
//	.sum(e, e.amount) .avg .min .max .countDistinct .mostFrequent .first() .last()
//	.perMonth(6) .perWeek(4) .perDay(7)                counts of the last complete months, oldest first
//	sequence(events.view, events.add_to_cart, "7d")    one after the other within a time
//	inSegment("vip")                                   is in another segment
//	now, now.startOf("month"), ago("3d"), customer.birthday.anniversary()
//
// Members are right at every instant: whoever's third purchase becomes 30 days old leaves then, not tonight.
// [Segments.Explain] says why somebody is in or out, and when that changes by itself.
//
// # The past
//
// [Client.TrueAt] asks the same questions as of a past instant by all that is known now, [Client.KnownAt] by what had arrived
// until then; see [Past].
//
//	n, err := c.KnownAt(endOfMay).Count(ctx, "regulars")
//
// # Journeys and messages
//
// A [Journey] is a graph of nodes: [Delay], [Wait], [If], [Send], [GoalReached], [End]. Its messages are rendered from a
// [Template] and handed to a [github.com/embedcdp/cdp/channel.Channel], at least once and always under the same key.
// [Client.Run] drives timers and sends until its context ends; [Client.Tick] does so once.
//
// # Stop
//
// [Client.Close] finishes what was accepted. A process that is killed instead loses nothing that was acknowledged.
package cdp
