// Package exposition turns pushes into expositions. It is pure: it knows
// neither databases nor HTTP, and imports nothing of this project.
//
// The vocabulary, used with the same meaning everywhere in the project:
//
//   - grouping key: the label set of a push's URL path; always has a job.
//   - group: everything pushed under one grouping key.
//   - metric family: the metrics of one name, with a type, a help and a unit.
//   - metric: one label set in a family, with its value, summary or histogram.
//   - sample, series: one line of the text format, and its name and labels.
//   - own labels: a metric's labels without those that the grouping key forces
//     onto it. They are what is stored; see [GroupingKey.FinalLabels].
//   - exposition: the bytes that a scrape answers with.
//
// A push travels through [ParseGroupingKey], [ParseText] or [ParseProtobuf]
// and [Normalize], for which [Bodies] knows a shorter way; what a store returns travels through [DecodeFamilies] into
// a [State], whose [Snapshot] writes expositions.
package exposition
