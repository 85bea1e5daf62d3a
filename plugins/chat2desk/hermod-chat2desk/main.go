// Command hermod-chat2desk is the connector program for Chat2Desk. The engine starts it; it is of no use by hand.
package main

import (
	"github.com/hermodhq/hermod/plugins/chat2desk"
	"github.com/hermodhq/hermod/sdk/connector"
)

func main() { connector.Serve(chat2desk.New()) }
