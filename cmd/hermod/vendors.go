package main

import (
	"github.com/hermodhq/hermod/plugins/chat2desk"
	"github.com/hermodhq/hermod/plugins/chatondesk"
	"github.com/hermodhq/hermod/plugins/convrs"
	"github.com/hermodhq/hermod/plugins/omnidesk"
	"github.com/hermodhq/hermod/sdk/connector"
)

// vendors are the connectors that are linked into the command.
func vendors() []connector.Connector {
	return []connector.Connector{
		chat2desk.New(),
		chatondesk.New(),
		convrs.New(),
		omnidesk.New(),
	}
}
