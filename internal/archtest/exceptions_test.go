package archtest

// exception exempts one place from one rule.
type exception struct {
	rule   string // the rule's name in rules
	at     string // a file, or a directory with all below it
	reason string
}

// exceptions is the only list of its kind. An entry that exempts nothing is itself an error: remove it.
var exceptions = []exception{
	{"background", "core/internal/journal/internal/lease", "a lease is given back after every caller's context has ended"},
	{"background", "core/internal/metrics", "a count needs a context and is never cancelled; the owners' goroutines count without one"},
	{"background", "core/internal/pluginhost/host.go", "connectors live until Stop, not until the context of Start ends"},
	{"background", "core/internal/pluginhost/process/local.go", "a connector in this process lives until its link is closed"},
	{"background", "core/internal/pluginhost/process/process.go", "killing a process must not be cancelled"},
	{"package size", "core/internal/partition", "one goroutine owns the whole of it, and half of its parts would be arguments of the other half"},
	{"background", "plugins/chat2desk/chat2desksim/sim.go", "a simulator lives until Close"},
	{"background", "plugins/convrs/convrssim/sim.go", "a simulator lives until Close"},
	{"background", "plugins/convrs/internal/convrsapi/socket.go", "an account lives until Close, not until its opener's context ends"},
	{"background", "sdk/connector/serve.go", "serving is the whole of a connector's main"},
	{"background", "sdk/connector/server.go", "accounts are closed after the engine's contexts have ended"},
	{"background", "sdk/transform/guest/log.go", "a guest's output comes without a context"},
}

// sideways are the imports between rooms of one level that the level picture permits besides the ones that go down.
var sideways = []struct{ from, to, reason string }{
	{"sdk/message", "sdk/fault", "a receipt carries its fault"},
	{"cmd/*", "core/console", "the command serves the console"},
	{"examples/*", "core/console", "an example shows how a host mounts the console"},
	{"examples/*", "core/coretest", "an example shows how a host tests itself"},
}
