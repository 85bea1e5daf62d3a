// Command hermod-chatondesk is the connector program for ChatOnDesk. An engine starts it by itself.
package main

import (
	"github.com/hermodhq/hermod/plugins/chatondesk"
	"github.com/hermodhq/hermod/sdk/connector"
)

func main() { connector.Serve(chatondesk.New()) }
