// Package journey moves people through the steps of a journey.
//
// A [Def] is what a user saves: how people enter, the nodes they go through, and what takes them out early. [Compile]
// checks it and returns a [Journey], the stepper. A person inside is an [Enrolment], a small value. Every step is a
// function from (enrolment, input, instant) to (enrolment, effects):
//
//	Enter    something happened that may start the journey
//	OnEvent  an event of the person arrived
//	OnTimer  the enrolment's due instant has come
//	OnChange an attribute of the person changed
//
// The package is pure. It reads no clock, does no I/O and knows no CEL: conditions are compiled by a hook and are asked
// through a function. The same inputs always give the same effects.
//
// # What is checked first
//
// On an event: goals in their order, then exits in theirs, then the branches of the wait the person stands at. So a
// goal wins over an exit, and an exit over a wait. On reaching a node: the exits that are conditions over the profile,
// then the node; a goal node is exempt, since a goal wins.
//
// # Time
//
// An enrolment lives in event time. It enters at the time of the event that started it, an event that ends a wait
// moves it on at the event's own time, and a timer moves it on at the exact due instant, however late it is fired.
// So a late event gives what it would have given on time, as long as the wait has not timed out. The instants in
// one enrolment never go backwards. An effect's instant may lie before the caller's now, and so may a new timer,
// which is then due at once.
//
// The caller fires an enrolment's due timers before it hands it a later event.
package journey
