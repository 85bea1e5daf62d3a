package fault

import "strings"

// Advice tells a person what to do next. Where the code says that it is not the vendor's doing, but that of the engine's own programs or
// of what is configured, it goes by the code; else by the class. NAME in it stands for the account's name.
func (f *Fault) Advice() string {
	switch code := f.Code; {
	case code == "account_not_open":
		return "`hermod accounts` shows why, and what to do"
	case code == "connector_busy":
		return "it is tried again by itself; lower the account's limits if this lasts"
	case code == "connector_unknown":
		return "correct the connector's name in the configuration, and start again; `hermod connectors list` shows all"
	case code == "connector_panic":
		return f.and("report the stack in the log to the connector's authors")
	case code == "plugin_unpinned" || code == "plugin_checksum":
		return "if the program is the one that you want, run `hermod connectors pin`, and start again"
	case code == "plugin_exited" || code == "plugin_timeout" || code == "plugin_handshake":
		return "run the connector's program by hand, and look at its lines in the log; the vendor has no part in this"
	case strings.HasPrefix(code, "plugin_"):
		return "put a program that fits into the plugins folder, run `hermod connectors pin`, and start again"
	case strings.HasPrefix(code, "connector_"):
		return f.and("look at the connector's lines in the log; it is started again by itself")
	case strings.HasPrefix(code, "config_"):
		return "correct the configuration, and start again"
	}
	return f.Class.Advice()
}

// and adds what becomes of a message, where that is not known.
func (f *Fault) and(advice string) string {
	if f.Class == OutcomeUnknown {
		return advice + "; " + f.Class.Advice()
	}
	return advice
}
